"""Connections to PostgreSQL, and what its errors mean for a message."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from importlib.resources import files
from typing import Any

import asyncpg

from runtime.errors import FatalError, RejectedMessageError, SettingsError, TransientError
from runtime.pooler import POOLER_ERRORS, refuse_pooler, refuse_shared_servers
from runtime.settings import PostgresSettings
from runtime.sql import Queries

__all__ = [
    "UNAVAILABLE_ERRORS",
    "DatabaseProbe",
    "OldSchemaError",
    "acquire",
    "check_schema",
    "connect",
    "create_pool",
    "lend_connection",
]

_QUERIES = Queries("runtime")

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
# What a server says that lets nobody of this name into this database.
_LOGIN_ERRORS = (
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InsufficientPrivilegeError,
)
# The database takes no connections at present.
_CLOSED_ERRORS = (asyncpg.ObjectNotInPrerequisiteStateError,)
# The database can never take these values.
_REFUSALS = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
)


class OldSchemaError(TransientError):
    """The schema is older than this version: somebody may be about to migrate it."""


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
        If the database is unavailable, or its schema is older than this version.
    FatalError
        If it rejects the user, password or database name.
    SettingsError
        If a pooler in transaction mode stands before it.
    """
    with _translated():
        pool = await asyncpg.create_pool(
            settings.url.get_secret_value(),
            min_size=1,
            max_size=settings.pool_size,
            server_settings=_to_server_settings(service),
            init=prepare,
            reset=None if resets_sessions else _leave_session,
        )
        try:
            async with pool.acquire() as connection:
                await refuse_shared_servers(
                    connection, lambda: _connect(settings, service=service)
                )
                await check_schema(connection)
        except BaseException:
            pool.terminate()
            raise
        return pool


async def check_schema(
    connection: asyncpg.Connection | asyncpg.pool.PoolConnectionProxy,
) -> None:
    """Check that every migration of this version was applied; more may have been.

    A migration never breaks the version before it, so a newer schema is fine (ADR 0050).

    Raises
    ------
    OldSchemaError
        If one is missing.
    """
    needed = _newest_migration()
    try:
        applied = await _QUERIES.fetchval(connection, "get_newest_migration")
    except asyncpg.UndefinedTableError:
        applied = None
    if applied is None or applied < needed:
        raise OldSchemaError(
            f"the database has {applied or 'no schema yet'}, this version needs {needed}: "
            "run `livetrap migrate`"
        )


def _newest_migration() -> str:
    folder = files("schemas") / "sql"
    return max(each.name for each in folder.iterdir() if each.name.endswith(".sql"))


async def _leave_session(_connection: asyncpg.Connection) -> None:
    """Do nothing: asyncpg has rolled back what was open."""


async def connect(settings: PostgresSettings, *, service: str) -> asyncpg.Connection:
    """Return one connection outside of a pool; parameters and errors as of `create_pool`."""
    with _translated():
        return await _connect(settings, service=service)


async def _connect(settings: PostgresSettings, *, service: str) -> asyncpg.Connection:
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
    except _LOGIN_ERRORS as error:
        raise FatalError(
            f"PostgreSQL refuses the login: {error}; correct LIVETRAP_POSTGRES__URL"
        ) from error
    except POOLER_ERRORS as error:
        raise refuse_pooler(error) from error
    except (*UNAVAILABLE_ERRORS, *_CLOSED_ERRORS) as error:
        raise TransientError(
            f"PostgreSQL is unavailable: {error!r} (LIVETRAP_POSTGRES__URL)"
        ) from error
    except ValueError:  # its text may have a part of the password
        raise SettingsError(
            "LIVETRAP_POSTGRES__URL is no address of a database; percent-encode what is special "
            "in user and password"
        ) from None


class DatabaseProbe:
    """Asks whether the database answers with the schema of this version; for readiness.

    Parameters
    ----------
    settings : PostgresSettings
        Where it is.
    """

    def __init__(self, settings: PostgresSettings) -> None:
        self._settings = settings

    def check(self, timeout_s: float) -> str | None:
        """Return why the database cannot be used; None if it can.

        Parameters
        ----------
        timeout_s : float
            Time for an answer [s].
        """
        try:
            asyncio.run(asyncio.wait_for(self._ask(), timeout_s))
        except TimeoutError:
            return f"PostgreSQL does not answer within {timeout_s:g} s (LIVETRAP_POSTGRES__URL)"
        except (FatalError, TransientError) as error:
            return str(error)
        return None

    async def _ask(self) -> None:
        connection = await connect(self._settings, service="probe")
        try:
            with _translated():
                await check_schema(connection)
        finally:
            connection.terminate()


async def acquire(
    pool: asyncpg.Pool, *, timeout_s: float | None = None
) -> asyncpg.pool.PoolConnectionProxy:
    """Return a connection of a pool, whose login was right when the process began.

    Raises
    ------
    TransientError
        If the server refuses the login now: somebody has changed the password, renamed or closed
        the database, and may change it back. Other errors are those of asyncpg.
    """
    try:
        return await pool.acquire(timeout=timeout_s)
    except (*_LOGIN_ERRORS, *_CLOSED_ERRORS) as error:
        raise TransientError(
            f"PostgreSQL refuses the login: {error} (LIVETRAP_POSTGRES__URL)"
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
    SettingsError
        If a pooler in transaction mode stands before it.
    TransientError
        If the database is unavailable or refuses the login; if it is read-only: its connection
        is dropped.
    """
    try:
        connection = await acquire(pool)
        try:
            yield connection
        except asyncpg.ReadOnlySQLTransactionError:
            # The next attempt connects anew, to what is the primary by then.
            connection.terminate()
            raise
        finally:
            await pool.release(connection)
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError) as error:
        raise FatalError(f"database schema: {error}; run `livetrap migrate`") from error
    except _REFUSALS as error:
        raise RejectedMessageError("unstorable", f"PostgreSQL refuses it: {error}") from error
    except POOLER_ERRORS as error:
        raise refuse_pooler(error) from error
    except UNAVAILABLE_ERRORS as error:
        if isinstance(error, ValueError):  # asyncpg's own DataError, before the wire
            raise RejectedMessageError("unstorable", f"not storable: {error}") from error
        raise TransientError(f"PostgreSQL is unavailable: {error!r}") from error
