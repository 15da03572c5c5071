"""Look back before telling: whether a source was there, too faint to be detected.

A first detection is compared with the forced fluxes at its place in the last images of its band
and in the deepest one. Two tests share `false_alarms_per_look` equally, each a chi-squared:

* now against the weighted mean of the earlier fluxes, one degree of freedom, brighter only;
* all fluxes, now included, against their weighted mean: a source that came up during the images
  that are looked at has a mean of its own there.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
from scipy.special import chdtrc, ndtri

from runtime.settings import AssociateSettings
from schemas.identity import event_id
from schemas.messages import FloatArray, IntArray, SourceEvent
from services.associate.models.catalogue import RowArray
from services.associate.models.decisions import ForcedTargets, ImageRequest
from services.associate.models.evidence import Evidence, PriorCoverage
from services.associate.models.look_back import (
    AnnouncedTransient,
    LookBackImage,
    LookBackRow,
    LookBackVerdict,
    PreviousFluxes,
)
from services.associate.steps.association import Association
from services.associate.steps.candidate_sources import CandidateSources
from services.associate.steps.coverage import covers
from services.associate.steps.events import EventBuilder
from services.associate.steps.forced_requests import find_request
from services.associate.steps.triggers import (
    AssociatedImage,
    Test,
    Trigger,
    is_first,
    is_seen_late,
)
from sky.margin import is_searched
from sky.rms_grid import rms_at
from sky.statistics import eta, new_moments, update_moments, v
from sky.wcs import SkyProjection

__all__ = [
    "WAITS",
    "LookBack",
    "find_change_sigma",
    "find_look_backs",
    "judge_look_back",
    "least_change_sigma",
    "to_announcement",
    "to_look_back_requests",
    "to_look_back_rows",
    "to_update",
]

# `activity` of a source without a verdict: no other test tells it meanwhile.
WAITS = 2
_TESTS = 2
# Below this the inverse of the normal distribution has no digits left [-].
_LEAST_CHANCE = 1e-300


@dataclass(frozen=True, slots=True)
class LookBack:
    """A source that is looked for in earlier images before it is announced.

    Parameters
    ----------
    trigger : Trigger
        What the verdict may tell.
    is_new_by_limit : bool
        Whether the deepest earlier image would have detected it.
    images : tuple of LookBackImage
        Where it is looked for, at least one.
    """

    trigger: Trigger
    is_new_by_limit: bool
    images: tuple[LookBackImage, ...]


def find_look_backs(
    association: Association,
    evidence: Evidence,
    new: Sequence[Trigger],
    settings: AssociateSettings,
) -> list[LookBack]:
    """Return the first detections whose place an earlier image of their band covers.

    Parameters
    ----------
    association : Association
        The detections with their sources.
    evidence : Evidence
        Earlier images around the first detections.
    new : sequence of Trigger
        Those that the test against the limits of earlier images calls new.
    settings : AssociateSettings
        How many images are looked at.

    Returns
    -------
    list of LookBack
        One a source: of the detection that the test chose, else of that of the highest S/N.
    """
    by_limit = {trigger.source: trigger for trigger in new}
    best: dict[int, LookBack] = {}
    for image in association.images:
        images = evidence.look_back_images.get(image.number, ())
        prior = evidence.prior_coverage.get(image.number, ())
        for found in _find_in_image(image, images, prior, association.candidates, settings):
            source = found.trigger.source
            chosen = by_limit.get(source)
            if chosen is not None and chosen.image.number == image.number:
                best[source] = replace(found, trigger=chosen, is_new_by_limit=True)
            elif source not in best or (
                not best[source].is_new_by_limit and found.trigger.snr > best[source].trigger.snr
            ):
                best[source] = found
    return [best[source] for source in sorted(best)]


def _find_in_image(
    image: AssociatedImage,
    images: Sequence[LookBackImage],
    prior: Sequence[PriorCoverage],
    candidates: CandidateSources,
    settings: AssociateSettings,
) -> Iterable[LookBack]:
    """Return the first detections of an image that earlier images of its band can be asked of."""
    detections = np.flatnonzero(is_first(candidates)[image.result.source])
    if not images or not detections.size:
        return
    ra, dec = image.record.sources.ra[detections], image.record.sources.dec[detections]
    is_covered = np.array([covers(each.record, ra, dec) for each in images])
    # Late images may be those that have detected it: the light curve has their fluxes.
    is_late = np.array([each.is_late for each in images])
    is_covered &= ~(is_late[:, None] & is_seen_late(candidates)[image.result.source[detections]])
    # The images come in the order of their time: count them from the last one back.
    n_after = np.cumsum(is_covered[::-1], axis=0)[::-1]
    keys = np.array([each.image_key for each in images])
    is_deepest = keys[:, None] == _find_deepest(ra, dec, prior)
    is_chosen = is_covered & ((n_after <= settings.lookback_images) | is_deepest)
    for column, detection in enumerate(detections.tolist()):
        chosen = tuple(images[row] for row in np.flatnonzero(is_chosen[:, column]).tolist())
        if chosen:
            source = int(image.result.source[detection])
            trigger = Trigger("new_source", "possible", source, image, detection, test=Test("new"))
            yield LookBack(trigger, is_new_by_limit=False, images=chosen)


def _find_deepest(ra: FloatArray, dec: FloatArray, prior: Sequence[PriorCoverage]) -> IntArray:
    """Return the key of the image with the least rms at each position; -1 where none looked."""
    least, key = np.full(ra.size, np.inf), np.full(ra.size, -1, np.int64)
    for each in prior:
        x, y = SkyProjection.of(each.wcs_header).to_pixel(ra, dec)
        rms = rms_at(each.rms_grid, each.shape, x, y)
        better = is_searched(each.shape, x, y, each.margin_px) & (rms < least)
        least, key = np.where(better, rms, least), np.where(better, each.image_key, key)
    return key


def to_look_back_requests(
    look_backs: Sequence[LookBack], rows: RowArray, stream: str
) -> tuple[ImageRequest, ...]:
    """Return what is to be measured, image by image; `rows` are the sources with their ids."""
    by_key: dict[int, tuple[LookBackImage, list[int]]] = {}
    for each in look_backs:
        for image in each.images:
            by_key.setdefault(image.image_key, (image, []))[1].append(each.trigger.source)
    requests = []
    for _, (image, sources) in sorted(by_key.items()):
        wanted = rows[sources]
        targets = ForcedTargets(wanted["id"], wanted["ra"], wanted["dec"], "lookback")
        record = replace(image.record, stream=stream)
        request = find_request(record, (targets,), np.empty(0, np.int64), image.solution)
        if request is not None:
            requests.append(request)
    return tuple(requests)


def to_look_back_rows(
    look_backs: Sequence[LookBack],
    builder: EventBuilder,
    requests: Sequence[ImageRequest],
    settings: AssociateSettings,
) -> list[LookBackRow]:
    """Return the rows that keep the events until the answers come."""
    time_limit = builder.now + timedelta(milliseconds=settings.lookback_wait_ms)
    asked: Mapping[str, frozenset[int]] = {
        each.request.image_id: frozenset(each.request.positions.position_id.tolist())
        for each in requests
    }
    rows = []
    for each in look_backs:
        event = builder.to_notification(each.trigger).event
        keys = tuple(
            image.image_key
            for image in each.images
            if event.source_id in asked.get(image.record.image_id, ())
        )
        key = builder.image_keys[each.trigger.image.number]
        rows.append(LookBackRow(event, key, keys, each.is_new_by_limit, time_limit))
    return rows


def judge_look_back(
    now_jy_beam: float,
    now_err_jy_beam: float,
    previous: PreviousFluxes,
    settings: AssociateSettings,
) -> LookBackVerdict:
    """Return whether the flux of a first detection is news.

    Parameters
    ----------
    now_jy_beam, now_err_jy_beam : float
        Peak flux of the detection and its error, 1 sigma [Jy/beam].
    previous : PreviousFluxes
        What the earlier images show at its place.
    settings : AssociateSettings
        False alarms that a look at a constant source may raise; error of the flux scale.
    """
    flux, err = previous.flux_jy_beam, previous.err_jy_beam
    if not flux.size:
        return LookBackVerdict("not_looked_back")
    weight = err**-2.0
    sigma = find_change_sigma(
        np.array([now_jy_beam]), np.array([now_err_jy_beam]), flux[None], err[None], settings
    )[0]
    return LookBackVerdict(
        "new_source" if sigma >= least_change_sigma(settings) else "known_below_threshold",
        n_look_back=flux.size,
        sigma=float(sigma),
        flux_previous_jy_beam=float(np.sum(weight * flux) / np.sum(weight)),
        flux_previous_err_jy_beam=float(np.sum(weight) ** -0.5),
        time_previous=max(previous.times),
    )


def least_change_sigma(settings: AssociateSettings) -> float:
    """Return the significance above which a source is new [sigma]."""
    return float(-ndtri(settings.false_alarms_per_look / _TESTS))


def find_change_sigma(
    now: FloatArray,
    now_err: FloatArray,
    previous: FloatArray,
    previous_err: FloatArray,
    settings: AssociateSettings,
) -> FloatArray:
    """Return how significantly fluxes differ from earlier ones: the larger of two tests.

    Parameters
    ----------
    now, now_err : (n,) float64
        Peak fluxes and their errors, 1 sigma [Jy/beam].
    previous, previous_err : (n, k) float64
        Earlier ones at the same places, k at least 1 [Jy/beam].
    settings : AssociateSettings
        Error of the flux scale.

    Returns
    -------
    (n,) float64
        Standard deviations of a normal distribution; negative where the flux was larger [sigma].
    """
    mean, mean_err = _weighted_mean(previous, previous_err)
    scale_err = settings.flux_systematic_fraction * np.abs(mean)
    now_err = np.hypot(now_err, scale_err)
    change = (now - mean) / np.hypot(now_err, mean_err)
    flux = np.column_stack([previous, now])
    err = np.column_stack([np.hypot(previous_err, scale_err[:, None]), now_err])
    chi2 = np.sum(((flux - _weighted_mean(flux, err)[0][:, None]) / err) ** 2, axis=1)
    chance = np.maximum(chdtrc(flux.shape[1] - 1, chi2), _LEAST_CHANCE)
    return np.where(change > 0, np.maximum(change, -ndtri(chance)), change)


def _weighted_mean(flux: FloatArray, err: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the weighted means of rows (n, k) and their errors, (n,) each."""
    weight = err**-2.0
    total = np.sum(weight, axis=1)
    return np.sum(weight * flux, axis=1) / total, total**-0.5


def to_announcement(
    event: SourceEvent, previous: PreviousFluxes, verdict: LookBackVerdict | None, now: datetime
) -> SourceEvent:
    """Return the first event of a source; without a verdict it is marked ``not_looked_back``.

    Its statistics are of the detection and of the earlier fluxes, whatever came meanwhile.
    """
    times = replace(event.times, time_associated=now)
    if verdict is None or verdict.kind == "not_looked_back":
        return replace(event, times=times, look_back="not_looked_back")
    n = verdict.n_look_back
    ours = _variability(event.flux_int_jy, event.flux_int_err_jy, previous)
    peak = _variability(event.flux_peak_jy_beam, event.flux_peak_err_jy_beam, previous)
    return replace(
        _with_previous(event, verdict),
        times=times,
        certainty="certain",
        trigger_sigma=verdict.sigma,
        n_datapoints=event.n_datapoints + n,
        n_forced=event.n_forced + n,
        eta=ours[0],
        v=ours[1],
        eta_peak=peak[0],
        v_peak=peak[1],
    )


def _variability(now: float, now_err: float, previous: PreviousFluxes) -> tuple[float, float]:
    """Return eta and V of a flux now and of earlier ones [-]."""
    moments, zero = new_moments(1), np.zeros(1, np.int64)
    flux = [*previous.flux_jy_beam.tolist(), now]
    err = [*previous.err_jy_beam.tolist(), now_err]
    for value, error in zip(flux, err, strict=True):
        if math.isfinite(value) and error > 0:
            update_moments(moments, zero, np.array([value]), np.array([error]))
    return float(eta(moments)[0]), float(v(moments)[0])


def _with_previous(event: SourceEvent, verdict: LookBackVerdict) -> SourceEvent:
    return replace(
        event,
        look_back="looked_back",
        n_look_back=verdict.n_look_back,
        flux_previous_jy_beam=verdict.flux_previous_jy_beam,
        flux_previous_err_jy_beam=verdict.flux_previous_err_jy_beam,
        time_previous=verdict.time_previous,
    )


def to_update(
    announced: AnnouncedTransient, verdict: LookBackVerdict, now: datetime
) -> SourceEvent:
    """Return what follows an event that did not wait: an update, or a retraction."""
    last = announced.last_event
    is_new = verdict.kind == "new_source"
    return replace(
        _with_previous(last, verdict),
        event_id=event_id(last.trig_id, "look_back", last.image_id),
        kind="update" if is_new else "retraction",
        transient_kind=last.transient_kind or last.kind,
        certainty="certain" if is_new else last.certainty,
        note=_describe(verdict),
        times=replace(last.times, time_associated=now),
    )


def _describe(verdict: LookBackVerdict) -> str:
    """Return a verdict in words for the subscribers."""
    flux = 1000 * (verdict.flux_previous_jy_beam or 0.0)
    err = 1000 * (verdict.flux_previous_err_jy_beam or 0.0)
    what = "looked back" if verdict.kind == "new_source" else "known below threshold"
    return (
        f"{what}: {flux:.2f} +- {err:.2f} mJy/beam in {verdict.n_look_back} earlier images "
        f"until {verdict.time_previous:%Y-%m-%dT%H:%M:%SZ}"
    )
