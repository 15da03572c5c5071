"""Questions to the database; rows come back as they are."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from pydantic import SecretStr

from api.metrics import DATABASE_IS_THERE
from runtime.errors import FatalError, TransientError
from runtime.logging import get_logger
from runtime.postgres import AWAY_ERRORS, create_pool
from runtime.settings import PostgresSettings
from runtime.sql import load_query

__all__ = ["Database"]

_PACKAGE = "api"
_RETRY_S = 1.0
_TIMEOUT_S = 15.0
_STATEMENT_TIMEOUT_MS = 10_000


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
                self._pool = await create_pool(_reading(self._settings), service="api")
            except (TransientError, FatalError) as error:
                if str(error) != reason:
                    reason = str(error)
                    get_logger().warning("dependency_unavailable", reason=reason)
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
            return await _fetch(connection, query, parameters)

    async def write(self, query: str, *parameters: object) -> Sequence[Mapping[str, Any]]:
        """Change something and return the rows that the statement returns.

        Raises
        ------
        TransientError
            If the database was never there; asyncpg's own errors if it went away.
        """
        async with self._connection() as connection, connection.transaction():
            await connection.execute("set transaction read write")
            return await _fetch(connection, query, parameters)

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[asyncpg.pool.PoolConnectionProxy]:
        try:
            async with self._opened().acquire(timeout=_TIMEOUT_S) as connection:
                yield connection
        except (TransientError, *AWAY_ERRORS):
            DATABASE_IS_THERE.set(0)
            raise
        DATABASE_IS_THERE.set(1)

    def _opened(self) -> asyncpg.Pool:
        if self._pool is None:
            raise TransientError("no connection to PostgreSQL yet")
        return self._pool

    async def listen(self, channel: str, wake: asyncio.Event) -> None:
        """Set `wake` at every notification, for ever; reconnect when it is lost."""
        while True:
            try:
                await self._listen_once(channel, wake)
            except Exception as error:  # noqa: BLE001  (nothing may end the listening)
                get_logger().debug("listener_failed", error=repr(error))
            await asyncio.sleep(_RETRY_S)

    async def _listen_once(self, channel: str, wake: asyncio.Event) -> None:
        """Listen until the connection is lost."""
        connection = await asyncpg.connect(
            self._settings.url.get_secret_value(),
            server_settings={"application_name": "livetrap-api-listen"},
            timeout=_TIMEOUT_S,
        )
        lost = asyncio.Event()
        connection.add_termination_listener(lambda _: lost.set())
        try:
            await connection.add_listener(channel, lambda *_: wake.set())
            wake.set()
            await lost.wait()
        finally:
            connection.terminate()


async def _fetch(
    connection: asyncpg.pool.PoolConnectionProxy, query: str, parameters: Sequence[object]
) -> list[dict[str, Any]]:
    rows = await connection.fetch(load_query(_PACKAGE, query), *parameters, timeout=_TIMEOUT_S)
    return [dict(row) for row in rows]


def _reading(settings: PostgresSettings) -> PostgresSettings:
    """Return settings whose sessions write only when told, and give up on a long question."""
    url = settings.url.get_secret_value()
    limits = f"default_transaction_read_only=on&statement_timeout={_STATEMENT_TIMEOUT_MS}"
    separator = "&" if "?" in url else "?"
    return settings.model_copy(update={"url": SecretStr(f"{url}{separator}{limits}")})
