"""Hand events over to the stream of faust without a task for each."""

import types
from collections.abc import Awaitable, Callable, Coroutine, Generator
from functools import partial
from typing import Any

from mode.services import WaitResults

__all__ = ["Wait", "at_once"]

Wait = Callable[..., Awaitable[WaitResults]]


def at_once(wait_first: Wait) -> Wait:
    """Return `wait_first` of a consumer, but for a coroutine that waits for nothing.

    Faust waits for the hand-over of each event, or for one of three signals, by four tasks. Who
    has room for the event takes it at the first step. It also waits for signals alone.

    Parameters
    ----------
    wait_first : callable
        Waits for the first of some coroutines and events, and ends the others.
    """

    async def wait(work: Any, *others: Any, **options: Any) -> WaitResults:
        if not others or not isinstance(work, Coroutine):
            return await wait_first(work, *others, **options)
        try:
            waits_for = work.send(None)
        except StopIteration as done:
            _close(others)
            return WaitResults([work], [done.value], stopped=False)
        except BaseException:
            _close(others)
            raise
        return await wait_first(_continue(work, waits_for), *others, **options)

    return wait


def _close(works: tuple[Any, ...]) -> None:
    """End coroutines that were not begun."""
    for each in works:
        if isinstance(each, Coroutine):
            each.close()


async def _continue(work: Coroutine[Any, Any, Any], waits_for: Any) -> Any:
    """Continue a coroutine that has begun to wait."""
    return await _go_on(work, waits_for)


@types.coroutine
def _go_on(work: Coroutine[Any, Any, Any], waits_for: Any) -> Generator[Any, Any, Any]:
    while True:
        try:
            step = partial(work.send, (yield waits_for))
        except BaseException as error:  # noqa: BLE001  (a cancellation, too, is for the coroutine)
            step = partial(work.throw, error)
        try:
            waits_for = step()
        except StopIteration as done:
            return done.value
