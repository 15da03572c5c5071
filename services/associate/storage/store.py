"""Transactions on the catalogue, and what is asked outside one."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

import asyncpg

from runtime.errors import TransientError
from runtime.postgres import lend_connection
from runtime.sql import load_query
from services.associate.models import Band, BandState, StreamState
from services.associate.storage.catalogue import Catalogue

__all__ = ["CatalogueStore"]

_PACKAGE = "services.associate"


class CatalogueStore:
    """Opens transactions, and answers what is asked outside one.

    Parameters
    ----------
    pool : asyncpg.Pool
        Closed by the caller.
    """

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Catalogue]:
        """Lend the catalogue for one transaction; an error undoes all of it."""
        async with lend_connection(self._pool) as connection, connection.transaction():
            yield Catalogue(connection)

    async def load_offsets(
        self, cluster_id: str, topic: str, partitions: Sequence[int]
    ) -> dict[int, int]:
        """Return the next offset of each partition that has one."""
        async with lend_connection(self._pool) as connection:
            rows = await connection.fetch(
                load_query(_PACKAGE, "list_offsets"), cluster_id, topic, list(partitions)
            )
        return {row["partition"]: row["next_offset"] for row in rows}

    async def load_stream_states(self) -> list[StreamState]:
        """Return how far each stream has come and what it is known to send."""
        async with lend_connection(self._pool) as connection:
            streams = await connection.fetch(load_query(_PACKAGE, "list_streams"))
            channels = await connection.fetch(load_query(_PACKAGE, "list_expected_channels"))
        states: dict[str, list[BandState]] = {row["name"]: [] for row in streams}
        for row in channels:
            if row["name"] in states:
                band = Band(row["freq_eff_hz"], row["freq_bw_hz"])
                states[row["name"]].append(
                    BandState(band, row["stokes"], row["last_time_start"], row["missed_timesteps"])
                )
        return [
            StreamState(row["name"], row["closed_until"], tuple(states[row["name"]]))
            for row in streams
        ]

    async def drop_expired(self, retention_days: float) -> list[str]:
        """Drop the months of detections that a stream has left behind; return their names.

        A reader that holds a month for long is not waited for: the next call drops it.
        """
        async with lend_connection(self._pool) as connection, connection.transaction():
            await connection.execute(load_query(_PACKAGE, "set_lock_timeout"))
            try:
                rows = await connection.fetch(
                    load_query(_PACKAGE, "drop_expired"), timedelta(days=retention_days)
                )
            except asyncpg.LockNotAvailableError as error:
                raise TransientError(f"old measurements are being read: {error}") from error
        return [row["name"] for row in rows]

    async def fetch_outbox(self, limit: int) -> list[tuple[int, str, str, bytes]]:
        """Return (id, topic, key, value) of the next messages for Kafka, oldest first."""
        async with lend_connection(self._pool) as connection:
            rows = await connection.fetch(load_query(_PACKAGE, "fetch_outbox"), limit)
        return [(row["id"], row["topic"], row["key"], row["value"]) for row in rows]

    async def delete_outbox(self, ids: Sequence[int]) -> None:
        """Forget messages that Kafka has."""
        async with lend_connection(self._pool) as connection:
            await connection.execute(load_query(_PACKAGE, "delete_outbox"), list(ids))
