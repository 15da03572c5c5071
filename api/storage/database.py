"""Connections to PostgreSQL: read-only queries, the few writes, and notifications."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import asyncpg
from pydantic import SecretStr

from api.errors import ProblemError
from api.metrics import DATABASE_UP
from runtime.errors import FatalError, TransientError
from runtime.logging import get_logger
from runtime.postgres import UNAVAILABLE_ERRORS, create_pool
from runtime.settings import PostgresSettings
from runtime.sql import load_statement

__all__ = ["Database"]

_PACKAGE = "api"
_RETRY_S = 1.0
_TIMEOUT_S = 15.0
_STATEMENT_TIMEOUT_MS = 10_000
_CHUNK_ROWS = 1000
_EXPORT_WAIT_S = 10.0


class Database:
    """A connection pool that is opened as soon as PostgreSQL is available.

    Parameters
    ----------
    settings : PostgresSettings
        Address and pool size.
    """

    def __init__(self, settings: PostgresSettings) -> None:
        self._settings = settings
        self._pool: asyncpg.Pool | None = None
        self._export_slots = asyncio.Semaphore(max(1, settings.pool_size // 2))

    async def connect(self) -> None:
        """Open the pool; try until it works. Meanwhile queries raise `TransientError`."""
        reason = ""
        while self._pool is None:
            try:
                self._pool = await create_pool(_to_read_only(self._settings), service="api")
            except (TransientError, FatalError) as error:
                if str(error) != reason:
                    reason = str(error)
                    get_logger().warning("dependency_unavailable", reason=reason)
                await asyncio.sleep(_RETRY_S)
        if reason:
            get_logger().info("dependency_recovered")

    async def aclose(self) -> None:
        """Close the connections."""
        if self._pool is not None:
            self._pool.terminate()

    async def fetch(self, query: str, **parameters: object) -> Sequence[Mapping[str, Any]]:
        """Return the rows of a query.

        Parameters
        ----------
        query : str
            Name of a file of ``api/queries``.
        **parameters : object
            Its parameters, by the names in its header; one left out is null.

        Raises
        ------
        TransientError
            If there is no connection yet; asyncpg's own errors if it was lost.
        """
        async with self._connection() as connection:
            return await _fetch(connection, query, parameters)

    async def write(self, query: str, **parameters: object) -> Sequence[Mapping[str, Any]]:
        """Run a statement that changes rows; return what it returns. Otherwise as `fetch`."""
        async with self._connection() as connection, connection.transaction():
            await connection.execute("set transaction read write")
            return await _fetch(connection, query, parameters)

    async def stream(
        self, query: str, **parameters: object
    ) -> AsyncGenerator[Sequence[Mapping[str, Any]], None]:
        """Return the rows of a query, a thousand at a time through a server-side cursor.

        Half of the connections serve such queries, so that others find one.

        Parameters
        ----------
        query : str
            As of `fetch`.
        **parameters : object
            As of `fetch`.

        Yields
        ------
        sequence of mappings
            Rows.

        Raises
        ------
        ProblemError
            503 if too many are running.
        TransientError
            As of `fetch`.
        """
        statement = load_statement(_PACKAGE, query)
        arguments = statement.to_arguments(parameters, missing_is_null=True)
        async with self._export_slot(), self._connection() as connection, connection.transaction():
            cursor = await connection.cursor(statement.text, *arguments, timeout=_TIMEOUT_S)
            while rows := await cursor.fetch(_CHUNK_ROWS, timeout=_TIMEOUT_S):
                yield cast("Sequence[Mapping[str, Any]]", rows)  # as mappings, but not by type

    @asynccontextmanager
    async def _export_slot(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(_EXPORT_WAIT_S):
                await self._export_slots.acquire()
        except TimeoutError:
            raise ProblemError(503, "too many exports are running; try again") from None
        try:
            yield
        finally:
            self._export_slots.release()

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[asyncpg.pool.PoolConnectionProxy]:
        try:
            async with self._opened().acquire(timeout=_TIMEOUT_S) as connection:
                yield connection
        except (TransientError, *UNAVAILABLE_ERRORS):
            DATABASE_UP.set(0)
            raise
        DATABASE_UP.set(1)

    def _opened(self) -> asyncpg.Pool:
        if self._pool is None:
            raise TransientError("no connection to PostgreSQL yet")
        return self._pool

    async def listen(self, channel: str, notified: asyncio.Event) -> None:
        """Set `notified` at every notification; runs for ever and reconnects when needed."""
        while True:
            try:
                await self._listen_once(channel, notified)
            except Exception as error:  # noqa: BLE001  (the listener outlives any failure)
                get_logger().debug("listener_failed", error=repr(error))
            await asyncio.sleep(_RETRY_S)

    async def _listen_once(self, channel: str, notified: asyncio.Event) -> None:
        """Listen until the connection is lost."""
        connection = await asyncpg.connect(
            self._settings.url.get_secret_value(),
            server_settings={"application_name": "livetrap-api-listen"},
            timeout=_TIMEOUT_S,
        )
        lost = asyncio.Event()
        connection.add_termination_listener(lambda _: lost.set())
        try:
            await connection.add_listener(channel, lambda *_: notified.set())
            notified.set()
            await lost.wait()
        finally:
            connection.terminate()


async def _fetch(
    connection: asyncpg.pool.PoolConnectionProxy, query: str, parameters: Mapping[str, object]
) -> list[dict[str, Any]]:
    statement = load_statement(_PACKAGE, query)
    arguments = statement.to_arguments(parameters, missing_is_null=True)
    rows = await connection.fetch(statement.text, *arguments, timeout=_TIMEOUT_S)
    return [dict(row) for row in rows]


def _to_read_only(settings: PostgresSettings) -> PostgresSettings:
    """Return settings whose sessions are read-only and cancel long queries."""
    url = settings.url.get_secret_value()
    limits = f"default_transaction_read_only=on&statement_timeout={_STATEMENT_TIMEOUT_MS}"
    separator = "&" if "?" in url else "?"
    return settings.model_copy(update={"url": SecretStr(f"{url}{separator}{limits}")})
