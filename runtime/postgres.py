"""Connections to PostgreSQL, and which of its errors are worth another try."""

import asyncio

import asyncpg

from runtime.errors import FatalError, TransientError
from runtime.settings import PostgresSettings

__all__ = ["AWAY_ERRORS", "create_pool"]

# What a database that is away, restarting or overtaken raises; anything else is a defect.
AWAY_ERRORS = (
    OSError,
    asyncio.TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.DiskFullError,
)


async def create_pool(settings: PostgresSettings, *, service: str) -> asyncpg.Pool:
    """Connect, in UTC and without JIT.

    Parameters
    ----------
    settings : PostgresSettings
        Where the database is.
    service : str
        Shown as ``application_name`` in ``pg_stat_activity``.

    Returns
    -------
    asyncpg.Pool
        Close it with ``await pool.close()``.

    Raises
    ------
    TransientError
        If the database is away.
    FatalError
        If it refuses the user, password or database name.
    """
    try:
        return await asyncpg.create_pool(
            settings.url.get_secret_value(),
            min_size=1,
            max_size=settings.pool_size,
            server_settings={
                "application_name": f"livetrap-{service}",
                "timezone": "UTC",
                "jit": "off",
            },
        )
    except (
        asyncpg.InvalidAuthorizationSpecificationError,
        asyncpg.InvalidCatalogNameError,
    ) as error:
        raise FatalError(f"PostgreSQL refuses us: {error} (LIVETRAP_POSTGRES__URL)") from error
    except AWAY_ERRORS as error:
        raise TransientError(f"PostgreSQL is away: {error!r} (LIVETRAP_POSTGRES__URL)") from error
