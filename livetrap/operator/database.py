"""A connection for a command, and what its errors mean to an operator."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import asyncpg

from runtime.errors import FatalError, TransientError
from runtime.postgres import AWAY_ERRORS
from runtime.settings import Settings

__all__ = ["connect", "with_connection"]

T = TypeVar("T")
_TIMEOUT_S = 10.0


@asynccontextmanager
async def connect(settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    """Lend a connection; put its errors into words.

    Raises
    ------
    TransientError
        If the database is away, or a lock is not to be had.
    FatalError
        If it refuses us or has no such schema.
    """
    try:
        connection = await asyncpg.connect(
            settings.postgres.url.get_secret_value(), timeout=_TIMEOUT_S
        )
        try:
            yield connection
        finally:
            await connection.close()
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedFunctionError) as error:
        raise FatalError(f"database schema: {error}; run `livetrap migrate`") from error
    except asyncpg.LockNotAvailableError as error:
        raise TransientError(
            "somebody reads the measurements for longer than we wait; try again"
        ) from error
    except AWAY_ERRORS as error:
        raise TransientError(
            f"PostgreSQL is away: {error!r}; is the stack up? (LIVETRAP_POSTGRES__URL)"
        ) from error
    except asyncpg.PostgresError as error:
        raise FatalError(f"PostgreSQL refuses: {error} (LIVETRAP_POSTGRES__URL)") from error


def with_connection(settings: Settings, work: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
    """Return what `work` makes of a connection; errors as of `connect`."""

    async def run() -> T:
        async with connect(settings) as connection:
            return await work(connection)

    return asyncio.run(run())
