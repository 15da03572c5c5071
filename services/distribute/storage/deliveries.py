"""Tables `delivery` and `subscriber`: what was sent to whom, and who acknowledged it."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime, timedelta

import asyncpg

from runtime.postgres import lend_connection
from runtime.sql import Queries
from schemas.delivery_channels import DeliveryChannelName
from services.distribute.models import (
    Delivery,
    OutgoingAlert,
    PendingDelivery,
    SubscriberState,
)

__all__ = ["DeliveryStore"]

_QUERIES = Queries("services.distribute")
# Rows that one statement deletes.
_LIMIT = 1000


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
        columns = {
            each.name: [getattr(delivery, each.name) for delivery in deliveries]
            for each in fields(Delivery)
        }
        async with lend_connection(self._pool) as connection:
            await _QUERIES.execute(connection, "record_deliveries", **columns)

    async def delete_older(self, max_age: timedelta) -> None:
        """Delete the deliveries of alerts that are older, in short transactions."""
        done = f"DELETE {_LIMIT}"
        while done == f"DELETE {_LIMIT}":
            async with lend_connection(self._pool) as connection:
                done = await _QUERIES.execute(
                    connection, "delete_old_deliveries", max_age=max_age, limit=_LIMIT
                )

    async def ensure_subscriber(self, channel: DeliveryChannelName, name: str) -> SubscriberState:
        """Return the state of a subscriber; a new one is created and gets later alerts only."""
        async with lend_connection(self._pool) as connection:
            row = await _QUERIES.fetchrow(connection, "get_subscriber", channel=channel, name=name)
            if row is None:
                (row,) = await _QUERIES.fetch(
                    connection, "ensure_subscriber", channel=channel, name=name
                )
        return SubscriberState(**row)

    async def touch_subscribers(self, names: Sequence[str]) -> set[str]:
        """Note that VTP subscribers are connected; return those that are known."""
        async with lend_connection(self._pool) as connection:
            rows = await _QUERIES.fetch(connection, "touch_subscribers", name=list(names))
        return {row["name"] for row in rows}

    async def forget_subscribers(self, *, max_age: timedelta, max_names: int) -> None:
        """Delete VTP subscribers whose name anybody may choose.

        Parameters
        ----------
        max_age : timedelta
            Those that were not seen for so long.
        max_names : int
            Most that are kept, those that were known for the longest time.
        """
        async with lend_connection(self._pool) as connection:
            await _QUERIES.execute(
                connection, "forget_subscribers", max_age=max_age, max_names=max_names
            )

    async def list_unacknowledged(
        self, channel: DeliveryChannelName, name: str, *, max_age: timedelta, limit: int
    ) -> list[tuple[str, bytes]]:
        """Return ivorn and VOEvent of the newest alerts without acknowledgement, oldest first."""
        async with lend_connection(self._pool) as connection:
            rows = await _QUERIES.fetch(
                connection, "list_unacknowledged",
                channel=channel, name=name, max_age=max_age, limit=limit,
            )  # fmt: skip
        return [(row["ivorn"], row["voevent"]) for row in rows]

    async def list_pending_deliveries(
        self, channel: DeliveryChannelName, name: str, *, max_age: timedelta, limit: int
    ) -> list[PendingDelivery]:
        """Return the alerts behind the position of a channel, oldest first."""
        async with lend_connection(self._pool) as connection:
            rows = await _QUERIES.fetch(
                connection, "list_pending_deliveries",
                channel=channel, name=name, max_age=max_age, limit=limit,
            )  # fmt: skip
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
            By row: whether the receiver has the alert, or has refused it permanently.
        """
        async with lend_connection(self._pool) as connection:
            await _QUERIES.execute(
                connection,
                "advance_subscriber",
                channel=channel,
                name=name,
                since_alert_id=until_id,
                time_sent=time_sent,
                alert_id=list(is_acknowledged.keys()),
                is_acknowledged=list(is_acknowledged.values()),
            )

    async def count_failure(self, channel: DeliveryChannelName, name: str, reason: str) -> None:
        """Count a failure, which disables no subscriber and enables none."""
        async with lend_connection(self._pool) as connection:
            await _QUERIES.execute(
                connection, "count_failure", channel=channel, name=name, failure_reason=reason
            )

    async def count_refusal(
        self, channel: DeliveryChannelName, name: str, reason: str, *, max_refusals: int
    ) -> int:
        """Count a refusal, of which the last one too many disables the subscriber.

        Returns
        -------
        int
            Refusals without a delivery between, this one included; 0: it is no longer there.
        """
        async with lend_connection(self._pool) as connection:
            return int(
                await _QUERIES.fetchval(
                    connection,
                    "count_refusal",
                    channel=channel,
                    name=name,
                    failure_reason=reason,
                    max_refusals=max_refusals,
                )
                or 0
            )

    async def disable(self, channel: DeliveryChannelName, name: str, reason: str) -> None:
        """Deliver no more until an operator enables the subscriber."""
        async with lend_connection(self._pool) as connection:
            await _QUERIES.execute(
                connection,
                "disable_subscriber",
                channel=channel,
                name=name,
                disabled_reason=reason,
            )

    async def clear_failure(self, channel: DeliveryChannelName, name: str) -> None:
        """Note that a subscriber can be delivered to again, unless it is disabled."""
        async with lend_connection(self._pool) as connection:
            await _QUERIES.execute(connection, "clear_failure", channel=channel, name=name)


def _to_pending_delivery(row: asyncpg.Record) -> PendingDelivery:
    alert = OutgoingAlert(row["ivorn"], row["voevent"], row["notice"].encode())
    return PendingDelivery(row["id"], row["is_old"], alert)
