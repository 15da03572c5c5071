"""Take a transient back, be it an operator who says so or a measurement."""

from dataclasses import replace
from datetime import UTC, datetime

from schemas.identity import event_id
from schemas.messages import SourceEvent, StageTimes
from services.associate.storage import Catalogue

__all__ = ["retract_transient", "to_retraction"]


async def retract_transient(
    catalogue: Catalogue, last: SourceEvent, *, reason: str, topic: str
) -> None:
    """Retract a transient: its state, its event, and the message for Kafka.

    Parameters
    ----------
    catalogue : Catalogue
        An open transaction, which has locked the transient.
    last : SourceEvent
        What was told of it last.
    reason : str
        Why, for the subscribers.
    topic : str
        Where the event goes.
    """
    await catalogue.retract(to_retraction(last, reason), reason, topic)


def to_retraction(last: SourceEvent, reason: str) -> SourceEvent:
    """Return the event that takes back what `last` told; its latency is not that of an image."""
    return replace(
        last,
        event_id=event_id(last.trig_id, "retraction", last.event_id),
        kind="retraction",
        transient_kind=last.transient_kind or last.kind,
        note=reason,
        times=StageTimes(time_associated=datetime.now(UTC)),
    )
