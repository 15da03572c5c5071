"""What counts the messages of a handler that a test makes."""

import uuid

from runtime.attempts import AttemptLog, state_dir
from runtime.in_hand import InHand, MessageLimits

__all__ = ["new_in_hand"]


def new_in_hand(group: str = "") -> InHand:
    """Return one that has counted nothing yet, unless its group is that of another."""
    return InHand(AttemptLog(state_dir(), group=group or uuid.uuid4().hex), MessageLimits())
