"""What to try next when a channel's other side refuses one alert in words."""

from collections import Counter
from collections.abc import Sequence

from services.alert.steps.webhook import DeliveryError

__all__ = ["Refusals", "RefusedError"]

_MOST_TRIES = 3


class RefusedError(DeliveryError):
    """The other side has read the alert and does not want it; its text says why."""


class Refusals:
    """Refusals since something was taken last.

    One bad alert must not block all behind it, and a server that refuses everything must not
    cost alerts. So the first in the queue is offered three times, then each later one once: only
    when one of them is taken are those before it bad and not the server.
    """

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()

    def choose(self, ids: Sequence[int]) -> int | None:
        """Return the place in the queue to try next; None: every one was refused."""
        for place, identity in enumerate(ids):
            if self._counts[identity] < (1 if place else _MOST_TRIES):
                return place
        return None

    def note(self, identity: int) -> bool:
        """Count a refusal; return whether it tells anything new."""
        self._counts[identity] += 1
        return self._counts[identity] <= _MOST_TRIES

    def forget(self) -> None:
        """Begin anew: something was taken."""
        self._counts.clear()
