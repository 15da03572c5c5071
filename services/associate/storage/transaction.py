"""One transaction: the connection, and statements by the names of their files."""

import asyncpg

from runtime.sql import load_query

__all__ = ["PACKAGE", "Transaction"]

PACKAGE = "services.associate"


class Transaction:
    """Statements inside one transaction.

    Parameters
    ----------
    connection : asyncpg connection
        Inside a transaction.
    """

    def __init__(self, connection: asyncpg.pool.PoolConnectionProxy | asyncpg.Connection) -> None:
        self._connection = connection

    async def _fetchval(self, query: str, *parameters: object) -> int:
        value: int = await self._connection.fetchval(load_query(PACKAGE, query), *parameters)
        return value

    async def _execute(self, query: str, *parameters: object) -> None:
        await self._connection.execute(load_query(PACKAGE, query), *parameters)
