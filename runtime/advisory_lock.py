"""A lock in PostgreSQL that one process of a database holds while the others wait."""

import asyncio
from typing import TYPE_CHECKING

from runtime.errors import TransientError
from runtime.postgres import UNAVAILABLE_ERRORS, connect
from runtime.settings import PostgresSettings
from runtime.sql import Queries

if TYPE_CHECKING:
    import asyncpg

__all__ = ["AdvisoryLock"]

_QUERIES = Queries("runtime")


class AdvisoryLock:
    """Held as long as a connection of its own is open.

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
        self._acquiring = asyncio.Lock()

    @property
    def is_held(self) -> bool:
        """Whether this process held the lock when it last used the connection."""
        return self._connection is not None and not self._connection.is_closed()

    async def try_acquire(self) -> bool:
        """Return whether this process holds the lock now; no query while it does.

        Raises
        ------
        TransientError
            If the database is unavailable.
        """
        async with self._acquiring:
            if not self.is_held:
                self._connection = await self._connect()
            return self.is_held

    def release(self) -> None:
        """Let another process have the lock."""
        if self._connection is not None:
            self._connection.terminate()  # a close would wait for an unavailable database
            self._connection = None

    async def _connect(self) -> "asyncpg.Connection | None":
        """Return a connection that holds the lock; None if another one does."""
        connection = await connect(self._settings, service=self._service)
        try:
            is_acquired = await _QUERIES.fetchval(connection, "try_advisory_lock", name=self._name)
        except UNAVAILABLE_ERRORS as error:
            connection.terminate()
            raise TransientError(f"PostgreSQL is unavailable: {error!r}") from error
        if is_acquired:
            return connection
        connection.terminate()
        return None
