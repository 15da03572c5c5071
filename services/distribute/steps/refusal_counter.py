"""Which alert to offer next after a receiver has refused one."""

from collections import Counter
from collections.abc import Sequence

__all__ = ["RefusalCounter"]

_MAX_TRIES = 3


class RefusalCounter:
    """Counts the refusals of each alert since a receiver last accepted one.

    A single bad alert must not block the later ones, and a receiver that refuses everything
    must not cost alerts. So the first alert in the queue is offered three times, then each later
    one once: if one of these is accepted, the fault is in the alerts before it, not in the
    receiver.
    """

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()

    def choose(self, ids: Sequence[int]) -> int | None:
        """Return the index in the queue to offer next; None if each was refused."""
        for index, identity in enumerate(ids):
            if self._counts[identity] < (1 if index else _MAX_TRIES):
                return index
        return None

    def add(self, identity: int) -> bool:
        """Count a refusal; return whether it is one of the first few of this alert."""
        self._counts[identity] += 1
        return self._counts[identity] <= _MAX_TRIES

    def clear(self) -> None:
        """Reset the count of all refusals: the receiver has accepted an alert."""
        self._counts.clear()
