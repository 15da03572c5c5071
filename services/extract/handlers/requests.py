"""What both kinds of requests have in common: how they are read, and how they are refused."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from runtime.dead_letters import DeadLetters
from runtime.errors import RejectedMessageError
from runtime.kafka import InMessage, OutMessage
from schemas.codec import CodecError
from schemas.reasons import MessageReason

__all__ = ["Requests"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Requests(Generic[T]):
    """The requests of a topic.

    Parameters
    ----------
    decode : callable
        Returns the request of bytes, or raises `CodecError`.
    check : callable
        Raises `RejectedMessageError` if its values are impossible.
    refuse : callable
        Returns the answer to a request that has a reason instead of a result.
    dead_letters : DeadLetters
        Builds the letters of rejected ones.
    """

    decode: Callable[[bytes], T]
    check: Callable[[T], None]
    refuse: Callable[[T, str], OutMessage]
    dead_letters: DeadLetters

    def read(self, message: InMessage) -> T:
        """Return the request in a message.

        Raises
        ------
        RejectedMessageError
            Code ``bad_avro`` if the message is not a request, ``bad_record`` if its values are
            impossible.
        """
        try:
            request = self.decode(message.value)
        except CodecError as error:
            raise RejectedMessageError(MessageReason.BAD_AVRO, str(error)) from error
        self.check(request)
        return request

    def reject(self, message: InMessage, error: RejectedMessageError) -> Sequence[OutMessage]:
        """Return the dead letter, and an answer with the reason where the request can be read."""
        letter = self.dead_letters.build(message, error)
        try:
            request = self.read(message)
        except RejectedMessageError:
            return [letter]
        return [letter, self.refuse(request, error.reason_code)]
