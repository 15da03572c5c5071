"""Whether a process lives and can do its work, as the probes of Kubernetes ask."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

__all__ = ["Health", "Loop", "Probe"]

Probe = Callable[[float], str | None]
"""Given a time-out [s], returns why a dependency cannot be used; None if it can."""

_PROBE_TIMEOUT_S = 2.0
# Answers serve all who ask within this time: probes cost connections.
_ANSWER_VALID_S = 2.0


class Loop(Protocol):
    """A loop that knows when it turned."""

    @property
    def idle_s(self) -> float:
        """Time since it last turned [s]."""
        ...


class Health:
    """State of one process; may be asked from any thread.

    Parameters
    ----------
    loop : Loop
        The main loop.
    stall_s : float
        A loop that has not turned for longer is stuck [s].
    probes : sequence of callables
        One for each dependency.
    """

    def __init__(self, loop: Loop, *, stall_s: float, probes: Sequence[Probe] = ()) -> None:
        self._loop = loop
        self._stall_s = stall_s
        self._probes = tuple(probes)
        self._is_started = threading.Event()
        self._asking = threading.Lock()
        self._answered_s = -_ANSWER_VALID_S
        self._answer: str | None = None

    def mark_started(self) -> None:
        """Note that the process is connected, and works or stands by."""
        self._is_started.set()

    def find_stall(self) -> str | None:
        """Return why the process should be restarted; None while its loop turns."""
        idle_s = self._loop.idle_s
        if idle_s <= self._stall_s:
            return None
        return f"the loop has not turned for {idle_s:.0f} s (LIVETRAP_METRICS__STALL_S)"

    def find_outage(self) -> str | None:
        """Return why the process cannot do its work now; None if it can."""
        if not self._is_started.is_set():
            return "starting: waits for Kafka, PostgreSQL or its partitions"
        with self._asking:
            if time.monotonic() - self._answered_s > _ANSWER_VALID_S:
                self._answer = self._ask()
                self._answered_s = time.monotonic()
            return self._answer

    def _ask(self) -> str | None:
        for probe in self._probes:
            if reason := probe(_PROBE_TIMEOUT_S):
                return reason
        return None
