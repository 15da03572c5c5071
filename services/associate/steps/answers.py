"""What an answer to a forced request changes: light curves, and new sources that it denies."""

import numpy as np

from runtime.settings import AssociateSettings
from schemas.messages import BoolArray, ForcedMeasurements, SourceEvent
from services.associate.steps.contradiction import find_contradiction
from services.associate.steps.retraction import take_back
from services.associate.storage import Catalogue

__all__ = ["take_answer"]


async def take_answer(
    catalogue: Catalogue, answer: ForcedMeasurements, *, knobs: AssociateSettings, topic: str
) -> list[str]:
    """Store an answer, and take back the transients that it contradicts.

    Parameters
    ----------
    catalogue : Catalogue
        An open transaction.
    answer : ForcedMeasurements
        To a request of anybody's.
    knobs : AssociateSettings
        What a contradiction is.
    topic : str
        Where the retractions go.

    Returns
    -------
    list of str
        TrigIDs of what was taken back.
    """
    is_stored = await catalogue.insert_forced(answer)
    await catalogue.insert_gaps(answer)
    types = np.array(answer.measurements.extraction_type, object)
    is_news = is_stored & (types == "forced")
    if not await _find_contradicted(catalogue, answer, is_news, knobs):
        return []
    # Whoever waited for a lock has read what was there before: judge again under it.
    contradicted = await _find_contradicted(catalogue, answer, is_news, knobs)
    for told, reason in contradicted:
        await take_back(catalogue, told, reason=reason, topic=topic)
    return [told.trig_id for told, _ in contradicted]


async def _find_contradicted(
    catalogue: Catalogue,
    answer: ForcedMeasurements,
    is_news: BoolArray,
    knobs: AssociateSettings,
) -> list[tuple[SourceEvent, str]]:
    """Return what was told last of each transient that new fluxes contradict, and why."""
    if knobs.contradiction_sigma is None:
        return []
    found = []
    for suspect in await catalogue.lock_suspects(answer, is_news, knobs.timestep_tolerance_s):
        contradiction = find_contradiction(
            suspect.seen,
            suspect.other,
            sigma=knobs.contradiction_sigma,
            max_spectral_index=knobs.contradiction_max_spectral_index,
        )
        if contradiction is not None:
            found.append((suspect.told, contradiction.because))
    return found
