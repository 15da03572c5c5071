"""How many alert streams may be open, in all and for one address."""

from collections.abc import Iterator
from contextlib import contextmanager

from api.errors import ProblemError
from runtime.places import Places

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
        self._places = Places(total=total, per_host=per_host)

    @contextmanager
    def admit(self, host: str) -> Iterator[None]:
        """Count a stream while it is open.

        Raises
        ------
        ProblemError
            503 if there are too many.
        """
        if not self._places.has_room_for(host):
            raise ProblemError(503, self._why_not())
        self._places.take(host)
        try:
            yield
        finally:
            self._places.give_back(host)

    def _why_not(self) -> str:
        if self._places.is_full:
            return f"{self._total} alert streams are open; try again later"
        return (
            "your address has as many alert streams open as it may, at most "
            f"{self._per_host}, fewer while many are open; close one, try again"
        )
