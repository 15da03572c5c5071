"""The request to stop the process, which every loop checks."""

import signal
import threading
import time

__all__ = ["StopFlag", "StoppedError"]


class StoppedError(Exception):
    """The process was asked to end before an action succeeded."""


class StopFlag:
    """Set by SIGTERM or SIGINT; loops check it between two messages."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._turned_s = time.monotonic()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._event.set())

    def is_set(self) -> bool:
        """Return whether the process shall end; every turn of a loop asks."""
        self._turned_s = time.monotonic()
        return self._event.is_set()

    @property
    def idle_s(self) -> float:
        """Time since a loop asked: one that is stuck asks no more [s]."""
        return time.monotonic() - self._turned_s

    def wait(self, seconds: float) -> None:
        """Sleep, but return at once when the flag is set."""
        self._event.wait(seconds)
