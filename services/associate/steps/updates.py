"""Which announced transients deserve another event: what the last one reported has changed."""

import math
from collections.abc import Iterable, Sequence

import numpy as np

from runtime.settings import AssociateSettings
from schemas.messages import BoolArray
from services.associate.models.evidence import LastNotified
from services.associate.steps.candidate_sources import CandidateSources
from services.associate.steps.triggers import (
    AssociatedImage,
    Trigger,
    count_bands,
    find_detections,
)
from sky.geometry import tangent_offsets

__all__ = ["find_notified", "find_updates"]


def find_notified(candidates: CandidateSources, judged: BoolArray) -> list[int]:
    """Return the ids of the detected sources that an earlier event has announced.

    Of those that are `judged`, (n,).
    """
    rows = candidates.sources
    notified = judged & rows["is_detected"] & ~rows["is_created"]
    notified &= rows["is_new"] | rows["is_variable"]
    return [int(number) for number in rows["id"][notified]]


def find_updates(
    candidates: CandidateSources,
    images: Sequence[AssociatedImage],
    last_notified: Iterable[LastNotified],
    settings: AssociateSettings,
) -> list[Trigger]:
    """Return the transients that are now much clearer, in more bands at once, or elsewhere.

    Parameters
    ----------
    candidates : CandidateSources
        After association.
    images : sequence of AssociatedImage
        Of this timestep.
    last_notified : iterable of LastNotified
        What the last events reported.
    settings : AssociateSettings
        Which changes make an update.

    Returns
    -------
    list of Trigger
        One a transient: its detection of the highest S/N.
    """
    by_id = {last.source_id: last for last in last_notified}
    if not by_id:
        return []
    rows = np.flatnonzero(np.isin(candidates.sources["id"], list(by_id)))
    n_bands = count_bands(images, candidates.sources.size)
    found = []
    for row, detections in find_detections(images, rows).items():
        last = by_id[int(candidates.sources["id"][row])]
        trigger = _brightest(row, detections, last)
        if trigger is None:
            continue
        reasons = _find_reasons(candidates.sources[row], trigger, int(n_bands[row]), settings)
        if reasons:
            found.append(trigger.with_note("; ".join(reasons)))
    return found


def _find_reasons(
    source: np.void, trigger: Trigger, n_bands: int, settings: AssociateSettings
) -> list[str]:
    last = trigger.last
    if last is None:
        return []
    reasons = []
    if trigger.snr >= settings.update_snr_factor * last.snr:
        reasons.append(f"S/N {trigger.snr:.1f}, last reported {last.snr:.1f}")
    if n_bands > last.n_bands:
        reasons.append(f"detected in {n_bands} bands at once, last reported {last.n_bands}")
    move_deg, move_sigma = _find_move(source, last)
    if move_sigma > settings.update_position_sigma:
        distance = f"{3600 * move_deg:.1f} arcsec ({move_sigma:.1f} sigma)"
        reasons.append(f"{distance} from the position last reported")
    return reasons


def _find_move(source: np.void, last: LastNotified) -> tuple[float, float]:
    """Return how far a source is from its last notified position [deg], and in sigmas of it."""
    east, north = tangent_offsets(
        np.array([last.ra]), np.array([last.dec]),
        np.array([source["ra"]]), np.array([source["dec"]]),
    )  # fmt: skip
    move_deg = math.hypot(east[0], north[0])
    if not (last.ra_err_deg > 0 and last.dec_err_deg > 0):
        return move_deg, 0.0  # the event gave no error of the position
    return move_deg, math.hypot(east[0] / last.ra_err_deg, north[0] / last.dec_err_deg)


def _brightest(
    row: int, detections: Iterable[tuple[AssociatedImage, int]], last: LastNotified
) -> Trigger | None:
    triggers = [
        Trigger(
            "update",
            last.certainty,
            row,
            image,
            detection,
            limit_jy_beam=last.limit_previous_jy_beam,
            last=last,
        )
        for image, detection in detections
        if image.extraction_type == "blind"
    ]
    return max(triggers, key=lambda trigger: trigger.snr, default=None)
