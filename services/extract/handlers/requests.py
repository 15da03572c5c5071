"""What both kinds of requests have in common: how they are read, and how they are refused."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from runtime.errors import RejectedMessageError
from runtime.kafka import InMessage, OutMessage
from schemas.codec import CodecError
from schemas.reasons import MessageReason

__all__ = ["read_request", "refuse_request"]

T = TypeVar("T")


def read_request(
    message: InMessage, decode: Callable[[bytes], T], check: Callable[[T], None]
) -> T:
    """Return the request in a message, if it is one that can be answered.

    Parameters
    ----------
    message : InMessage
        A message of a topic of requests.
    decode : callable
        Returns the request of bytes, or raises `CodecError`.
    check : callable
        Raises `RejectedMessageError` if its values are impossible.

    Raises
    ------
    RejectedMessageError
        Code ``bad_avro`` if the message is not a request, and what `check` raises.
    """
    try:
        request = decode(message.value)
    except CodecError as error:
        raise RejectedMessageError(MessageReason.BAD_AVRO, str(error)) from error
    check(request)
    return request


def refuse_request(
    message: InMessage,
    letter: OutMessage,
    read: Callable[[InMessage], T],
    to_answer: Callable[[T], OutMessage],
) -> Sequence[OutMessage]:
    """Return the dead letter, and an answer where the request can be read."""
    try:
        request = read(message)
    except RejectedMessageError:
        return [letter]
    return [letter, to_answer(request)]
