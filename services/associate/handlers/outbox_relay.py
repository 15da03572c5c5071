"""The outbox of the database to messages on Kafka."""

import time
from collections.abc import Callable

from runtime.kafka import OutMessage
from services.associate.metrics import EVENTS
from services.associate.storage import CatalogueStore

__all__ = ["OutboxRelay"]

_BATCH = 500
_POLL_S = 1.0


class OutboxRelay:
    """Publishes what transactions have left in the outbox.

    Parameters
    ----------
    store : CatalogueStore
        Has the outbox.
    """

    def __init__(self, store: CatalogueStore) -> None:
        self._store = store
        # Whether what was fetched last is all that there was.
        self._is_empty = False
        self._next_poll_s = 0.0

    def expect(self) -> None:
        """Note that a transaction has left something."""
        self._is_empty = False

    async def relay(self, send: Callable[[list[OutMessage]], None]) -> bool:
        """Publish the next messages, oldest first; return whether more wait.

        Parameters
        ----------
        send : callable
            Returns when Kafka has all of them.
        """
        now_s = time.monotonic()
        if self._is_empty and now_s < self._next_poll_s:
            return False
        async with self._store.lend_outbox(_BATCH) as rows:
            if rows is None:  # another associator publishes now: ask again soon
                return False
            if rows:
                send([OutMessage(row["topic"], row["key"].encode(), row["value"]) for row in rows])
        self._is_empty = len(rows) < _BATCH
        # Retractions of an operator come without `expect`.
        self._next_poll_s = now_s + _POLL_S
        EVENTS.inc(len(rows))
        return not self._is_empty
