"""Blocking calls beside the event loop, in threads that the process may leave behind."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

__all__ = ["run_in_thread"]

T = TypeVar("T")


async def run_in_thread(call: Callable[[], T]) -> T:
    """Return what `call` returns or raises; the event loop does not wait for it meanwhile.

    Not `asyncio.to_thread`: its threads are joined at exit, and one that asks an absent
    broker would hold up SIGTERM until the answer times out.

    Parameters
    ----------
    call : callable
        Runs in a daemon thread of its own, and to its end even if we are cancelled.
    """
    outcome: Future[T] = Future()
    outcome.set_running_or_notify_cancel()  # from here on nobody can cancel it under the thread

    def work() -> None:
        try:
            outcome.set_result(call())
        except BaseException as error:  # noqa: BLE001  (whatever it is goes to who waits)
            outcome.set_exception(error)

    threading.Thread(target=work, name="alert-blocking", daemon=True).start()
    return await asyncio.wrap_future(outcome)
