"""How long a poll may wait: shortly while something happens, longer where nothing does."""

import time
from collections.abc import Callable

__all__ = ["PollPace"]


class PollPace:
    """The wait of a loop that polls one source and looks at others in between.

    A message of the polled source ends its wait at once; what comes to the others, and what is
    due, waits for the end of the poll.

    Parameters
    ----------
    busy_s, idle_s : float
        Longest poll while awake, and after that [s].
    awake_s : float
        How long a loop is awake after something happened [s].
    clock : callable, optional
        Monotonic time [s].
    """

    def __init__(
        self,
        *,
        busy_s: float,
        idle_s: float,
        awake_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._busy_s, self._idle_s, self._awake_s = busy_s, idle_s, awake_s
        self._clock = clock
        self._awake_until_s = clock() + awake_s

    def stay_awake(self) -> None:
        """Note that something happened, or that something is waited for."""
        self._awake_until_s = self._clock() + self._awake_s

    @property
    def is_awake(self) -> bool:
        """Return whether something happened lately."""
        return self._clock() < self._awake_until_s

    def timeout_s(self) -> float:
        """Return the longest wait of the next poll [s]."""
        return self._busy_s if self.is_awake else self._idle_s
