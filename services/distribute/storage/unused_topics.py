"""Table `unused_topic`: topics of deleted subscriptions."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from runtime.postgres import lend_connection
from runtime.sql import Queries

__all__ = ["UnusedTopicStore"]

_QUERIES = Queries("services.distribute")


class UnusedTopicStore:
    """The topics of one database that no subscription uses.

    Parameters
    ----------
    pool : asyncpg.Pool
        Connections; closed by the caller.
    """

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    @asynccontextmanager
    async def take(self, *, unused_s: float, limit: int) -> AsyncIterator[list[str]]:
        """Give the subscriptions of some topics, which are forgotten unless there is an error.

        Nobody makes a subscription of one of these names in the meantime.

        Parameters
        ----------
        unused_s : float
            Since their subscriptions were deleted [s].
        limit : int
            How many [-].

        Raises
        ------
        TransientError
            If the database is away.
        """
        async with lend_connection(self._pool) as connection, connection.transaction():
            rows = await _QUERIES.fetch(
                connection, "delete_unused_topics", unused_s=unused_s, limit=limit
            )
            yield [row["name"] for row in rows]
