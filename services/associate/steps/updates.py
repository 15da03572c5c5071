"""Which sources that were told of deserve another event: what was said has changed."""

import math
from collections.abc import Iterable, Sequence

import numpy as np

from runtime.settings import AssociateSettings
from services.associate.models import LastNotified
from services.associate.steps.candidate_sources import CandidateSources
from services.associate.steps.triggers import AssociatedImage, Trigger
from sky.geometry import tangent_offsets

__all__ = ["find_updates", "list_notified"]


def list_notified(candidates: CandidateSources) -> list[int]:
    """Return the ids of the sources in this timestep that an event has told of before."""
    rows = candidates.sources
    told = rows["is_touched"] & (rows["is_new"] | rows["is_variable"])
    return [int(number) for number in rows["id"][told]]


def find_updates(
    candidates: CandidateSources,
    images: Sequence[AssociatedImage],
    told: Iterable[LastNotified],
    settings: AssociateSettings,
) -> list[Trigger]:
    """Return the transients that are now much clearer, seen in more bands at once, or elsewhere.

    Parameters
    ----------
    candidates : CandidateSources
        After association.
    images : sequence of AssociatedImage
        Of this timestep.
    told : iterable of LastNotified
        What was said last.
    settings : AssociateSettings
        How much of a change is news.

    Returns
    -------
    list of Trigger
        One a transient: its measurement of the highest S/N.
    """
    by_id = {last.source_id: last for last in told}
    rows = np.flatnonzero(np.isin(candidates.sources["id"], list(by_id)))
    found = []
    for row in rows.tolist():
        last = by_id[int(candidates.sources["id"][row])]
        trigger = _brightest(row, images, last)
        if trigger is None:
            continue
        if reasons := _find_reasons(row, candidates, trigger, last, settings):
            found.append(trigger.because("; ".join(reasons)))
    return found


def _find_reasons(
    row: int,
    candidates: CandidateSources,
    trigger: Trigger,
    last: LastNotified,
    settings: AssociateSettings,
) -> list[str]:
    reasons = []
    if trigger.snr >= settings.update_snr_factor * last.snr:
        reasons.append(f"S/N {trigger.snr:.1f}, told was {last.snr:.1f}")
    n_bands = candidates.n_bands(row)
    if n_bands > last.n_bands:
        reasons.append(f"seen in {n_bands} bands at once, told was {last.n_bands}")
    move_deg, move_sigma = _find_move(candidates.sources[row], last)
    if move_sigma > settings.update_position_sigma:
        reasons.append(
            f"{3600 * move_deg:.1f} arcsec ({move_sigma:.1f} sigma) from the position told"
        )
    return reasons


def _find_move(source: np.void, last: LastNotified) -> tuple[float, float]:
    """Return how far a source is from where it was told to be [deg], and in sigmas of that."""
    east, north = tangent_offsets(
        np.array([last.ra]), np.array([last.dec]),
        np.array([source["ra"]]), np.array([source["dec"]]),
    )  # fmt: skip
    move_deg = math.hypot(east[0], north[0])
    if not (last.ra_err_deg > 0 and last.dec_err_deg > 0):
        return move_deg, 0.0  # nobody was told how good the position is
    return move_deg, math.hypot(east[0] / last.ra_err_deg, north[0] / last.dec_err_deg)


def _brightest(row: int, images: Sequence[AssociatedImage], last: LastNotified) -> Trigger | None:
    triggers = [
        Trigger(
            "update",
            last.certainty,
            row,
            image,
            int(number),
            limit_jy_beam=last.limit_previous_jy_beam,
            about=last,
        )
        for image in images
        for number in np.flatnonzero(image.result.source == row)
    ]
    return max(triggers, key=lambda trigger: trigger.snr, default=None)
