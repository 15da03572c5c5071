"""Repeat an action: while a dependency is unavailable, or once after an unexpected exception."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

from runtime.errors import (
    PipelineError,
    TransientError,
    describe_exception,
    to_internal_error,
)
from runtime.logging import get_logger
from runtime.stop_flag import StoppedError

__all__ = ["RetryPolicy", "StopSignal", "call_twice"]

T = TypeVar("T")

_FIRST_BACKOFF_S = 0.2
_LONGEST_BACKOFF_S = 5.0
_STOP_CHECK_INTERVAL_S = 0.1


class StopSignal(Protocol):
    """The methods of `StopFlag` that waiting needs."""

    def is_set(self) -> bool:
        """Return whether the process shall end."""
        ...

    def wait(self, seconds: float) -> None:
        """Sleep, but return at once when the flag is set."""
        ...


class _Outage:
    """The failures of one action: the time to wait after each, and the two log lines."""

    def __init__(self) -> None:
        self._backoff_s = _FIRST_BACKOFF_S
        self._last_reason = ""

    def begin_or_continue(self, error: TransientError) -> float:
        """Return the wait before the next attempt [s]; log each new reason once."""
        if str(error) != self._last_reason:
            get_logger().warning("dependency_unavailable", reason=str(error))
            self._last_reason = str(error)
        backoff_s = self._backoff_s
        self._backoff_s = min(2 * backoff_s, _LONGEST_BACKOFF_S)
        return backoff_s

    def end(self) -> None:
        """Log that the dependency is available again, if it was not."""
        if self._last_reason:
            get_logger().info("dependency_recovered")


class RetryPolicy:
    """Repeats actions that raise `TransientError`; the wait doubles from 0.2 s to 5 s.

    Parameters
    ----------
    stop : StopSignal
        Checked before every attempt and during every wait.
    on_attempt : callable
        Called before every attempt with its number, starting at 1 for each action.
    """

    def __init__(
        self, stop: StopSignal, *, on_attempt: Callable[[int], None] = lambda _: None
    ) -> None:
        self._stop = stop
        self._on_attempt = on_attempt

    def retry_until_success(self, action: Callable[[], T]) -> T:
        """Return the result of `action`, from the first attempt that succeeds.

        Raises
        ------
        StoppedError
            If the stop flag was set before an attempt succeeded.
        """
        outage = _Outage()
        attempt = 0
        while not self._stop.is_set():
            attempt += 1
            self._on_attempt(attempt)
            try:
                result = action()
            except TransientError as error:
                self._stop.wait(outage.begin_or_continue(error))
            else:
                outage.end()
                return result
        raise StoppedError

    async def retry_until_success_async(self, action: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Return the result of the coroutine that `action` makes for each attempt.

        Raises
        ------
        StoppedError
            If the stop flag was set before an attempt succeeded; the attempt is cancelled.
        """
        outage = _Outage()
        attempt = 0
        while True:
            attempt += 1
            self._on_attempt(attempt)
            try:
                result = await self.unless_stopped(action())
            except TransientError as error:
                await self.unless_stopped(asyncio.sleep(outage.begin_or_continue(error)))
            else:
                outage.end()
                return result

    async def unless_stopped(self, work: Coroutine[Any, Any, T]) -> T:
        """Return the result of `work`; cancel it when the stop flag is set.

        Raises
        ------
        StoppedError
            If the stop flag was set first.
        """
        task = asyncio.create_task(work)
        try:
            while not self._stop.is_set():
                done, _ = await asyncio.wait({task}, timeout=_STOP_CHECK_INTERVAL_S)
                if done:
                    return task.result()
        finally:
            task.cancel()
        raise StoppedError


def call_twice(
    call: Callable[[], T],
    *,
    subject: str,
    reset: Callable[[], None] = lambda: None,
    **facts: object,
) -> T:
    """Return what `call` returns; after an unexpected exception call it once more.

    Parameters
    ----------
    call : callable
        Work at one message or file.
    subject : str
        What it works at, for the names of log lines, such as ``message``.
    reset : callable
        Clears the state of earlier work, before the second call.
    **facts : object
        What identifies it, for the log.

    Raises
    ------
    PipelineError
        What `call` raises of its own accord, at once.
    RejectedMessageError
        Code ``internal_error``, after the second unexpected exception.
    """
    try:
        return call()
    except PipelineError:
        raise
    except Exception as error:  # noqa: BLE001  (whatever it is: the next ones must follow)
        get_logger().warning(f"{subject}_failed_once", error=describe_exception(error))
    reset()
    try:
        return call()
    except PipelineError:
        raise
    except Exception as error:
        get_logger().exception(f"{subject}_failed", **facts)
        raise to_internal_error(error) from error
