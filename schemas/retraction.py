"""The event that takes a transient back."""

from dataclasses import replace
from datetime import datetime

from schemas.identity import event_id
from schemas.messages import SourceEvent, StageTimes

__all__ = ["MAX_REASON_CHARS", "retraction_of"]

# Of the reason, which subscribers get to read.
MAX_REASON_CHARS = 500


def retraction_of(last: SourceEvent, reason: str, now: datetime) -> SourceEvent:
    """Return the retraction of the transient whose last event is `last`.

    Its times are its own: it has no latency of an image.

    Parameters
    ----------
    last : SourceEvent
        Newest event of the transient.
    reason : str
        Why, for the subscribers.
    now : datetime
        When it is decided, UTC.
    """
    return replace(
        last,
        event_id=event_id(last.trig_id, "retraction", last.event_id),
        kind="retraction",
        transient_kind=last.transient_kind or last.kind,
        note=reason,
        times=StageTimes(time_associated=now),
    )
