"""Repeat what the world is not ready for, until it is or we are told to stop."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from runtime.errors import TransientError
from runtime.logging import get_logger
from runtime.stop_flag import StopFlag, StoppedError
from services.alert.app.watchdog import Watchdog
from services.alert.metrics import RETRIES

__all__ = ["RetryPolicy", "StoppedError"]

T = TypeVar("T")
_FIRST_BACKOFF_S = 0.2
_LONGEST_BACKOFF_S = 5.0
_LOOK_S = 0.1


class RetryPolicy:
    """Waits for Kafka and PostgreSQL, and ends with the process.

    Parameters
    ----------
    stop : StopFlag
        Looked at while anything is waited for.
    watchdog : Watchdog
        Called at every attempt, so that a wait does not count as a standstill.
    """

    def __init__(self, stop: StopFlag, watchdog: Watchdog) -> None:
        self._stop = stop
        self._watchdog = watchdog

    async def retry_until_success(self, action: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Repeat `action` while the world is away; say so when that begins and ends."""
        backoff_s = _FIRST_BACKOFF_S
        last_reason = ""
        while True:
            self._watchdog.note_attempt(time.monotonic())
            try:
                result = await self.unless_stopped(action())
            except TransientError as error:
                if str(error) != last_reason:
                    get_logger().warning("dependency_unavailable", reason=str(error))
                    last_reason = str(error)
                RETRIES.inc()
                await self.unless_stopped(asyncio.sleep(backoff_s))
                backoff_s = min(2 * backoff_s, _LONGEST_BACKOFF_S)
            else:
                if last_reason:
                    get_logger().info("dependency_recovered")
                return result

    async def unless_stopped(self, work: Coroutine[Any, Any, T]) -> T:
        """Return the outcome of `work`; break it off when told to stop."""
        task = asyncio.create_task(work)
        try:
            while not self._stop.is_set():
                done, _ = await asyncio.wait({task}, timeout=_LOOK_S)
                if done:
                    return task.result()
        finally:
            task.cancel()
        raise StoppedError
