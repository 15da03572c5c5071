"""Transactions on the catalogue, and statements outside one."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta

import asyncpg

from runtime.errors import TransientError
from runtime.postgres import lend_connection
from runtime.sql import load_statement
from services.associate.models.timesteps import Band, ExpectedChannel, StreamState
from services.associate.storage.catalogue import Catalogue
from services.associate.storage.detected_ids import DetectedIds
from services.associate.storage.search_gaps import SearchGaps
from services.associate.storage.transaction import PACKAGE
from services.associate.storage.waiting_source_cache import WaitingSourceCache

__all__ = ["CatalogueStore"]

# A partition of detections that is smaller takes the next month, too: half a million rows, which
# PostgreSQL reads in a tenth of a second, as it must then [byte].
_SMALL_BYTES = 128 * 1024 * 1024
# Detections that are deleted at once from such partitions [-].
_MOST_DELETED = 100_000


class CatalogueStore:
    """Opens transactions, and runs the statements that need none.

    Parameters
    ----------
    pool : asyncpg.Pool
        Closed by the caller.
    """

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._gaps = SearchGaps()
        self.forget()

    def forget(self) -> None:
        """Forget what was read and written, as the database may be another one by now.

        One that was restored, or took over without the last transactions, gives their numbers
        again; behind a pooler the connection may be the same.
        """
        self._waiting_sources = WaitingSourceCache()
        self._detected_ids = DetectedIds()
        self._months: dict[str, str] = {}

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Catalogue]:
        """Lend the catalogue for one transaction; an error undoes all of it."""
        async with lend_connection(self._pool) as connection, connection.transaction():
            yield Catalogue(connection, self._gaps, self._waiting_sources, self._detected_ids)

    async def load_offsets(
        self, cluster_id: str, topic: str, partitions: Sequence[int]
    ) -> dict[int, int]:
        """Return the next offset of each partition that has one."""
        rows = await self._fetch(
            "list_offsets", cluster_id=cluster_id, topic=topic, partition=list(partitions)
        )
        return {row["partition"]: row["next_offset"] for row in rows}

    async def load_stream_states(self) -> list[StreamState]:
        """Return up to where each stream is closed, and what it sends."""
        streams = await self._fetch("list_streams")
        channels: dict[str, list[ExpectedChannel]] = {row["name"]: [] for row in streams}
        for row in await self._fetch("list_expected_channels"):
            if row["name"] in channels:
                channels[row["name"]].append(_to_channel(row))
        return [
            StreamState(
                row["name"],
                row["closed_until"],
                tuple(channels[row["name"]]),
                tuple(reversed(row["recent"])),
            )
            for row in streams
        ]

    async def extend_months(self, stream: str, moment: datetime) -> None:
        """Keep the detections of another month with those before, where these are few.

        In a transaction of its own: it must hold no lock when it waits for the readers of the
        stream. Where one reads for longer, the month has its own partition.

        Parameters
        ----------
        stream : str
            Name of the stream.
        moment : datetime
            Of detections to come.
        """
        month = f"{moment:%Y-%m}"
        if self._months.get(stream) == month:
            return
        statement = load_statement(PACKAGE, "extend_months")
        given = {"stream": stream, "moment": moment, "largest_bytes": _SMALL_BYTES}
        async with lend_connection(self._pool) as connection:
            with suppress(asyncpg.LockNotAvailableError):
                await connection.execute(statement.text, *statement.to_arguments(given))
        self._months[stream] = month

    async def take_clock_resets(self, names: Sequence[str]) -> list[str]:
        """Return the streams among `names` whose clock an operator wants reset."""
        return [row["name"] for row in await self._fetch("take_clock_resets", name=list(names))]

    async def drop_expired(self, retention_days: float) -> list[str]:
        """Drop the months of detections that are older than the retention; return their names.

        Of months that share a partition with later ones some rows go at each call. What is about
        these measurements alone goes, too.

        Raises
        ------
        TransientError
            If a reader holds a month for longer than the lock timeout: the next call drops it.
        """
        async with lend_connection(self._pool) as connection, connection.transaction():
            await connection.execute(load_statement(PACKAGE, "set_lock_timeout").text)
            retention = timedelta(days=retention_days)
            rows = {}
            try:
                for query in ("drop_expired", "delete_expired_shared", "delete_expired_archived"):
                    statement = load_statement(PACKAGE, query)
                    arguments = statement.to_arguments({"retention": retention})
                    rows[query] = await connection.fetch(statement.text, *arguments)
                statement = load_statement(PACKAGE, "delete_expired_detections")
                given = {"retention": retention, "limit": _MOST_DELETED}
                await connection.execute(statement.text, *statement.to_arguments(given))
            except asyncpg.LockNotAvailableError as error:
                raise TransientError(f"old measurements are being read: {error}") from error
        return [row["name"] for row in rows["drop_expired"]]

    async def delete_expired_images(self, retention_days: float, limit: int) -> int:
        """Delete images, timesteps and ledger entries beyond the retention; count the images.

        Parameters
        ----------
        retention_days : float
            Before the last timestep of the stream [d].
        limit : int
            Images at most [-].
        """
        retention = timedelta(days=retention_days)
        [row] = await self._fetch("delete_expired_images", retention=retention, limit=limit)
        await self._fetch("delete_expired_timesteps", retention=retention)
        await self._fetch("delete_expired_ledger", retention=retention)
        return int(row["n_images"])

    async def count_undecided(self, stream_id: int, source_ids: Sequence[int]) -> int:
        """Return how many of some sources answers may still remove from the catalogue."""
        rows = await self._fetch(
            "count_undecided", stream_id=stream_id, source_id=list(source_ids)
        )
        return int(rows[0]["n_sources"])

    async def list_overdue_streams(self, now: datetime) -> list[str]:
        """Return the streams with new sources whose event has waited long enough."""
        return [row["name"] for row in await self._fetch("list_overdue_streams", now=now)]

    @asynccontextmanager
    async def lend_outbox(self, limit: int) -> AsyncIterator[list[asyncpg.Record] | None]:
        """Lend the next messages for Kafka, oldest first; they are gone if the block succeeds.

        One associator has them at a time: two would send each twice, or in another order.

        Parameters
        ----------
        limit : int
            Messages at most [-].

        Yields
        ------
        list of rows or None
            With `id`, `topic`, `key`, `value`; None if another associator has them now.
        """
        async with self.transaction() as catalogue:
            yield await catalogue.take_outbox(limit) if await catalogue.lock_outbox() else None

    async def _fetch(self, query: str, **values: object) -> list[asyncpg.Record]:
        statement = load_statement(PACKAGE, query)
        async with lend_connection(self._pool) as connection:
            rows: list[asyncpg.Record] = await connection.fetch(
                statement.text, *statement.to_arguments(values)
            )
        return rows


def _to_channel(row: asyncpg.Record) -> ExpectedChannel:
    return ExpectedChannel(
        band=Band(row["freq_eff_hz"], row["freq_bw_hz"]),
        stokes=row["stokes"],
        last_time_start=row["last_time_start"],
        missed_timesteps=row["missed_timesteps"],
    )
