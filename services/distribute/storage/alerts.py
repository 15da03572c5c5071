"""Table `alert`, read: what exists, whether Kafka has it yet or not."""

from collections.abc import Sequence

import asyncpg

from runtime.postgres import lend_connection
from runtime.sql import Queries
from services.distribute.models import AlertKey

__all__ = ["AlertStore"]

_QUERIES = Queries("services.distribute")


class AlertStore:
    """The alerts of one database.

    Every call raises `TransientError` if the database is away.

    Parameters
    ----------
    pool : asyncpg.Pool
        Connections; closed by the caller.
    """

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def get_last_id(self) -> int:
        """Return the row of the newest alert; 0 if there is none."""
        async with lend_connection(self._pool) as connection:
            return int(await _QUERIES.fetchval(connection, "get_last_alert"))

    async def list_keys(self, after_id: int, *, limit: int) -> list[AlertKey]:
        """Return the alerts behind a row, in the order of insertion."""
        async with lend_connection(self._pool) as connection:
            rows = await _QUERIES.fetch(
                connection, "list_alert_keys", after_id=after_id, limit=limit
            )
        return [AlertKey(**row) for row in rows]

    async def select_packets(self, ids: Sequence[int]) -> dict[str, bytes]:
        """Return the VOEvents of some rows by ivorn, in the order of insertion."""
        async with lend_connection(self._pool) as connection:
            rows = await _QUERIES.fetch(connection, "select_packets", id=list(ids))
        return {row["ivorn"]: row["voevent"] for row in rows}

    async def select_digests(self, ivorns: Sequence[str]) -> dict[str, bytes]:
        """Return by ivorn the sha256 of the VOEvents of those that are alerts."""
        async with lend_connection(self._pool) as connection:
            rows = await _QUERIES.fetch(connection, "select_digests", ivorn=list(ivorns))
        return {row["ivorn"]: row["digest"] for row in rows}
