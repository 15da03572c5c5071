"""Transactions on the catalogue, and what is asked outside one."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

import asyncpg
import numpy as np

from runtime.errors import TransientError
from runtime.postgres import lend_connection
from runtime.sql import load_query
from schemas.messages import ForcedMeasurements
from services.associate.models import Band, BandState, StreamState
from services.associate.storage.catalogue import Catalogue

__all__ = ["CatalogueStore"]

_PACKAGE = "services.associate"
# Blind sources of an image have the numbers below.
_FIRST_FORCED_NUMBER = 1 << 24


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
            channels = await connection.fetch(load_query(_PACKAGE, "list_channels"))
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

    async def store_forced(self, answer: ForcedMeasurements) -> None:
        """Store the answer to a forced request; what is stored already stays as it is."""
        columns = answer.measurements
        done = np.array([not reason for reason in columns.reason], np.bool_)
        number = _FIRST_FORCED_NUMBER + np.flatnonzero(done)
        measured = [
            column[done].tolist()
            for column in (
                columns.ra, columns.dec, columns.flux_peak_jy_beam,
                columns.flux_peak_err_jy_beam, columns.rms_local_jy_beam,
            )
        ]  # fmt: skip
        types = np.array(columns.extraction_type, object)[done].tolist()
        place = answer.stream, answer.image_id
        async with lend_connection(self._pool) as connection, connection.transaction():
            await connection.execute(
                load_query(_PACKAGE, "insert_forced"),
                *place,
                number.tolist(),
                columns.position_id[done].tolist(),
                types,
                *measured,
            )
            await connection.execute(
                load_query(_PACKAGE, "insert_gaps"),
                *place,
                columns.position_id[~done].tolist(),
                [reason for reason in columns.reason if reason],
            )

    async def fetch_outbox(self, limit: int) -> list[tuple[int, str, str, bytes]]:
        """Return (id, topic, key, value) of the next messages for Kafka, oldest first."""
        async with lend_connection(self._pool) as connection:
            rows = await connection.fetch(load_query(_PACKAGE, "fetch_outbox"), limit)
        return [(row["id"], row["topic"], row["key"], row["value"]) for row in rows]

    async def delete_outbox(self, ids: Sequence[int]) -> None:
        """Forget messages that Kafka has."""
        async with lend_connection(self._pool) as connection:
            await connection.execute(load_query(_PACKAGE, "delete_outbox"), list(ids))
