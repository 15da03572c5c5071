"""Questions to the database; rows come back as they are."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from runtime.errors import FatalError, TransientError
from runtime.logging import get_logger
from runtime.postgres import create_pool
from runtime.settings import PostgresSettings
from runtime.sql import load_query

__all__ = ["Database"]

_PACKAGE = "api"
_RETRY_S = 1.0
_TIMEOUT_S = 15.0


class Database:
    """A pool that is there as soon as PostgreSQL is.

    Parameters
    ----------
    settings : PostgresSettings
        Where it is.
    """

    def __init__(self, settings: PostgresSettings) -> None:
        self._settings = settings
        self._pool: asyncpg.Pool | None = None

    async def connect_when_there(self) -> None:
        """Try until it works; requests meanwhile are told that the database is away."""
        reason = ""
        while self._pool is None:
            try:
                self._pool = await create_pool(self._settings, service="api")
            except (TransientError, FatalError) as error:
                if str(error) != reason:
                    reason = str(error)
                    get_logger().warning("waiting_for_the_world", reason=reason)
                await asyncio.sleep(_RETRY_S)

    async def aclose(self) -> None:
        """Close the connections."""
        if self._pool is not None:
            self._pool.terminate()

    async def fetch(self, query: str, *parameters: object) -> Sequence[Mapping[str, Any]]:
        """Return the rows of a query.

        Raises
        ------
        TransientError
            If the database was never there; asyncpg's own errors if it went away.
        """
        async with self._connection() as connection:
            rows = await connection.fetch(
                load_query(_PACKAGE, query), *parameters, timeout=_TIMEOUT_S
            )
        return [dict(row) for row in rows]

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[asyncpg.pool.PoolConnectionProxy]:
        if self._pool is None:
            raise TransientError("no connection to PostgreSQL yet")
        async with self._pool.acquire(timeout=_TIMEOUT_S) as connection:
            yield connection

    async def listen(self, channel: str, wake: asyncio.Event) -> None:
        """Set `wake` at every notification, for ever; reconnect when it is lost."""
        while True:
            try:
                connection = await asyncpg.connect(
                    self._settings.url.get_secret_value(),
                    server_settings={"application_name": "livetrap-api-listen"},
                    timeout=_TIMEOUT_S,
                )
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await asyncio.sleep(_RETRY_S)  # `connect_when_there` tells of it
                continue
            lost = asyncio.Event()
            connection.add_termination_listener(lambda _, lost=lost: lost.set())
            try:
                await connection.add_listener(channel, lambda *_: wake.set())
                wake.set()
                await lost.wait()
            finally:
                connection.terminate()
