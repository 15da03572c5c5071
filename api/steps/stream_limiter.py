"""How many alert streams may be open, in all and for one address."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from api.errors import ProblemError
from runtime.listening import party_of

__all__ = ["StreamLimiter"]


class StreamLimiter:
    """Counts the open streams of each address.

    Parameters
    ----------
    total : int
        Streams of all addresses.
    per_host : int
        Streams of one address.
    """

    def __init__(self, *, total: int, per_host: int) -> None:
        self._total = total
        self._per_host = per_host
        self._open: Counter[str] = Counter()

    @contextmanager
    def admit(self, host: str) -> Iterator[None]:
        """Count a stream while it is open.

        Raises
        ------
        ProblemError
            503 if there are too many.
        """
        party = party_of(host)
        if self._open[party] >= self._per_host:
            raise ProblemError(
                503, f"your address has {self._per_host} alert streams open; close one, try again"
            )
        if self._open.total() >= self._total:
            raise ProblemError(503, f"{self._total} alert streams are open; try again later")
        self._open[party] += 1
        try:
            yield
        finally:
            self._open[party] -= 1
            if not self._open[party]:
                del self._open[party]
