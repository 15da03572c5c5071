"""A pooler in transaction mode, which breaks locks, LISTEN and prepared statements."""

from collections.abc import Awaitable, Callable

import asyncpg

from runtime.errors import SettingsError, TransientError
from runtime.sql import Queries

__all__ = ["POOLER_ERRORS", "refuse_pooler", "refuse_shared_servers"]

# What such a pooler makes of prepared statements, and what it says of settings of a session.
POOLER_ERRORS = (
    asyncpg.DuplicatePreparedStatementError,
    asyncpg.InvalidSQLStatementNameError,
    asyncpg.ProtocolViolationError,
)
_QUERIES = Queries("runtime")
_N_ROUNDS = 5
Session = asyncpg.Connection | asyncpg.pool.PoolConnectionProxy


def refuse_pooler(error: BaseException) -> SettingsError | TransientError:
    """Return what one of `POOLER_ERRORS` means for the process."""
    if isinstance(error, asyncpg.ProtocolViolationError) and "startup parameter" not in str(error):
        return TransientError(f"PostgreSQL is unavailable: {error!r}")
    return _name_pooler(str(error).splitlines()[0])


def _name_pooler(evidence: str) -> SettingsError:
    return SettingsError(
        "POSTGRES__URL goes through a pooler in transaction mode; use the database itself, or "
        f"session mode ({evidence})"
    )


async def refuse_shared_servers(
    connection: Session, connect: Callable[[], Awaitable[asyncpg.Connection]]
) -> None:
    """Refuse a connection that shares its server with another one that is open.

    A pooler that carries prepared statements along (PgBouncer since 1.21) breaks none of them;
    locks and LISTEN of a session it breaks in silence.

    Parameters
    ----------
    connection : asyncpg.Connection
        One that is open.
    connect : callable
        Opens another one like it; it is called where the first shows that it is no direct one.

    Raises
    ------
    SettingsError
        If a pooler in transaction mode stands before the database.
    """
    own = await _QUERIES.fetchval(connection, "get_server_process")
    # A pooler makes up the number that the login brings.
    if own == connection.get_server_pid():
        return
    other = await connect()
    try:
        for _ in range(_N_ROUNDS):
            others = await _QUERIES.fetchval(other, "get_server_process")
            if others == own or own != await _QUERIES.fetchval(connection, "get_server_process"):
                raise _name_pooler("two connections share a server")
    finally:
        other.terminate()
