"""When the other bands contradict a new source: not before a dispersed burst has passed them all.

A burst at frequency f arrives later at lower frequencies, by up to the delay of `max_dm_pc_cm3`.
In each other band the images that it may have reached are those exposed between its arrivals at
DM 0 and at that DM. A band contradicts the source if all of these show less than any power law
leaves there.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from math import hypot

import numpy as np

from runtime.settings import AssociateSettings
from services.associate.models.catalogue import BandFlux, CatalogueState
from services.associate.models.contradictions import (
    BandImage,
    JudgementTimes,
    RetractionCandidate,
    StreamBands,
)
from services.associate.models.decisions import Retraction
from services.associate.models.timesteps import Timestep
from services.associate.steps.retraction import to_retraction
from services.associate.steps.spectral_consistency import (
    SpectralConflict,
    check_spectral_consistency,
)
from sky.dispersion import dispersion_delay_s
from sky.margin import is_searched
from sky.wcs import SkyProjection

__all__ = [
    "Verdict",
    "arrival_window",
    "find_image_times",
    "find_retractions",
    "is_due",
    "judge",
    "longest_wait",
    "to_timestep_waits",
    "to_waits",
]

# A verdict is that of another band [-].
_LEAST_BANDS = 2
# Exposures that overlap by less than this part of the shorter one do not [-].
_LEAST_OVERLAP = 0.01
# The image that brings the last answer starts at most this long after the last arrival: a
# stream with longer gaps judges its new sources no more [s].
_LONGEST_GAP_S = 3600.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether everything is known about a new source, and the band that contradicts it."""

    is_final: bool
    conflict: SpectralConflict | None = None


def arrival_window(
    candidate: RetractionCandidate, freq_hz: float, max_dm_pc_cm3: float
) -> tuple[datetime, datetime]:
    """Return when a burst may have arrived at another frequency: first and last moment."""
    delay_s = dispersion_delay_s(max_dm_pc_cm3, freq_hz, candidate.detected.freq_eff_hz)
    end = candidate.time_start + timedelta(seconds=candidate.exposure_s)
    return (
        candidate.time_start + timedelta(seconds=min(delay_s, 0.0)),
        end + timedelta(seconds=max(delay_s, 0.0)),
    )


def longest_wait(bands: StreamBands, max_dm_pc_cm3: float) -> timedelta:
    """Return how long after its detection a new source may be judged."""
    delay_s = dispersion_delay_s(
        max_dm_pc_cm3, min(bands.freq_eff_hz, default=1.0), max(bands.freq_eff_hz, default=1.0)
    )
    return timedelta(seconds=delay_s + _LONGEST_GAP_S if max_dm_pc_cm3 > 0 else 0.0)


def to_waits(bands: StreamBands, settings: AssociateSettings) -> JudgementTimes:
    """Return around which times new sources are judged by a forced flux."""
    tolerance = timedelta(seconds=settings.timestep_tolerance_s)
    wait = longest_wait(bands, settings.max_dm_pc_cm3)
    return JudgementTimes(tolerance, max(wait, tolerance))


def to_timestep_waits(
    timestep: Timestep, state: CatalogueState, settings: AssociateSettings
) -> JudgementTimes:
    """Return how long a new source is measured for a verdict, beyond its expiry."""
    tolerance = timedelta(seconds=settings.timestep_tolerance_s)
    exposures_s = [each.metadata.exposure_s for each in timestep.records if each.metadata]
    freq_hz = [band.freq_eff_hz for band in state.bands]
    if len(set(freq_hz)) < _LEAST_BANDS:
        return JudgementTimes(tolerance, None)
    delay_s = dispersion_delay_s(settings.max_dm_pc_cm3, min(freq_hz), max(freq_hz))
    return JudgementTimes(
        tolerance, timedelta(seconds=delay_s + 2 * max(exposures_s, default=0.0))
    )


def find_image_times(
    candidate: RetractionCandidate, bands: StreamBands, settings: AssociateSettings
) -> tuple[datetime, datetime]:
    """Return between which times images start that a burst may have reached."""
    windows = [
        arrival_window(candidate, freq_hz, settings.max_dm_pc_cm3) for freq_hz in bands.freq_eff_hz
    ]
    tolerance = timedelta(seconds=settings.timestep_tolerance_s)
    if settings.max_dm_pc_cm3 <= 0:
        return candidate.time_start - tolerance, candidate.time_start + tolerance
    # Exposures of other bands may be longer, up to twice as long.
    exposure = timedelta(seconds=2 * candidate.exposure_s)
    first = min(window[0] for window in windows) - exposure
    return first - tolerance, max(window[1] for window in windows) + tolerance


def is_due(candidate: RetractionCandidate, bands: StreamBands, max_dm_pc_cm3: float) -> bool:
    """Return whether every band that the burst could still reach has been seen."""
    if bands.looked_until is None:
        return False
    exposure_s = candidate.exposure_s
    seen_until = bands.looked_until + timedelta(seconds=(1 + _LEAST_OVERLAP) * exposure_s)
    ends = [arrival_window(candidate, each, max_dm_pc_cm3)[1] for each in bands.freq_eff_hz]
    return max(ends, default=candidate.time_start) <= seen_until


def judge(
    candidate: RetractionCandidate, images: Iterable[BandImage], settings: AssociateSettings
) -> Verdict:
    """Return whether a band contradicts a new source: the first one, by frequency.

    Parameters
    ----------
    candidate : RetractionCandidate
        All bands that the burst could still reach have been seen.
    images : iterable of BandImage
        Accepted images of other bands around the time.
    settings : AssociateSettings
        Limits of the spectral test; `max_dm_pc_cm3`.

    Returns
    -------
    Verdict
        Not final while an answer is missing: a position that an image since the detection covers
        is measured there.
    """
    by_band: dict[int, list[BandImage]] = {}
    for image in sorted(images, key=lambda each: (each.freq_eff_hz, each.time_start)):
        if _is_reached(candidate, image, settings) and _covers(candidate, image):
            by_band.setdefault(image.band_id, []).append(image)
    reached = [image for band in by_band.values() for image in band]
    if any(_is_unanswered(candidate, image, settings) for image in reached):
        return Verdict(is_final=False)
    for band in by_band.values():
        if conflict := _find_conflict(candidate, band, settings):
            return Verdict(is_final=True, conflict=conflict)
    return Verdict(is_final=True)


def _is_reached(
    candidate: RetractionCandidate, image: BandImage, settings: AssociateSettings
) -> bool:
    """Return whether a burst may have arrived during an image, whatever its DM."""
    if _is_same_time(candidate, image, settings):
        return True
    if settings.max_dm_pc_cm3 <= 0:
        return False
    first, last = arrival_window(candidate, image.freq_eff_hz, settings.max_dm_pc_cm3)
    end = image.time_start + timedelta(seconds=image.exposure_s)
    least_s = _LEAST_OVERLAP * min(image.exposure_s, candidate.exposure_s)
    return min(last, end) - max(first, image.time_start) > timedelta(seconds=least_s)


def _is_same_time(
    candidate: RetractionCandidate, image: BandImage, settings: AssociateSettings
) -> bool:
    apart_s = abs((image.time_start - candidate.time_start).total_seconds())
    return apart_s <= settings.timestep_tolerance_s


def _covers(candidate: RetractionCandidate, image: BandImage) -> bool:
    if image.forced is not None:
        return True
    event = candidate.last_event
    x, y = SkyProjection.of(image.wcs_header).to_pixel(np.array([event.ra]), np.array([event.dec]))
    return bool(is_searched(image.shape, x, y, image.margin_px)[0])


def _is_unanswered(
    candidate: RetractionCandidate, image: BandImage, settings: AssociateSettings
) -> bool:
    """Return whether forced photometry of an image was asked for and is on its way."""
    tolerance = timedelta(seconds=settings.timestep_tolerance_s)
    is_asked = image.time_start >= candidate.time_start - tolerance
    return is_asked and image.forced is None and not image.is_gap


def _find_conflict(
    candidate: RetractionCandidate, band: Sequence[BandImage], settings: AssociateSettings
) -> SpectralConflict | None:
    """Return the conflict of one band: the brightest of its images leaves too little, too.

    Images without a measurement, from before the detection, count with the flux that they would
    have detected. A burst may end in the next exposure: the sums of neighbours count, too.
    """
    is_measured = any(each.forced for each in band) and not any(each.is_gap for each in band)
    if settings.spectral_conflict_sigma is None or not is_measured:
        return None
    fluxes = [_flux_of(image) for image in band]
    fluxes += [_sum(*pair) for pair in pairwise(band) if any(each.forced for each in pair)]
    is_instant = len(band) == 1 and _is_same_time(candidate, band[0], settings)
    when = "at the same time" if is_instant else _to_span(band)
    conflicts = [
        check_spectral_consistency(
            candidate.detected,
            flux,
            sigma=settings.spectral_conflict_sigma,
            max_spectral_index=settings.spectral_conflict_max_index,
            when=when,
        )
        for flux in fluxes
    ]
    found = [conflict for conflict in conflicts if conflict is not None]
    if len(found) < len(fluxes):
        return None
    return min(found, key=lambda conflict: conflict.significance_sigma)


def _flux_of(image: BandImage) -> BandFlux:
    """Return the flux of an image, or the largest that it would not have detected."""
    if image.forced is not None:
        return image.forced
    return BandFlux(image.limit_jy_beam, image.rms_jy_beam, image.freq_eff_hz, image.stokes)


def _sum(first: BandImage, second: BandImage) -> BandFlux:
    """Return the flux of two successive images; a limit is one and has no error."""
    flux_jy_beam = sum(_flux_of(each).flux_peak_jy_beam for each in (first, second))
    measured = [each.forced for each in (first, second) if each.forced is not None]
    err_jy_beam = hypot(*(each.flux_peak_err_jy_beam for each in measured))
    return BandFlux(flux_jy_beam, err_jy_beam, first.freq_eff_hz, first.stokes)


def _to_span(band: Sequence[BandImage]) -> str:
    first, last = band[0], band[-1]
    span_s = (last.time_start - first.time_start).total_seconds() + last.exposure_s
    return f"in {len(band)} images of {span_s:.1f} s, the brightest"


def find_retractions(
    verdicts: Iterable[tuple[RetractionCandidate, Verdict]], now: datetime
) -> list[Retraction]:
    """Return the retractions of the transients that other bands contradict."""
    return [
        to_retraction(candidate.last_event, verdict.conflict.reason, now)
        for candidate, verdict in verdicts
        if verdict.conflict is not None
    ]
