"""Detect that the stream has stopped although no error was reported.

Faust agents sometimes stop silently (faust-streaming issues 175, 523, 640).
"""

__all__ = ["STANDSTILL_S", "UNASSIGNED_S", "Watchdog"]

STANDSTILL_S = 60.0
# A group that is made anew has given its partitions by then.
UNASSIGNED_S = 30.0


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

    def is_stuck(
        self, lag: int, committed: tuple[int, ...], now_s: float, *, is_assigned: bool = True
    ) -> bool:
        """Return whether events have waited without any progress for a minute.

        For half of it, if the process has no partition to read: a group whose only member has
        none stays as it is.

        Parameters
        ----------
        lag : int
            Events behind the committed offsets.
        committed : tuple of int
            Offset of each partition.
        now_s : float
            Now [s].
        is_assigned : bool
            Whether the process has a partition.
        """
        if lag == 0 or committed != self._committed:
            self._progress_s, self._committed = now_s, committed
        return now_s - self._progress_s > (STANDSTILL_S if is_assigned else UNASSIGNED_S)
