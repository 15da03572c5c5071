"""The request to stop the process, which every loop checks."""

import signal
import threading

__all__ = ["StopFlag", "StoppedError"]


class StoppedError(Exception):
    """The process was asked to end before an action succeeded."""


class StopFlag:
    """Set by SIGTERM or SIGINT; loops check it between two messages."""

    def __init__(self) -> None:
        self._event = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._event.set())

    def is_set(self) -> bool:
        """Return whether the process shall end."""
        return self._event.is_set()

    def wait(self, seconds: float) -> None:
        """Sleep, but return at once when the flag is set."""
        self._event.wait(seconds)
