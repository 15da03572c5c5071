"""A lock in PostgreSQL that one process of a database holds while the others wait."""

import asyncio
import time
from typing import TYPE_CHECKING, NoReturn

from runtime.errors import TransientError
from runtime.postgres import UNAVAILABLE_ERRORS, connect
from runtime.settings import PostgresSettings
from runtime.sql import Queries

if TYPE_CHECKING:
    import asyncpg

__all__ = ["FENCE_S", "AdvisoryLock"]

_QUERIES = Queries("runtime")

_RENEWAL_INTERVAL_S = 3.0
# How long a process believes that it holds the lock without asking. The server ends a session
# that was idle for 18 s (`try_advisory_lock.sql`), so the holder stops believing before.
_VALID_S = 8.0
# What a holder was allowed to send must be refused after this time: 2 s before the lock is free.
FENCE_S = 8.0
_QUERY_TIMEOUT_S = 5.0


class AdvisoryLock:
    """A lease: held as long as a connection of its own is open, and used every few seconds.

    A process that is stopped or hangs does not use its connection; the server ends it, another
    process can have the lock, and when the first one goes on it knows that time has passed.

    Parameters
    ----------
    settings : PostgresSettings
        Where the database is.
    name : str
        Name of the lock, such as ``livetrap.alert.lead``.
    service : str
        Shown as ``application_name`` in ``pg_stat_activity``.
    """

    def __init__(self, settings: PostgresSettings, *, name: str, service: str) -> None:
        self._settings = settings
        self._name = name
        self._service = service
        self._connection: asyncpg.Connection | None = None
        # When the session last had an answer, of the monotonic clock: it goes on while the
        # process is stopped [s].
        self._renewed_s = 0.0
        self._acquiring = asyncio.Lock()

    @property
    def is_held(self) -> bool:
        """Whether this process held the lock a moment ago; false if it does not know."""
        return (
            self._connection is not None
            and not self._connection.is_closed()
            and time.monotonic() - self._renewed_s < _VALID_S
        )

    async def try_acquire(self) -> bool:
        """Return whether this process holds the lock now; no query if it did 3 s ago.

        Raises
        ------
        TransientError
            If the database is unavailable.
        """
        async with self._acquiring:
            if self._connection is not None:
                await self._renew(self._connection)
            if not self.is_held:
                self.release()
                self._connection = await self._connect()
            return self.is_held

    async def keep(self) -> NoReturn:
        """Use the connection every 3 s, so that the server does not end it, until cancelled."""
        while True:
            await asyncio.sleep(_RENEWAL_INTERVAL_S)
            async with self._acquiring:
                if self._connection is not None:
                    await self._renew(self._connection)

    async def _renew(self, connection: "asyncpg.Connection") -> None:
        """Ask the server whether the session lives; what it does not answer is lost."""
        started_s = time.monotonic()
        if started_s - self._renewed_s < _RENEWAL_INTERVAL_S or connection.is_closed():
            return
        try:
            async with asyncio.timeout(_QUERY_TIMEOUT_S):
                await _QUERIES.fetchval(connection, "renew_advisory_lock")
        except UNAVAILABLE_ERRORS:
            self.release()
        else:
            self._renewed_s = started_s

    def release(self) -> None:
        """Let another process have the lock."""
        if self._connection is not None:
            self._connection.terminate()  # a close would wait for an unavailable database
            self._connection = None

    async def _connect(self) -> "asyncpg.Connection | None":
        """Return a connection that holds the lock; None if another one does."""
        connection = await connect(self._settings, service=self._service)
        started_s = time.monotonic()
        try:
            is_acquired = await _QUERIES.fetchval(connection, "try_advisory_lock", name=self._name)
        except UNAVAILABLE_ERRORS as error:
            connection.terminate()
            raise TransientError(f"PostgreSQL is unavailable: {error!r}") from error
        if is_acquired:
            self._renewed_s = started_s
            return connection
        connection.terminate()
        return None
