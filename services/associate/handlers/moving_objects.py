"""Events of sources that turn out to be a moving object are taken back."""

from collections.abc import Mapping
from datetime import UTC, datetime

from schemas.topics import Topics
from services.associate.steps.retraction import to_retraction
from services.associate.storage import Catalogue

__all__ = ["retract_members"]


async def retract_members(catalogue: Catalogue, reasons: Mapping[int, str], topics: Topics) -> int:
    """Retract what announced some sources as new; return how many events follow.

    Parameters
    ----------
    catalogue : Catalogue
        An open transaction that has locked the stream.
    reasons : mapping
        Why, for the subscribers, by the id of the source.
    topics : Topics
        Where the retractions go.
    """
    if not reasons:
        return 0
    announced = await catalogue.lock_new_sources(sorted(reasons))
    for source_id, event in announced.items():
        retraction = to_retraction(event, reasons[source_id], datetime.now(UTC))
        await catalogue.retract_transient(retraction, topics)
    return len(announced)
