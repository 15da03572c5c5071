"""What VTP subscribers were sent and acknowledged, written to the database in the background."""

import asyncio
import time
from collections import deque
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import NoReturn

from runtime.errors import FatalError, TransientError, describe_exception
from runtime.logging import get_logger
from schemas.delivery_channels import DeliveryChannelName
from services.distribute.metrics import DELIVERY_LOG_LENGTH, SENT_RECORDS_DROPPED
from services.distribute.models import Delivery
from services.distribute.steps.new_names import NewNames
from services.distribute.storage import DeliveryStore

__all__ = ["DeliveryLog"]

_CHANNEL = DeliveryChannelName.VTP
# Records that arrive within this time are written together.
_COLLECT_S = 0.02
_RETRY_INTERVAL_S = 0.5
_CLOSE_TIMEOUT_S = 1.0
_MAX_PENDING = 100_000
_BATCH = 5_000


class DeliveryLog:
    """The VTP part of table `delivery`, and what each named subscriber has not acknowledged.

    An acknowledgement is never dropped: without it the alert would be sent again. While too
    many records wait for the database, whoever acknowledges waits as well. The time when an
    alert was sent is worth less: such a record is dropped then, and counted.

    Parameters
    ----------
    store : DeliveryStore
        Where the records go.
    max_age : timedelta
        Older alerts are not sent again; zero: none is.
    limit : int
        Alerts that are sent again at once, at most [-].
    """

    def __init__(self, store: DeliveryStore, *, max_age: timedelta, limit: int) -> None:
        self._store = store
        self._max_age = max_age
        self._limit = limit
        self._pending: deque[Delivery] = deque()
        self._has_pending = asyncio.Event()
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._writing = asyncio.Lock()
        self._new_names = NewNames()

    def record_sent(self, ivorn: str, subscriber: str) -> None:
        """Record that an alert was sent to a subscriber; never waits."""
        if self._has_room.is_set():
            self._add(ivorn, subscriber, is_acknowledged=False)
        else:
            SENT_RECORDS_DROPPED.inc()

    async def record_acknowledged(self, ivorn: str, subscriber: str) -> None:
        """Record that a subscriber has an alert; waits while too many records are pending."""
        await self._has_room.wait()
        self._add(ivorn, subscriber, is_acknowledged=True)

    async def find_unacknowledged(self, subscriber: str) -> list[tuple[str, bytes]]:
        """Return ivorn and packet of the alerts that a returning subscriber has not acknowledged.

        A new subscriber has missed nothing. One that may not have its new name is not remembered.

        Raises
        ------
        TransientError
            If the database is away.
        """
        await self._write()
        if not await self._remember(subscriber) or not self._max_age:
            return []
        return await self._store.list_unacknowledged(
            _CHANNEL, subscriber, max_age=self._max_age, limit=self._limit
        )

    async def _remember(self, subscriber: str) -> bool:
        """Note that a subscriber is here; return whether it is remembered."""
        if await self._store.touch_subscribers([subscriber]):
            return True
        _, is_of_anybody, host = subscriber.rpartition("@")
        if is_of_anybody and not self._new_names.admit(host, time.monotonic()):
            get_logger().info("new_name_not_remembered", subscriber=subscriber)
            return False
        await self._store.ensure_subscriber(_CHANNEL, subscriber)
        return True

    async def run(self) -> NoReturn:
        """Write until the task is cancelled."""
        while True:
            await self._has_pending.wait()
            await asyncio.sleep(_COLLECT_S)
            DELIVERY_LOG_LENGTH.set(len(self._pending))
            try:
                await self._write()
            except TransientError as error:
                get_logger().debug(
                    "delivery_log_postponed", n=len(self._pending), error=str(error)
                )
                await asyncio.sleep(_RETRY_INTERVAL_S)

    async def aclose(self) -> None:
        """Write what is pending, if the database takes it soon."""
        with suppress(TransientError, TimeoutError):  # then these alerts are sent again
            async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                await self._write()

    def _add(self, ivorn: str, subscriber: str, *, is_acknowledged: bool) -> None:
        self._pending.append(
            Delivery(ivorn, _CHANNEL, subscriber, datetime.now(UTC), is_acknowledged)
        )
        self._has_pending.set()
        if len(self._pending) >= _MAX_PENDING:
            self._has_room.clear()

    async def _write(self) -> None:
        """Write everything that is pending; one caller at a time, or one could miss a batch."""
        async with self._writing:
            while self._pending:
                batch = list(islice(self._pending, _BATCH))
                await self._record(batch)
                for _ in batch:  # only now: a failed or cancelled write loses none
                    self._pending.popleft()
                DELIVERY_LOG_LENGTH.set(len(self._pending))
                if len(self._pending) < _MAX_PENDING:
                    self._has_room.set()
            self._has_pending.clear()

    async def _record(self, batch: list[Delivery]) -> None:
        """Write some records; where one cannot be stored, the others alone."""
        try:
            await self._store.record(batch)
        except (TransientError, FatalError):
            raise
        except Exception as error:  # noqa: BLE001  (whatever it is: the others must be written)
            if len(batch) == 1:  # it is sent again: the subscriber knows the ivorn
                get_logger().exception(
                    "delivery_not_recorded", ivorn=batch[0].ivorn, subscriber=batch[0].subscriber
                )
                return
            get_logger().warning("deliveries_split", n=len(batch), error=describe_exception(error))
            half = len(batch) // 2
            await self._record(batch[:half])
            await self._record(batch[half:])
