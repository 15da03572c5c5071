"""The event that retracts a transient, for an operator or for a measurement."""

from dataclasses import replace
from datetime import datetime

from schemas.identity import event_id
from schemas.messages import SourceEvent, StageTimes
from services.associate.models.decisions import Retraction

__all__ = ["to_retraction"]


def to_retraction(last: SourceEvent, reason: str, now: datetime) -> Retraction:
    """Return the retraction of the transient whose last event is `last`.

    Its times are its own: it has no latency of an image.
    """
    event = replace(
        last,
        event_id=event_id(last.trig_id, "retraction", last.event_id),
        kind="retraction",
        transient_kind=last.transient_kind or last.kind,
        note=reason,
        times=StageTimes(time_associated=now),
    )
    return Retraction(event, reason)
