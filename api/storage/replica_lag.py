"""How far a replica is behind, from what was written and what it has replayed."""

from collections import deque

__all__ = ["ReplicaLag"]

_MOST_POSITIONS = 10_000


class ReplicaLag:
    """Positions of the write-ahead log that the replica has not replayed, and since when.

    The replica's own clock of replayed transactions would not do: it stands still while nothing is
    written, and a replica that gets nothing from its primary believes that it is current.
    """

    def __init__(self) -> None:
        self._waiting: deque[tuple[int, float]] = deque(maxlen=_MOST_POSITIONS)

    def note_written(self, position: int, now_s: float) -> None:
        """Note how far the database has written.

        Parameters
        ----------
        position : int
            In the log [byte].
        now_s : float
            Reading of a monotonic clock [s].
        """
        self._waiting.append((position, now_s))

    def note_replayed(self, position: int | None) -> None:
        """Note how far the replica has replayed; None: it is no replica, and never behind.

        Parameters
        ----------
        position : int or None
            In the log [byte].
        """
        while self._waiting and (position is None or self._waiting[0][0] <= position):
            self._waiting.popleft()

    def get_lag_s(self, now_s: float) -> float:
        """Return since when the oldest position waits that the replica has not replayed [s].

        Parameters
        ----------
        now_s : float
            Reading of the same clock [s].
        """
        return now_s - self._waiting[0][1] if self._waiting else 0.0
