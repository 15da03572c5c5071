"""The messages that a process works at: counted across restarts, and limited in time."""

import asyncio
import faulthandler
import types
from collections.abc import Callable, Coroutine, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from runtime.attempts import AttemptLog
from runtime.errors import RejectedMessageError
from runtime.kafka import InMessage

__all__ = ["InFlight", "MessageLimits", "time_limit"]

T = TypeVar("T")
# An event loop that turns is given its time again so often, as a part of it.
_PART = 0.25
# The descriptor: `sys.stderr` may be an object that has none.
_STDERR = 2


@dataclass(frozen=True, slots=True)
class MessageLimits:
    """When a message that crashes or hangs its process is rejected.

    Parameters
    ----------
    timeout_s : float
        A message that takes longer ends the process [s].
    max_attempts : int
        After so many processes have ended while they handled it, it is rejected as
        ``killed_the_process``.
    """

    timeout_s: float = 60.0
    max_attempts: int = 3

    def check(self, n_ended: int) -> None:
        """Refuse a message at which too many processes ended.

        Raises
        ------
        RejectedMessageError
            Code ``killed_the_process``.
        """
        if n_ended >= self.max_attempts:
            raise RejectedMessageError(
                "killed_the_process",
                f"{n_ended} processes ended while they handled it (crash, kill, out of memory, "
                f"or more than {self.timeout_s:g} s); it is not tried again",
            )


class InFlight:
    """Counts messages while this process works at them, not while it waits.

    A process that waits for PostgreSQL or Kafka may be killed by anybody for any reason; that
    says nothing about its message. An event loop that does not return within the limit is ended,
    and that counts as a crash.

    Parameters
    ----------
    attempts : AttemptLog
        Where they are counted; closed by `close`.
    limits : MessageLimits
        When one is rejected, and when the process is ended.
    """

    def __init__(self, attempts: AttemptLog, limits: MessageLimits) -> None:
        self.attempts = attempts
        self.limits = limits
        self._n_running = 0
        self._timer: asyncio.TimerHandle | None = None

    def beside(self, step: str) -> "InFlight":
        """Return what counts another step of the same messages."""
        return InFlight(self.attempts.beside(step), self.limits)

    def check(self, *messages: InMessage) -> None:
        """Refuse messages at which too many processes ended.

        Raises
        ------
        RejectedMessageError
            Code ``killed_the_process``.
        """
        self.limits.check(self.attempts.n_ended(*messages))

    @contextmanager
    def work_at(self, *messages: InMessage) -> Iterator[None]:
        """Count messages while this block runs; it does not wait."""
        self.attempts.begin(*messages)
        try:
            with time_limit(self.limits.timeout_s):
                yield
        finally:
            self.attempts.end(*messages)

    def work_through(self, messages: Sequence[InMessage]) -> Generator[InMessage, None, None]:
        """Yield messages of one partition; the one that the caller has is counted.

        The limit of time is that of all of them; none of them may be one at which a process ended.
        """
        current = messages[0]
        self.attempts.begin(current)
        try:
            with time_limit(self.limits.timeout_s):
                yield current
                for following in messages[1:]:
                    self.attempts.move_on(current, following)
                    current = following
                    yield current
        finally:
            self.attempts.end(current)

    async def run(self, work: Coroutine[Any, Any, T], *messages: InMessage) -> T:
        """Return what `work` returns; count messages while it runs, not while it waits."""
        self.attempts.begin(*messages)
        places = {(each.topic, each.partition) for each in messages}
        self._n_running += 1
        if self._timer is None:
            self._give_time()
        try:
            return await _in_steps(
                work,
                before=partial(self.attempts.resume, places),
                after=partial(self.attempts.pause, places),
            )
        finally:
            self._n_running -= 1
            if not self._n_running:
                self._stop_timer()
            self.attempts.end(*messages)

    def close(self) -> None:
        """Close the files."""
        self.attempts.close()

    def _give_time(self) -> None:
        """Let the process end if the event loop does not come here again in time."""
        faulthandler.dump_traceback_later(self.limits.timeout_s, exit=True, file=_STDERR)
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(_PART * self.limits.timeout_s, self._give_time)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        faulthandler.cancel_dump_traceback_later()


@types.coroutine
def _in_steps(
    work: Coroutine[Any, Any, T], *, before: Callable[[], None], after: Callable[[], None]
) -> Generator[Any, Any, T]:
    """Run a coroutine; tell before and after each of its steps, between which it waits."""
    step: Callable[[], Any] = partial(work.send, None)
    while True:
        before()
        try:
            waits_for = step()
        except StopIteration as done:
            result: T = done.value
            return result
        finally:
            after()
        try:
            step = partial(work.send, (yield waits_for))
        except BaseException as error:  # noqa: BLE001  (a cancellation, too, is for the coroutine)
            step = partial(work.throw, error)


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """End the process with a traceback when the block takes longer, even without the GIL."""
    faulthandler.dump_traceback_later(seconds, exit=True, file=_STDERR)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
