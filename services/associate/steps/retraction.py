"""The event that retracts a transient, for an operator or for a measurement."""

from datetime import datetime

from schemas.messages import SourceEvent
from schemas.retraction import retraction_of
from services.associate.models.decisions import Retraction

__all__ = ["to_retraction"]


def to_retraction(last: SourceEvent, reason: str, now: datetime) -> Retraction:
    """Return the retraction of the transient whose last event is `last`.

    Its times are its own: it has no latency of an image.
    """
    return Retraction(retraction_of(last, reason, now), reason)
