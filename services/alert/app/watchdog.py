"""Notice that the stream has stopped although nobody said so.

Faust agents have been seen to stop without a word (faust-streaming issues 175, 523, 640).
"""

__all__ = ["PATIENCE_S", "Watchdog"]

PATIENCE_S = 60.0


class Watchdog:
    """Decide from lag and progress whether the stream has stopped.

    Parameters
    ----------
    now_s : float
        Reading of a monotonic clock, as in every call [s].
    """

    def __init__(self, now_s: float) -> None:
        self._moved_s = now_s
        self._committed: tuple[int, ...] | None = None

    def note_attempt(self, now_s: float) -> None:
        """Note that an event is being worked on, if only against a closed door."""
        self._moved_s = now_s

    def is_stuck(self, lag: int, committed: tuple[int, ...], now_s: float) -> bool:
        """Return whether events have waited for a minute and nothing moved.

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
            self._moved_s, self._committed = now_s, committed
        return now_s - self._moved_s > PATIENCE_S
