"""Which sources that were told of deserve another event: what was said has changed."""

from collections.abc import Iterable, Sequence

import numpy as np

from services.associate.models import Told
from services.associate.steps.neighbourhood import Neighbourhood
from services.associate.steps.triggers import AssociatedImage, Trigger

__all__ = ["find_updates", "list_told"]


def list_told(neighbourhood: Neighbourhood) -> list[int]:
    """Return the ids of the sources in this timestep that an event has told of before."""
    rows = neighbourhood.sources
    told = rows["is_touched"] & (rows["is_new"] | rows["is_variable"])
    return [int(number) for number in rows["id"][told]]


def find_updates(
    neighbourhood: Neighbourhood,
    images: Sequence[AssociatedImage],
    told: Iterable[Told],
    *,
    snr_factor: float,
) -> list[Trigger]:
    """Return the transients that are now much clearer, or seen in more bands at once.

    Parameters
    ----------
    neighbourhood : Neighbourhood
        After association.
    images : sequence of AssociatedImage
        Of this timestep.
    told : iterable of Told
        What was said last.
    snr_factor : float
        A signal-to-noise ratio so many times the told one is news [-].

    Returns
    -------
    list of Trigger
        One a transient: its measurement of the highest S/N.
    """
    by_id = {last.source_id: last for last in told}
    rows = np.flatnonzero(np.isin(neighbourhood.sources["id"], list(by_id)))
    found = []
    for row in rows.tolist():
        last = by_id[int(neighbourhood.sources["id"][row])]
        trigger = _brightest(row, images, last)
        if trigger is None:
            continue
        n_bands = neighbourhood.n_bands(row)
        reasons = []
        if trigger.snr >= snr_factor * last.snr:
            reasons.append(f"S/N {trigger.snr:.1f}, told was {last.snr:.1f}")
        if n_bands > last.n_bands:
            reasons.append(f"seen in {n_bands} bands at once, told was {last.n_bands}")
        if reasons:
            found.append(trigger.because("; ".join(reasons)))
    return found


def _brightest(row: int, images: Sequence[AssociatedImage], last: Told) -> Trigger | None:
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
