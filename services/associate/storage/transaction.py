"""One transaction: the connection, and statements by the names of their files and parameters."""

import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import asyncpg

from runtime.binary_rows import encode_columns
from runtime.sql import load_statement
from services.associate.models.decisions import Columns

__all__ = ["PACKAGE", "Transaction"]

PACKAGE = "services.associate"


class Transaction:
    """Statements inside one transaction.

    Parameters
    ----------
    connection : asyncpg connection
        Inside a transaction; it takes numpy arrays (`runtime.array_codecs`).
    """

    def __init__(self, connection: asyncpg.pool.PoolConnectionProxy | asyncpg.Connection) -> None:
        self._connection = connection

    async def _fetch(self, query: str, **values: object) -> list[asyncpg.Record]:
        statement = load_statement(PACKAGE, query)
        rows: list[asyncpg.Record] = await self._connection.fetch(
            statement.text, *statement.to_arguments(values)
        )
        return rows

    async def _fetchval(self, query: str, **values: object) -> Any:
        statement = load_statement(PACKAGE, query)
        return await self._connection.fetchval(statement.text, *statement.to_arguments(values))

    async def _execute(self, query: str, **values: object) -> None:
        statement = load_statement(PACKAGE, query)
        await self._connection.execute(statement.text, *statement.to_arguments(values))

    async def _execute_each(self, query: str, rows: Iterable[Mapping[str, object]]) -> None:
        """Run a statement with each of some values, in their order, all sent at once."""
        statement = load_statement(PACKAGE, query)
        if arguments := [statement.to_arguments(values) for values in rows]:
            await self._connection.executemany(statement.text, arguments)

    async def _copy(self, table: str, groups: Sequence[Columns]) -> None:
        """Append rows to a table, given as groups of columns by name.

        The types are those of `runtime.binary_rows`; every group has the columns of the first.
        """
        if not groups:
            return
        names = list(groups[0])
        data = encode_columns([[group[name] for name in names] for group in groups])
        await self._connection.copy_to_table(
            table, source=io.BytesIO(data), columns=names, format="binary"
        )
