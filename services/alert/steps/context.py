"""The context of an event: its bands, its spectrum, what its source was before."""

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np

from schemas.messages import FloatArray, SourceEvent
from services.alert.models import (
    BandFlux,
    ContextRows,
    EventContext,
    FalseAlarmCounts,
    History,
    LookedImage,
    NegativeRate,
    Point,
    SourceTotals,
    SpectralIndex,
    Timestep,
)
from sky.geometry import separation_deg
from sky.margin import is_searched
from sky.rms_grid import rms_at
from sky.wcs import SkyProjection

__all__ = [
    "build_context",
    "expect_false_alarms",
    "expect_false_changes",
    "find_spectral_index",
]

# Of a source that was there before: judged by a test of its fluxes and not by a search for peaks.
_CHANGES = frozenset({"variable", "faded", "vanished", "returned"})

# Negative peaks of the first hour of a band are those of an hour.
_LEAST_DAYS = 1 / 24
# Below, a flux is no use for a spectrum [sigma].
_SPECTRUM_SIGMA = 3.0
# Beyond, and below its inverse, a flux is a defect [Jy/beam].
_LARGEST_JY = 1e30


def build_context(event: SourceEvent, rows: ContextRows) -> EventContext:
    """Return the context of an event whose position is on the sky, from what was read of it."""
    timestep, counts = rows.timestep, rows.counts
    known = EventContext(
        matches=tuple(sorted(rows.matches, key=lambda match: match.distance_arcsec)),
        n_retracted_here=0 if counts is None else _count_retracted(event, counts),
        false_alarms_per_day=_expect(event, rows, History()),
        stamps=rows.stamps,
    )
    if timestep is None:
        return known
    own, now = timestep.own, {image.image_key for image in timestep.images}
    points = _leave_out_later(_leave_out_early(event, rows.points), own, now)
    previous = [
        point
        for point in points
        if point.image_key not in now and point.time_start < own.time_start
    ]
    bands = tuple(_find_bands(event, timestep, points))
    history = _find_history(event, timestep, previous, rows.totals)
    return replace(
        known,
        bands=bands,
        spectral_index=find_spectral_index(
            [band.point for band in bands if band.point is not None and band.stokes == "I"]
        ),
        history=history,
        false_alarms_per_day=_expect(event, rows, history),
        previous=tuple(previous),
        field_distance_deg=separation_deg(event.ra, event.dec, own.field_ra, own.field_dec),
    )


def _leave_out_early(event: SourceEvent, points: Sequence[Point]) -> Sequence[Point]:
    """Return the points without those of a look back that did not end before the event.

    Which of its answers had come by then says nothing about the sky.
    """
    if event.look_back != "not_looked_back":
        return points
    return [each for each in points if each.extraction_type != "lookback"]


def _leave_out_later(
    points: Sequence[Point], own: LookedImage, now: Collection[int]
) -> Sequence[Point]:
    """Return the points without those that the timestep of a first detection asks for.

    They may be measured before or after the alert is made, whose content would hang on it.
    """
    if any(each.image_key not in now and each.extraction_type == "blind" for each in points):
        return points
    return [
        each
        for each in points
        if each.image_key not in now
        or each.image_key == own.image_key
        or each.extraction_type == "blind"
    ]


def _count_retracted(event: SourceEvent, counts: FalseAlarmCounts) -> int:
    """Return how many retracted transients are within a beam of the position."""
    beam_deg = event.beam_major_deg
    return sum(
        abs(dec - event.dec) <= beam_deg
        and separation_deg(event.ra, event.dec, ra, dec) <= beam_deg
        for ra, dec in counts.retracted
    )


def _find_bands(
    event: SourceEvent, timestep: Timestep, points: Sequence[Point]
) -> Iterable[BandFlux]:
    """Yield what each image of the timestep has at the position, in ascending frequency."""
    by_image = {point.image_key: point for point in reversed(points)}
    for image in sorted(timestep.images, key=lambda each: (each.freq_eff_hz, each.stokes)):
        point = by_image.get(image.image_key)
        if point is None and not _covers(image, event.ra, event.dec):
            continue
        yield BandFlux(
            freq_eff_hz=image.freq_eff_hz,
            freq_bw_hz=image.freq_bw_hz,
            stokes=image.stokes,
            point=point,
            limit_jy_beam=_find_limit(image, point, event.ra, event.dec),
            is_headline=image.image_id == event.image_id,
        )


def _to_pixel(image: LookedImage, ra: float, dec: float) -> tuple[FloatArray, FloatArray]:
    return SkyProjection.of(image.wcs_header).to_pixel(np.array([ra]), np.array([dec]))


def _covers(image: LookedImage, ra: float, dec: float) -> bool:
    return bool(is_searched(image.shape, *_to_pixel(image, ra, dec), image.margin_px)[0])


def _find_limit(image: LookedImage, point: Point | None, ra: float, dec: float) -> float | None:
    """Return the detection limit of an image at a position [Jy/beam]; None if unknown."""
    if image.threshold_sigma is None:
        return None
    if point is not None:
        rms_jy_beam = point.rms_local_jy_beam
    elif image.rms_grid is not None:
        rms_jy_beam = float(rms_at(image.rms_grid, image.shape, *_to_pixel(image, ra, dec))[0])
    else:
        return None
    limit = image.threshold_sigma * rms_jy_beam
    return limit if math.isfinite(limit) else None


def find_spectral_index(points: Sequence[Point]) -> SpectralIndex | None:
    """Return the index of the power law S ~ nu^alpha through peak fluxes of one time.

    A weighted straight line through ln S over ln nu; None below two frequencies with a flux of
    3 sigma, or without errors.
    """
    usable = [
        point
        for point in points
        if 0 < point.flux_peak_jy_beam < _LARGEST_JY
        and 1 / _LARGEST_JY
        < point.flux_peak_err_jy_beam
        <= point.flux_peak_jy_beam / _SPECTRUM_SIGMA
    ]
    if len({point.freq_eff_hz for point in usable}) < 2:
        return None
    flux = np.array([point.flux_peak_jy_beam for point in usable])
    weight = (flux / [point.flux_peak_err_jy_beam for point in usable]) ** 2
    log_freq = np.log([point.freq_eff_hz for point in usable])
    log_freq -= np.average(log_freq, weights=weight)
    curvature = float(np.sum(weight * log_freq**2))
    value = float(np.sum(weight * log_freq * np.log(flux))) / curvature
    return SpectralIndex(value, 1 / math.sqrt(curvature))


def _find_history(
    event: SourceEvent,
    timestep: Timestep,
    previous: Sequence[Point],
    totals: SourceTotals | None,
) -> History:
    own = timestep.own
    same = [each for each in previous if (each.band_id, each.stokes) == (own.band_id, own.stokes)]
    mean, mean_err = _find_mean(same)
    detected = [each.time_start for each in previous if each.is_detection]
    n_looks, n_detections = len(same), sum(each.is_detection for each in same)
    if totals is not None and totals.time_first < own.time_start:
        detected.append(totals.time_first)
        # Those that the newest measurements of all channels leave out were looks, too.
        n_looks, n_detections = max(n_looks, totals.n_looks), max(n_detections, totals.n_blind)
    return History(
        n_looks=n_looks,
        n_detections=n_detections,
        last=same[0] if same else None,
        mean_jy_beam=mean,
        mean_err_jy_beam=mean_err,
        time_last_non_detection=_find_last_non_detection(event, timestep, same),
        time_first_detection=min(detected, default=None),
        time_before_change=_find_before_change(event, same, mean),
    )


def _find_before_change(
    event: SourceEvent, same: Sequence[Point], mean: float | None
) -> datetime | None:
    """Return when the flux was last not on the side of the mean on which it is now."""
    if mean is None:
        return None
    sign = 1.0 if event.flux_peak_jy_beam > mean else -1.0
    return max(
        (
            each.time_start
            for each in same
            if sign * (each.flux_peak_jy_beam - mean) <= abs(each.flux_peak_err_jy_beam)
        ),
        default=None,
    )


def _find_mean(points: Sequence[Point]) -> tuple[float | None, float | None]:
    """Return the mean peak flux weighted by 1/error^2, and its error [Jy/beam]."""
    usable = [
        (each.flux_peak_jy_beam, each.flux_peak_err_jy_beam**-2.0)
        for each in points
        if abs(each.flux_peak_jy_beam) < _LARGEST_JY
        and 1 / _LARGEST_JY < each.flux_peak_err_jy_beam < _LARGEST_JY
    ]
    weight = sum(each for _, each in usable)
    if not weight:
        return None, None
    return sum(flux * each for flux, each in usable) / weight, weight**-0.5


def _find_last_non_detection(
    event: SourceEvent, timestep: Timestep, same: Sequence[Point]
) -> datetime | None:
    """Return the start of the newest earlier look of the channel that did not detect the source.

    The newest images are searched for one without a measurement: those of a new source.
    """
    detected = {each.image_key for each in same if each.is_detection}
    looks = [each.time_start for each in same if not each.is_detection]
    for image in timestep.earlier:
        if image.image_key not in detected and _covers(image, event.ra, event.dec):
            looks.append(image.time_start)
            break
    return max(looks, default=None)


def _expect(event: SourceEvent, rows: ContextRows, history: History) -> float | None:
    """Return the false alarms of the kind of an event expected a day; None: unknown."""
    counts, timestep = rows.counts, rows.timestep
    if counts is None:
        return None
    if (event.transient_kind or event.kind) not in _CHANGES:
        negative = None if timestep is None else counts.negative.get(timestep.own.band_id)
        return expect_false_alarms(_largest_snr(event, rows), counts, negative)
    sigma = _change_sigma(event, rows, history)
    return None if sigma is None else expect_false_changes(sigma, counts)


def _largest_snr(event: SourceEvent, rows: ContextRows) -> float:
    """Return the S/N of an event; of an update the largest of all blind detections of its source.

    A source that was certain does not become a likely false alarm as it fades.
    """
    if event.kind != "update":
        return event.snr
    found = [point.snr for point in rows.points if point.extraction_type == "blind"]
    return max((each for each in (event.snr, *found) if math.isfinite(each)), default=event.snr)


def _change_sigma(event: SourceEvent, rows: ContextRows, history: History) -> float | None:
    """Return the significance of a change [sigma].

    That of an update, which has no other test, is the largest distance of a flux from the mean
    before, now or in an earlier look of the channel: a change that ends was one.
    """
    if event.trigger_sigma is not None:
        return event.trigger_sigma
    mean, timestep = history.mean_jy_beam, rows.timestep
    if mean is None or timestep is None:
        return None
    channel = (timestep.own.band_id, timestep.own.stokes)
    fluxes = [(event.flux_peak_jy_beam, event.flux_peak_err_jy_beam)]
    fluxes += [
        (point.flux_peak_jy_beam, point.flux_peak_err_jy_beam)
        for point in rows.points
        if (point.band_id, point.stokes) == channel and point.time_start < timestep.own.time_start
    ]
    errors = [math.hypot(err, history.mean_err_jy_beam or 0.0) for _, err in fluxes]
    sigma = [
        abs(flux - mean) / err for (flux, _), err in zip(fluxes, errors, strict=True) if err > 0
    ]
    return max((each for each in sigma if math.isfinite(each)), default=None)


def expect_false_changes(sigma: float, counts: FalseAlarmCounts) -> float:
    """Return how many false changes of at least a significance are expected a day.

    Gaussian noise of either sign in all tests, and the changes that were retracted in the days
    before. A test of several windows counts as one. A significance is infinite where the chance
    is too small for a number, as beyond 37 sigma.
    """
    if math.isnan(sigma):
        return math.inf
    noise = counts.tests_per_day * math.erfc(abs(sigma) / math.sqrt(2))
    return noise + (counts.n_false_changes + 0.5) / max(counts.n_days, 1.0)


def expect_false_alarms(
    snr: float, counts: FalseAlarmCounts, negative: NegativeRate | None = None
) -> float:
    """Return how many false alarms of at least a S/N are expected a day.

    Peaks of Gaussian noise in all independent beams, or those that the negated images of the
    band have if these are more, and what was retracted or suppressed in the days before: half a
    false alarm is added to the latter, which never are known to be none.

    Parameters
    ----------
    snr : float
        S/N of the event [-].
    counts : FalseAlarmCounts
        Of its stream.
    negative : NegativeRate or None
        Of its band; None: negated images were not searched.

    References
    ----------
    Serra, Jurek and Flöer (2012), PASA 29, 296: false detections have the counts of negative ones.
    """
    if not math.isfinite(snr):
        return math.inf
    noise = counts.looks_per_day * math.erfc(max(snr, 0.0) / math.sqrt(2)) / 2
    if negative is not None:
        noise = max(noise, _negative_per_day(snr, negative))
    n_false = counts.false_snr.size - int(np.searchsorted(counts.false_snr, snr))
    return noise + (n_false + 0.5) / max(counts.n_days, 1.0)


def _negative_per_day(snr: float, negative: NegativeRate) -> float:
    """Return how many negative peaks of at least a S/N there are a day [1/d]."""
    first = np.searchsorted(negative.snr, snr)
    return float(negative.n_peaks[first:].sum()) / max(negative.n_days, _LEAST_DAYS)
