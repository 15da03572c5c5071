"""Detect that the stream has stopped although no error was reported.

Faust agents sometimes stop silently (faust-streaming issues 175, 523, 640).
"""

__all__ = ["STANDSTILL_S", "Watchdog"]

STANDSTILL_S = 60.0


class Watchdog:
    """Decides from lag and progress whether the stream has stopped.

    Parameters
    ----------
    now_s : float
        Reading of a monotonic clock, as in every call [s].
    """

    def __init__(self, now_s: float) -> None:
        self._progress_s = now_s
        self._committed: tuple[int, ...] | None = None

    def record_attempt(self, now_s: float) -> None:
        """Count an attempt as progress, even one that fails because a dependency is away."""
        self._progress_s = now_s

    def is_stuck(self, lag: int, committed: tuple[int, ...], now_s: float) -> bool:
        """Return whether events have waited for a minute without any progress.

        Parameters
        ----------
        lag : int
            Events behind the committed offsets.
        committed : tuple of int
            Offset of each partition.
        now_s : float
            Now [s].
        """
        if lag == 0 or committed != self._committed:
            self._progress_s, self._committed = now_s, committed
        return now_s - self._progress_s > STANDSTILL_S
