"""Find the event that crashes or hangs the process among those that are handled together."""

from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from runtime.errors import RejectedMessageError
from runtime.in_flight import InFlight
from runtime.kafka import InMessage

__all__ = ["handle_in_flight"]

Rejections = list[RejectedMessageError | None]
Handle = Callable[[Sequence[bytes]], Coroutine[Any, Any, Rejections]]


async def handle_in_flight(
    handle: Handle,
    messages: Sequence[InMessage],
    in_flight: InFlight,
) -> Rejections:
    """Return why each message is rejected, None for those that are not.

    All are handled together, unless a process has ended while it handled one of them: then one
    after the other, so that the next end tells which it is.

    Parameters
    ----------
    handle : callable
        Handles values together; an outcome each.
    messages : sequence of InMessage
        In their order.
    in_flight : InFlight
        Counts them.
    """
    if len(messages) > 1 and not in_flight.attempts.n_ended(*messages):
        work = handle([message.value for message in messages])
        return await in_flight.run(work, *messages)
    return [await _handle_one(handle, message, in_flight) for message in messages]


async def _handle_one(
    handle: Handle, message: InMessage, in_flight: InFlight
) -> RejectedMessageError | None:
    try:
        in_flight.check(message)
    except RejectedMessageError as error:
        return error
    (rejection,) = await in_flight.run(handle([message.value]), message)
    return rejection
