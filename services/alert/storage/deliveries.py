"""Tables `delivery` and `subscriber`: who was handed what, and who has it."""

from collections.abc import Mapping, Sequence
from dataclasses import astuple
from datetime import datetime, timedelta

import asyncpg

from runtime.postgres import lend_connection
from runtime.sql import load_query
from services.alert.models import Delivery, OutgoingAlert, PendingDelivery, SubscriberState

__all__ = ["DeliveryStore"]

_PACKAGE = "services.alert"


class DeliveryStore:
    """The deliveries of one database.

    Parameters
    ----------
    pool : asyncpg.Pool
        Connections; closed by the caller.
    """

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def note(self, deliveries: Sequence[Delivery]) -> None:
        """Note what was handed over and what was acknowledged; the first time of each stays.

        Raises
        ------
        TransientError
            If the database is away.
        """
        columns = list(zip(*[astuple(each) for each in deliveries], strict=True))
        async with lend_connection(self._pool) as connection:
            await connection.execute(
                load_query(_PACKAGE, "note_deliveries"), *[list(column) for column in columns]
            )

    async def ensure_subscriber(self, channel: str, name: str) -> SubscriberState:
        """Return a subscriber; one that was never here gets the alerts from now on."""
        async with lend_connection(self._pool) as connection:
            row = await connection.fetchrow(load_query(_PACKAGE, "get_subscriber"), channel, name)
            if row is None:
                (row,) = await connection.fetch(
                    load_query(_PACKAGE, "ensure_subscriber"), channel, name
                )
        return SubscriberState(**row)

    async def list_missing(
        self, channel: str, name: str, *, longest: timedelta, limit: int
    ) -> list[OutgoingAlert]:
        """Return the newest alerts that a subscriber has not acknowledged, oldest first."""
        async with lend_connection(self._pool) as connection:
            rows = await connection.fetch(
                load_query(_PACKAGE, "list_missing"), channel, name, longest, limit
            )
        return [_to_outgoing_alert(row) for row in rows]

    async def list_pending_deliveries(
        self, channel: str, name: str, *, longest: timedelta, limit: int
    ) -> list[PendingDelivery]:
        """Return the alerts behind a channel's cursor, oldest first."""
        async with lend_connection(self._pool) as connection:
            rows = await connection.fetch(
                load_query(_PACKAGE, "list_pending_deliveries"), channel, name, longest, limit
            )
        return [PendingDelivery(row["id"], row["is_old"], _to_outgoing_alert(row)) for row in rows]

    async def advance(
        self,
        channel: str,
        name: str,
        until_id: int,
        *,
        time_sent: datetime,
        is_taken: Mapping[int, bool],
    ) -> None:
        """Move a channel's cursor behind an alert, and note what it has.

        Parameters
        ----------
        channel, name : str
            Who it is.
        until_id : int
            The last alert that it is done with.
        time_sent : datetime
            When they were sent.
        is_taken : mapping
            By alert: whether the channel has it, or refused it for good.
        """
        async with lend_connection(self._pool) as connection:
            await connection.execute(
                load_query(_PACKAGE, "advance_subscriber"),
                channel, name, until_id, time_sent, list(is_taken), list(is_taken.values()),
            )  # fmt: skip

    async def note_failure(self, channel: str, name: str, because: str, *, n_most: int) -> bool:
        """Count a failure; return whether the subscriber is disabled by it."""
        async with lend_connection(self._pool) as connection:
            return bool(
                await connection.fetchval(
                    load_query(_PACKAGE, "note_failure"), channel, name, because, n_most
                )
            )


def _to_outgoing_alert(row: asyncpg.Record) -> OutgoingAlert:
    return OutgoingAlert(row["ivorn"], row["voevent"], row["notice"].encode())
