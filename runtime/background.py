"""Tasks beside the main one of a process: none ends without anybody noticing."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from runtime.errors import FatalError
from runtime.logging import get_logger

__all__ = ["BackgroundTasks", "keep_running"]

# Who does not end within it when cancelled is left behind [s].
_END_S = 1.0
_PAUSE_S = 1.0


class BackgroundTasks:
    """Tasks that shall run until they are ended here: one that ends before is a failure.

    Parameters
    ----------
    on_failure : callable
        Gets what ended a task, also where it just returned or was cancelled by what it waited for.
    """

    def __init__(self, on_failure: Callable[[BaseException], None]) -> None:
        self._on_failure = on_failure
        self._running: set[asyncio.Task[Any]] = set()

    def start(self, work: Coroutine[Any, Any, object]) -> "asyncio.Task[Any]":
        """Start a task; `end` ends it."""
        task = asyncio.create_task(work, name=getattr(work, "__qualname__", None))
        self._running.add(task)
        task.add_done_callback(self._on_end)
        return task

    async def end(self, *tasks: "asyncio.Task[Any]") -> None:
        """Cancel tasks; when this returns they have ended, and what they use can be closed."""
        self._running.difference_update(tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_END_S)

    def _on_end(self, task: "asyncio.Task[Any]") -> None:
        error = None if task.cancelled() else task.exception()
        if task in self._running:
            self._running.discard(task)
            self._on_failure(error or FatalError(f"{task.get_name()} has ended by itself"))


async def keep_running(work: Callable[[], Coroutine[Any, Any, object]], *, failure: str) -> None:
    """Do `work` until it returns or this task is cancelled; where it fails, do it again.

    Parameters
    ----------
    work : callable
        What is done.
    failure : str
        Event that is logged for each failure.
    """
    while True:
        try:
            await work()
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            get_logger().error(failure, error="what it waited for was cancelled")
        except Exception:  # noqa: BLE001  (whatever it is: the process needs this work)
            get_logger().exception(failure)
        else:
            return
        await asyncio.sleep(_PAUSE_S)
