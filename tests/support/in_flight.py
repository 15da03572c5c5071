"""What counts the messages of a handler that a test makes."""

import uuid

from runtime.attempts import AttemptLog, state_dir
from runtime.in_flight import InFlight, MessageLimits

__all__ = ["new_in_flight"]


def new_in_flight(group: str = "") -> InFlight:
    """Return one that has counted nothing yet, unless its group is that of another."""
    return InFlight(AttemptLog(state_dir(), group=group or uuid.uuid4().hex), MessageLimits())
