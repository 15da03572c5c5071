"""What another broker answers to an alert of ours."""

from services.alert.steps.refusals import RefusedError
from services.alert.steps.transport import PeerMessage
from services.alert.steps.webhook import DeliveryError

__all__ = ["MAX_ANSWER_BYTES", "check_answer"]

MAX_ANSWER_BYTES = 20_000
_SEEN = "previously seen"  # Comet, and LiveTrap
_LATER = "again later"  # LiveTrap


def check_answer(answer: PeerMessage, refused_before: str | None) -> None:
    """Return if the broker has the alert.

    Parameters
    ----------
    answer : PeerMessage
        What it said.
    refused_before : str or None
        With which words it refused the same alert before. Comet then knows the packet, says
        "Previously seen" of it and gives it to nobody.

    Raises
    ------
    RefusedError
        If it does not want this alert.
    DeliveryError
        If it cannot take it now, or is no broker for authors.
    """
    if answer.role == "ack":
        return
    if answer.role != "nak":
        raise DeliveryError(
            f"said {answer.role!r} to an alert; is it a broker's port for authors (8098)?"
        )
    words = answer.result or "no reason given"
    if _LATER in words.lower():
        raise DeliveryError(words)
    if _SEEN not in words.lower():
        raise RefusedError(words)
    if refused_before is not None:
        raise RefusedError(refused_before)
