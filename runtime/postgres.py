"""Connections to PostgreSQL, and what its errors mean for a message."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import asyncpg

from runtime.errors import FatalError, RejectedMessageError, TransientError
from runtime.settings import PostgresSettings

__all__ = ["UNAVAILABLE_ERRORS", "connect", "create_pool", "lend_connection"]

# Errors of an unavailable, restarting or overloaded database: another attempt may succeed.
UNAVAILABLE_ERRORS = (
    OSError,
    asyncio.TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    # A session that dies while a statement is prepared confuses asyncpg.
    asyncpg.InternalClientError,
    # Classes 40, 53, 57 and 58 of SQLSTATE: conflicts, no room, an operator, the machine.
    asyncpg.TransactionRollbackError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.PostgresSystemError,
    asyncpg.LockNotAvailableError,
    # The server was demoted: the primary is another one now.
    asyncpg.ReadOnlySQLTransactionError,
)
# The database can never take these values.
_REFUSALS = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
)


async def create_pool(
    settings: PostgresSettings,
    *,
    service: str,
    prepare: Callable[[asyncpg.Connection], Coroutine[Any, Any, None]] | None = None,
    resets_sessions: bool = True,
) -> asyncpg.Pool:
    """Return a pool of connections in UTC and without JIT.

    Parameters
    ----------
    settings : PostgresSettings
        Where the database is.
    service : str
        Shown as ``application_name`` in ``pg_stat_activity``.
    prepare : coroutine function, optional
        Called with each new connection, as `runtime.array_codecs.take_numpy`.
    resets_sessions : bool
        Whether a connection that is given back forgets settings, locks and cursors of its
        session: one more round trip, for which a service that leaves none has no use. An open
        transaction is rolled back in any case.

    Returns
    -------
    asyncpg.Pool
        Close it with ``await pool.close()``.

    Raises
    ------
    TransientError
        If the database is unavailable.
    FatalError
        If it rejects the user, password or database name.
    """
    with _translated():
        return await asyncpg.create_pool(
            settings.url.get_secret_value(),
            min_size=1,
            max_size=settings.pool_size,
            server_settings=_to_server_settings(service),
            init=prepare,
            reset=None if resets_sessions else _leave_session,
        )


async def _leave_session(_connection: asyncpg.Connection) -> None:
    """Do nothing: asyncpg has rolled back what was open."""


async def connect(settings: PostgresSettings, *, service: str) -> asyncpg.Connection:
    """Return one connection outside of a pool; parameters and errors as of `create_pool`."""
    with _translated():
        return await asyncpg.connect(
            settings.url.get_secret_value(), server_settings=_to_server_settings(service)
        )


def _to_server_settings(service: str) -> dict[str, str]:
    return {"application_name": f"livetrap-{service}", "timezone": "UTC", "jit": "off"}


@contextmanager
def _translated() -> Iterator[None]:
    """Translate the errors of a connection attempt."""
    try:
        yield
    except (
        asyncpg.InvalidAuthorizationSpecificationError,
        asyncpg.InvalidCatalogNameError,
    ) as error:
        raise FatalError(
            f"PostgreSQL refuses the login: {error}; correct LIVETRAP_POSTGRES__URL"
        ) from error
    except UNAVAILABLE_ERRORS as error:
        raise TransientError(
            f"PostgreSQL is unavailable: {error!r} (LIVETRAP_POSTGRES__URL)"
        ) from error


@asynccontextmanager
async def lend_connection(pool: asyncpg.Pool) -> AsyncIterator[asyncpg.pool.PoolConnectionProxy]:
    """Provide a connection of the pool; translate its errors into those of a message.

    Raises
    ------
    FatalError
        If the schema lacks a table or column.
    RejectedMessageError
        If the database refuses values of the message.
    TransientError
        If the database is unavailable.
    """
    try:
        async with pool.acquire() as connection:
            yield connection
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError) as error:
        raise FatalError(f"database schema: {error}; run `livetrap migrate`") from error
    except _REFUSALS as error:
        raise RejectedMessageError("unstorable", f"PostgreSQL refuses it: {error}") from error
    except UNAVAILABLE_ERRORS as error:
        if isinstance(error, ValueError):  # asyncpg's own DataError, before the wire
            raise RejectedMessageError("unstorable", f"not storable: {error}") from error
        raise TransientError(f"PostgreSQL is unavailable: {error!r}") from error
