"""The book of deliveries, written behind the senders' backs: nobody waits for it."""

import asyncio
from collections import deque
from datetime import UTC, datetime, timedelta

from runtime.errors import TransientError
from runtime.logging import get_logger
from services.alert.models import Delivery
from services.alert.storage import DeliveryStore

__all__ = ["DeliveryLog"]

_CHANNEL = "vtp"
_FLUSH_EVERY_S = 0.2
# Of a database that is away for long, the oldest notes are lost: what they tell of may be sent
# again to who has it.
_MOST_WAITING = 100_000
_BATCH = 5_000


class DeliveryLog:
    """What VTP subscribers were handed and acknowledged, and what they miss.

    Parameters
    ----------
    store : DeliveryStore
        Where to write.
    longest : timedelta
        Older alerts are not sent again.
    limit : int
        Most alerts that are sent again at once [-].
    """

    def __init__(self, store: DeliveryStore, *, longest: timedelta, limit: int) -> None:
        self._store = store
        self._longest = longest
        self._limit = limit
        self._waiting: deque[Delivery] = deque(maxlen=_MOST_WAITING)

    def note(self, ivorn: str, subscriber: str, *, is_acknowledged: bool) -> None:
        """Note that a subscriber was handed an alert, or has it; never waits."""
        self._waiting.append(
            Delivery(ivorn, _CHANNEL, subscriber, datetime.now(UTC), is_acknowledged)
        )

    async def find_missing(self, subscriber: str) -> list[bytes]:
        """Return the packets that a subscriber who came back has not acknowledged.

        One who was never here misses nothing. Nothing either while the database is away: then
        it is sent again the next time.
        """
        try:
            await self._flush()
            await self._store.ensure_subscriber(_CHANNEL, subscriber)
            if not self._longest:
                return []
            missing = await self._store.list_missing(
                _CHANNEL, subscriber, longest=self._longest, limit=self._limit
            )
        except TransientError as error:
            get_logger().warning("nothing_sent_again", subscriber=subscriber, error=str(error))
            return []
        return [each.voevent for each in missing]

    async def run(self) -> None:
        """Write for ever."""
        while True:
            await asyncio.sleep(_FLUSH_EVERY_S)
            try:
                await self._flush()
            except TransientError as error:
                get_logger().debug("deliveries_wait", n=len(self._waiting), error=str(error))

    async def _flush(self) -> None:
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(_BATCH, len(self._waiting)))]
            try:
                await self._store.note(batch)
            except TransientError:
                self._waiting.extendleft(reversed(batch))
                raise
