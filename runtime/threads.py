"""Blocking calls beside the event loop, in threads that do not delay the end of the process."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

__all__ = ["run_in_thread"]

T = TypeVar("T")


async def run_in_thread(call: Callable[[], T]) -> T:
    """Return what `call` returns or raises, without blocking the event loop.

    Unlike the threads of `asyncio.to_thread`, this one is not joined at exit: a request to a
    broker that does not answer would delay the end of the process until it times out.

    Parameters
    ----------
    call : callable
        Runs in a daemon thread of its own, to its end even if the caller is cancelled.
    """
    outcome: Future[T] = Future()
    outcome.set_running_or_notify_cancel()  # a cancelled future could not take the result

    def work() -> None:
        try:
            outcome.set_result(call())
        except BaseException as error:  # noqa: BLE001  (the caller gets it, whatever it is)
            outcome.set_exception(error)

    threading.Thread(target=work, name="blocking-call", daemon=True).start()
    return await asyncio.wrap_future(outcome)
