"""A connection of a pool, or why there is none: too many questions, or no database."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from api.errors import BusyError
from api.metrics import DATABASE_UP, QUESTIONS_REFUSED
from runtime.errors import TransientError
from runtime.postgres import UNAVAILABLE_ERRORS, acquire

__all__ = ["lend"]


@asynccontextmanager
async def lend(
    pool: asyncpg.Pool, *, wait_s: float, questions: str = "questions"
) -> AsyncIterator[asyncpg.pool.PoolConnectionProxy]:
    """Lend a connection as soon as one is idle; note whether the database is up.

    Parameters
    ----------
    pool : asyncpg.Pool
        Whose connection.
    wait_s : float
        How long to wait for it [s].
    questions : str
        What they are that keep the connections busy.

    Raises
    ------
    BusyError
        If all are busy for that long, or PostgreSQL has none left.
    TransientError
        If PostgreSQL opens none in that time, or refuses the login.
    """
    try:
        connection = await _acquire(pool, wait_s, questions)
        try:
            yield connection
        finally:
            await pool.release(connection)
    except (BusyError, asyncpg.QueryCanceledError):
        raise  # it is there
    except (TransientError, *UNAVAILABLE_ERRORS):
        DATABASE_UP.set(0)
        raise
    DATABASE_UP.set(1)


async def _acquire(
    pool: asyncpg.Pool, wait_s: float, questions: str
) -> asyncpg.pool.PoolConnectionProxy:
    try:
        return await acquire(pool, timeout_s=wait_s)
    except TimeoutError:
        n_open, most = pool.get_size(), pool.get_max_size()
        if n_open < most:
            raise TransientError(f"it opened no connection within {wait_s:g} s") from None
        words = f"{questions} at once: all {most} connections were busy for {wait_s:g} s"
        raise _refuse(words) from None
    except asyncpg.TooManyConnectionsError as error:
        raise _refuse(f"connections to PostgreSQL: {error}") from error


def _refuse(what: str) -> BusyError:
    QUESTIONS_REFUSED.inc()
    return BusyError(what)
