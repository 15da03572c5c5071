"""Tables `delivery` and `subscriber`: what was sent to whom, and who acknowledged it."""

from collections.abc import Mapping, Sequence
from dataclasses import astuple
from datetime import datetime, timedelta

import asyncpg

from runtime.postgres import lend_connection
from runtime.sql import load_query
from schemas.delivery_channels import DeliveryChannelName
from services.distribute.models import (
    Delivery,
    OutgoingAlert,
    PendingDelivery,
    SubscriberState,
)

__all__ = ["DeliveryStore"]

_PACKAGE = "services.distribute"


class DeliveryStore:
    """The deliveries of one database.

    Every call raises `TransientError` if the database is away.

    Parameters
    ----------
    pool : asyncpg.Pool
        Connections; closed by the caller.
    """

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def record(self, deliveries: Sequence[Delivery]) -> None:
        """Record what was sent and what was acknowledged; the first time of each is kept."""
        columns = list(zip(*[astuple(each) for each in deliveries], strict=True))
        async with lend_connection(self._pool) as connection:
            await connection.execute(
                load_query(_PACKAGE, "record_deliveries"), *[list(column) for column in columns]
            )

    async def ensure_subscriber(self, channel: DeliveryChannelName, name: str) -> SubscriberState:
        """Return the state of a subscriber; a new one is created and gets later alerts only."""
        async with lend_connection(self._pool) as connection:
            row = await connection.fetchrow(load_query(_PACKAGE, "get_subscriber"), channel, name)
            if row is None:
                (row,) = await connection.fetch(
                    load_query(_PACKAGE, "ensure_subscriber"), channel, name
                )
        return SubscriberState(**row)

    async def list_unacknowledged(
        self, channel: DeliveryChannelName, name: str, *, max_age: timedelta, limit: int
    ) -> list[tuple[str, bytes]]:
        """Return ivorn and VOEvent of the newest alerts without acknowledgement, oldest first."""
        async with lend_connection(self._pool) as connection:
            rows = await connection.fetch(
                load_query(_PACKAGE, "list_unacknowledged"), channel, name, max_age, limit
            )
        return [(row["ivorn"], row["voevent"]) for row in rows]

    async def list_pending_deliveries(
        self, channel: DeliveryChannelName, name: str, *, max_age: timedelta, limit: int
    ) -> list[PendingDelivery]:
        """Return the alerts behind the position of a channel, oldest first."""
        async with lend_connection(self._pool) as connection:
            rows = await connection.fetch(
                load_query(_PACKAGE, "list_pending_deliveries"), channel, name, max_age, limit
            )
        return [_to_pending_delivery(row) for row in rows]

    async def advance(
        self,
        channel: DeliveryChannelName,
        name: str,
        until_id: int,
        *,
        time_sent: datetime,
        is_acknowledged: Mapping[int, bool],
    ) -> None:
        """Move the position of a channel behind an alert, and record what it has.

        Parameters
        ----------
        channel : DeliveryChannelName
            Kind of the receiver.
        name : str
            Name of the receiver.
        until_id : int
            Row of the last alert that is done.
        time_sent : datetime
            When they were sent.
        is_acknowledged : mapping of int to bool
            By row: whether the receiver has the alert, or has refused it for good.
        """
        async with lend_connection(self._pool) as connection:
            await connection.execute(
                load_query(_PACKAGE, "advance_subscriber"),
                channel, name, until_id, time_sent,
                list(is_acknowledged), list(is_acknowledged.values()),
            )  # fmt: skip

    async def count_failure(
        self, channel: DeliveryChannelName, name: str, reason: str, *, max_failures: int
    ) -> bool:
        """Count a failure; return whether the subscriber is disabled by it."""
        async with lend_connection(self._pool) as connection:
            return bool(
                await connection.fetchval(
                    load_query(_PACKAGE, "count_failure"), channel, name, reason, max_failures
                )
            )


def _to_pending_delivery(row: asyncpg.Record) -> PendingDelivery:
    alert = OutgoingAlert(row["ivorn"], row["voevent"], row["notice"].encode())
    return PendingDelivery(row["id"], row["is_old"], alert)
