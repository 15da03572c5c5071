"""Episodes of activity: what begins one, what it is called, and when it ends."""

from collections.abc import Iterator, Sequence

import numpy as np

from runtime.settings import AssociateSettings
from schemas.messages import BoolArray, IntArray
from services.associate.models.catalogue import NullDetections, RowArray
from services.associate.models.change_state import Looks
from services.associate.models.tracks import MOVES
from services.associate.steps.candidate_sources import CandidateSources
from services.associate.steps.change_tests import find_history_sigma, to_limits
from services.associate.steps.triggers import AssociatedImage, Test, Trigger
from sky.id_sets import is_in

__all__ = [
    "find_changes",
    "find_missed",
    "find_peaks",
    "follow_activity",
    "start_episodes",
]

# An expected flux below so many errors of a look could not have been detected.
_UNDETECTABLE_SIGMA = 3.0


def find_changes(
    candidates: CandidateSources, images: Sequence[AssociatedImage], settings: AssociateSettings
) -> list[Trigger]:
    """Return the known sources that have changed and are not in such an episode already.

    One a source: the most significant of its channels' tests, a test of single looks and of
    windows before the one of the whole history.
    """
    best: dict[int, Trigger] = {}
    for image in images:
        for trigger in _find_in_image(candidates.sources, image, settings):
            other = best.get(trigger.source)
            if other is None or trigger.test.strength > other.test.strength:
                best[trigger.source] = trigger
    for trigger in (*_find_missed(candidates.sources, images, settings),
                    *_find_by_history(candidates, images, settings)):  # fmt: skip
        best.setdefault(trigger.source, trigger)
    return [best[source] for source in sorted(best)]


def _find_in_image(
    rows: RowArray, image: AssociatedImage, settings: AssociateSettings
) -> Iterator[Trigger]:
    looked = image.result.looked
    if looked is None or image.extraction_type == "monitor":
        return  # a monitor has no position of its own
    looks = looked.looks
    activity = rows["activity"][looked.source]
    is_known = ~rows["is_created"][looked.source]
    rises = looks.is_flare | ((looks.window > 0) & (looks.window_sigma > 0))
    returns = (activity < 0) & (rises | (looks.rise_sigma >= settings.vanished_sigma))
    falls = looks.is_below | ((looks.window > 0) & (looks.window_sigma < 0))
    falls &= image.key[1] == "I"
    begins = is_known & (((activity == 0) & (rises | falls)) | returns)
    for each in np.flatnonzero(begins).tolist():
        row = rows[looked.source[each]]
        kind = "returned" if returns[each] else _kind_of(row, looks, each, falls=bool(falls[each]))
        yield Trigger(
            kind,
            "certain",
            int(looked.source[each]),
            image,
            int(looked.detection[each]),
            test=_test_of(looks, each, is_return=bool(returns[each])),
        )


def _kind_of(row: np.void, looks: Looks, each: int, *, falls: bool) -> str:
    """Return the kind of an episode that begins with a look."""
    if falls:
        return "vanished" if looks.is_gone[each] else "faded"
    limit = _UNDETECTABLE_SIGMA * looks.look_err[each]
    is_first = row["n_episodes"] == 0 and looks.expected[each] < limit
    return "new_source" if is_first else "variable"


def _test_of(looks: Looks, each: int, *, is_return: bool) -> Test:
    expected, expected_err = float(looks.expected[each]), float(looks.expected_err[each])
    window = int(looks.window[each])
    if is_return and looks.rise_sigma[each] > looks.sigma[each]:
        level, level_err = float(looks.level[each]), float(looks.level_err[each])
        return Test("single", float(looks.rise_sigma[each]), level, level_err)
    if window and not is_return and not (looks.is_flare[each] or looks.is_below[each]):
        return Test(f"window:{window}", float(looks.window_sigma[each]), expected, expected_err)
    return Test("single", float(looks.sigma[each]), expected, expected_err)


def _find_missed(
    rows: RowArray, images: Sequence[AssociatedImage], settings: AssociateSettings
) -> Iterator[Trigger]:
    """Return the sources that show up again after looks that would have shown this flux.

    Without answers to forced requests nothing is known of these looks but that they detected
    nothing; the flux must exceed what they can have missed as far as a faded one falls.
    """
    waits = (rows["activity"] == 0) & (rows["n_episodes"] > 0) & (rows["n_quiet_needed"] > 0)
    waits &= rows["n_quiet"] >= np.minimum(rows["n_quiet_needed"], settings.episode_quiet_looks)
    for image in images:
        if image.extraction_type != "blind":
            continue
        limit_sigma = (
            (image.record.detection_threshold_sigma or 0.0)
            + settings.new_source_sigma_margin
            + settings.vanished_sigma
        )
        for source, detection in _looks_of(image, waits):
            snr = float(image.record.sources.snr[detection])
            if snr >= limit_sigma:
                test = Test("missed", snr - limit_sigma + settings.vanished_sigma)
                yield Trigger("variable", "certain", source, image, detection, test=test)


def _looks_of(image: AssociatedImage, chosen: BoolArray) -> Iterator[tuple[int, int]]:
    """Return the rows of chosen sources that an image has looked at, and their measurements."""
    looked = image.result.looked
    if looked is not None:
        for each in np.flatnonzero(chosen[looked.source]).tolist():
            yield int(looked.source[each]), int(looked.detection[each])


def _find_by_history(
    candidates: CandidateSources, images: Sequence[AssociatedImage], settings: AssociateSettings
) -> Iterator[Trigger]:
    """Return the sources that eta and V of all their points call variable, each once in its life.

    A peak that was detected once and measured as nothing since has a large eta too: a source
    needs as many detections as one that can vanish.

    References
    ----------
    Swinbank et al. (2015), A&C 11, 25, section 4.8: the eta-V plane.
    """
    eta, v, n_points = candidates.variability(settings.variable_min_points)
    rows = candidates.sources
    variable = (
        ~(rows["is_created"] | rows["is_new"] | rows["is_variable"])
        & (rows["activity"] == 0)
        & (rows["n_datapoints"] - rows["n_forced"] >= settings.vanished_min_points)
        & (eta >= settings.variable_eta)
        & (v >= settings.variable_v)
    )
    sigma = np.zeros(rows.size)
    sigma[variable] = find_history_sigma(eta[variable], n_points[variable])
    variable &= sigma >= to_limits(settings).single_sigma
    # What is fainter now, in any band, has a test of its own, which waits for the next look.
    for image in images:
        looked = image.result.looked
        if looked is not None and image.extraction_type != "monitor":
            variable[looked.source[looked.looks.is_faint]] = False
    best: dict[int, Trigger] = {}
    for image in images:
        if image.extraction_type == "monitor":
            continue
        for source, detection in _looks_of(image, variable):
            test = Test("history", float(sigma[source]))
            trigger = Trigger("variable", "certain", source, image, detection, test=test)
            if source not in best or trigger.snr > best[source].snr:
                best[source] = trigger
    yield from best.values()


def start_episodes(
    rows: RowArray, triggers: Sequence[Trigger], settings: AssociateSettings
) -> None:
    """Note in the rows of the sources, in place, the episodes that triggers begin."""
    for trigger in triggers:
        row = rows[trigger.source : trigger.source + 1]
        row["n_episodes"] += 1
        if trigger.kind == "moving":
            row["activity"] = MOVES
            continue
        row["is_new" if trigger.kind == "new_source" else "is_variable"] = True
        row["activity"] = -1 if trigger.kind in ("faded", "vanished") else 1
        row["n_quiet"] = 0
        row["n_quiet_needed"] = max(settings.episode_quiet_looks, trigger.test.window)


def follow_activity(
    rows: RowArray,
    images: Sequence[AssociatedImage],
    triggers: Sequence[Trigger],
    *,
    is_missed: BoolArray | None = None,
    quiet_looks: int = 1,
) -> BoolArray:
    """Count quiet looks of a timestep in place; return whose episode ends.

    Parameters
    ----------
    rows : (n,) structured
        The candidates, episodes that begin now included.
    images : sequence of AssociatedImage
        Of the timestep.
    triggers : sequence of Trigger
        What begins now.
    is_missed : (n,) bool or None
        Sources that images cover and none detects; None: none.
    quiet_looks : int
        So many of these in a row end an episode at most [looks].
    """
    missed = np.zeros(rows.size, np.bool_) if is_missed is None else is_missed
    is_seen, is_bright, is_settled = (np.zeros(rows.size, np.bool_) for _ in range(3))
    for image in images:
        if (looked := image.result.looked) is not None:
            is_seen[looked.source] |= image.extraction_type == "blind"
            is_bright[looked.source] |= looked.looks.is_bright
            is_settled[looked.source] |= looked.looks.is_settled
    begins = np.zeros(rows.size, np.bool_)
    begins[[trigger.source for trigger in triggers]] = True
    goes_on = ~begins & ~rows["is_created"]
    is_on = goes_on & (rows["activity"] == 1)
    rows["n_quiet"][is_on & is_bright] = 0
    # A faded source at a steady flux is no longer expected back; one that vanished is.
    ended = goes_on & is_settled & (rows["activity"] == -1)
    rows["activity"][ended] = 0
    is_quiet = is_on & ~is_bright & (is_seen | missed)
    rows["n_quiet"][is_quiet] += 1
    at_most = np.minimum(rows["n_quiet_needed"], quiet_looks)
    needed = np.where(is_seen, rows["n_quiet_needed"], at_most)
    ended |= is_quiet & (rows["n_quiet"] >= needed)
    rows["activity"][ended] = 0
    rows["n_quiet"][goes_on & is_seen & (rows["activity"] == 0)] = 0
    return np.asarray(ended, np.bool_)


def find_missed(
    null_detections: NullDetections, is_covered: BoolArray, waiting_ids: IntArray
) -> list[int]:
    """Return the sources in an episode that images cover and do not detect, but for some."""
    active = null_detections.id[null_detections.is_active & is_covered]
    missed: list[int] = active[~is_in(active, waiting_ids)].tolist()
    return missed


def find_peaks(rows: RowArray, images: Sequence[AssociatedImage]) -> dict[int, float]:
    """Return the largest peak flux of each known source in an episode [Jy/beam], by its id."""
    is_on = (rows["activity"] == 1) & ~rows["is_created"]
    peaks: dict[int, float] = {}
    for image in images:
        if image.extraction_type != "blind":
            continue
        for source, detection in _looks_of(image, is_on):
            number = int(rows["id"][source])
            flux = float(image.record.sources.flux_peak_jy_beam[detection])
            peaks[number] = max(flux, peaks.get(number, flux))
    return peaks
