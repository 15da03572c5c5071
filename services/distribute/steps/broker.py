"""What the answer of another broker to an alert means."""

from services.distribute.errors import DeliveryError, RefusedError
from services.distribute.steps.transport import PeerMessage

__all__ = ["MAX_ANSWER_BYTES", "check_answer"]

MAX_ANSWER_BYTES = 20_000
_DUPLICATE = "previously seen"  # Comet, and LiveTrap
_LATER = "again later"  # LiveTrap


def check_answer(answer: PeerMessage, refused_before: str | None) -> None:
    """Return if the broker has the alert.

    Parameters
    ----------
    answer : PeerMessage
        What it answered.
    refused_before : str or None
        Reason with which it refused the same alert before. Comet then knows the packet and
        answers "Previously seen", although it relays it to nobody.

    Raises
    ------
    RefusedError
        If it refuses this alert.
    DeliveryError
        If it cannot accept it now, or is not a broker's port for authors.
    """
    if answer.role == "ack":
        return
    if answer.role != "nak":
        raise DeliveryError(
            f"answered {answer.role!r} to an alert; is it a broker's port for authors (8098)?"
        )
    reason = answer.result or "no reason given"
    if _LATER in reason.lower():
        raise DeliveryError(reason)
    if _DUPLICATE not in reason.lower():
        raise RefusedError(reason)
    if refused_before is not None:
        raise RefusedError(refused_before)
