"""Messages that are stored one by one; one that cannot be becomes a dead letter."""

from collections.abc import Awaitable, Callable

from runtime.dead_letters import DeadLetters
from runtime.errors import (
    PipelineError,
    RejectedMessageError,
    describe_exception,
    to_internal_error,
)
from runtime.in_flight import InFlight
from runtime.kafka import InMessage
from runtime.logging import get_logger

__all__ = ["SingleMessages"]

_Store = Callable[[InMessage], Awaitable[None]]


class SingleMessages:
    """Stores messages one by one.

    Parameters
    ----------
    in_flight : InFlight
        Counts the messages that it works at.
    dead_letters : DeadLetters
        Those of messages that cannot be stored.
    """

    def __init__(self, in_flight: InFlight, dead_letters: DeadLetters) -> None:
        self._in_flight = in_flight
        self._dead_letters = dead_letters

    async def store_or_refuse(self, store: _Store, message: InMessage) -> None:
        """Store what a message has; one that cannot be stored becomes a dead letter.

        Raises
        ------
        TransientError
            If PostgreSQL is away.
        """
        try:
            self._in_flight.check(message)
            await self._in_flight.run(_store_twice(store, message), message)
        except RejectedMessageError as error:
            self._dead_letters.add(message, error)


async def _store_twice(store: _Store, message: InMessage) -> None:
    """Store what a message has; after an unexpected exception try once more."""
    try:
        await store(message)
    except PipelineError:
        raise
    except Exception as error:  # noqa: BLE001  (the next messages must follow)
        get_logger().warning("message_failed_once", error=describe_exception(error))
    else:
        return
    try:
        await store(message)
    except PipelineError:
        raise
    except Exception as error:
        get_logger().exception("message_failed", topic=message.topic, offset=message.offset)
        raise to_internal_error(error) from error
