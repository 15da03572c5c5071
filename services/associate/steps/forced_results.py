"""What an answer to a forced request changes: light curves, and new sources that it denies."""

import numpy as np

from runtime.settings import AssociateSettings
from schemas.messages import BoolArray, ForcedMeasurements, SourceEvent
from services.associate.steps.retraction import retract_transient
from services.associate.steps.spectral_consistency import check_spectral_consistency
from services.associate.storage import Catalogue

__all__ = ["store_forced_result"]


async def store_forced_result(
    catalogue: Catalogue, answer: ForcedMeasurements, *, settings: AssociateSettings, topic: str
) -> list[str]:
    """Store an answer, and take back the transients that it contradicts.

    Parameters
    ----------
    catalogue : Catalogue
        An open transaction.
    answer : ForcedMeasurements
        To a request of anybody's.
    settings : AssociateSettings
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
    if not await _find_conflicting(catalogue, answer, is_news, settings):
        return []
    # Whoever waited for a lock has read what was there before: judge again under it.
    contradicted = await _find_conflicting(catalogue, answer, is_news, settings)
    for told, reason in contradicted:
        await retract_transient(catalogue, told, reason=reason, topic=topic)
    return [told.trig_id for told, _ in contradicted]


async def _find_conflicting(
    catalogue: Catalogue,
    answer: ForcedMeasurements,
    is_news: BoolArray,
    settings: AssociateSettings,
) -> list[tuple[SourceEvent, str]]:
    """Return what was told last of each transient that new fluxes contradict, and why."""
    if settings.spectral_conflict_sigma is None:
        return []
    found = []
    for suspect in await catalogue.lock_retraction_candidates(
        answer, is_news, settings.timestep_tolerance_s
    ):
        contradiction = check_spectral_consistency(
            suspect.seen,
            suspect.other,
            sigma=settings.spectral_conflict_sigma,
            max_spectral_index=settings.spectral_conflict_max_index,
        )
        if contradiction is not None:
            found.append((suspect.told, contradiction.because))
    return found
