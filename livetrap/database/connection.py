"""A connection for a command, with errors that an operator can act on."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import asyncpg

from runtime.errors import FatalError, TransientError
from runtime.pooler import POOLER_ERRORS, refuse_pooler, refuse_shared_servers
from runtime.postgres import UNAVAILABLE_ERRORS
from runtime.settings import PostgresSettings

__all__ = ["connect", "with_connection"]

T = TypeVar("T")
_CONNECT_TIMEOUT_S = 10.0


@asynccontextmanager
async def connect(settings: PostgresSettings) -> AsyncIterator[asyncpg.Connection]:
    """Open a connection for a block, and translate the errors of the block.

    Raises
    ------
    TransientError
        If the database is unavailable, or another session holds a lock for too long.
    FatalError
        If the database refuses the login or a statement, or lacks a table.
    SettingsError
        If a pooler in transaction mode stands before it.
    """
    try:
        connection = await _connect(settings)
        try:
            await refuse_shared_servers(connection, lambda: _connect(settings))
            yield connection
        finally:
            await connection.close()
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedFunctionError) as error:
        raise FatalError(f"database schema: {error}; run `livetrap migrate`") from error
    except asyncpg.LockNotAvailableError as error:
        raise TransientError(
            "another session reads these measurements for too long; try again when it is done "
            "(pg_stat_activity shows it)"
        ) from error
    except POOLER_ERRORS as error:
        raise refuse_pooler(error) from error
    except UNAVAILABLE_ERRORS as error:
        raise TransientError(
            f"PostgreSQL is unavailable: {str(error) or type(error).__name__}; start it "
            "(`livetrap up`) or correct LIVETRAP_POSTGRES__URL"
        ) from error
    except (
        asyncpg.InvalidAuthorizationSpecificationError,
        asyncpg.InvalidCatalogNameError,
    ) as error:
        raise FatalError(
            f"PostgreSQL refuses the login: {error}; correct user, password and database in "
            "LIVETRAP_POSTGRES__URL"
        ) from error
    except asyncpg.PostgresError as error:
        raise FatalError(f"PostgreSQL refuses a statement: {error}") from error


async def _connect(settings: PostgresSettings) -> asyncpg.Connection:
    return await asyncpg.connect(settings.url.get_secret_value(), timeout=_CONNECT_TIMEOUT_S)


def with_connection(
    settings: PostgresSettings, action: Callable[[asyncpg.Connection], Awaitable[T]]
) -> T:
    """Return what `action` returns, called with a new connection; errors as of `connect`."""

    async def run() -> T:
        async with connect(settings) as connection:
            return await action(connection)

    return asyncio.run(run())
