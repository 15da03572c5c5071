"""A lock in PostgreSQL that one process of a database holds while the others wait."""

import asyncio
from typing import TYPE_CHECKING

from runtime.errors import TransientError
from runtime.postgres import AWAY_ERRORS, connect
from runtime.settings import PostgresSettings
from runtime.sql import load_query

if TYPE_CHECKING:
    import asyncpg

__all__ = ["AdvisoryLock"]


class AdvisoryLock:
    """Held for as long as a connection of its own lives.

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
        """Whether this process holds the lock, as far as it knows; asks nobody."""
        return self._connection is not None and not self._connection.is_closed()

    async def try_acquire(self) -> bool:
        """Return whether this process holds the lock now; costs nothing while it does.

        Raises
        ------
        TransientError
            If the database is away.
        """
        async with self._acquiring:
            if not self.is_held:
                self._connection = await self._connect()
            return self.is_held

    def release(self) -> None:
        """Let another process have the lock."""
        if self._connection is not None:
            self._connection.terminate()  # closing it would wait for a database that is away
            self._connection = None

    async def _connect(self) -> "asyncpg.Connection | None":
        """Return a connection that holds the lock; None if another one does."""
        connection = await connect(self._settings, service=self._service)
        try:
            is_acquired = await connection.fetchval(
                load_query("runtime", "try_advisory_lock"), self._name
            )
        except AWAY_ERRORS as error:
            connection.terminate()
            raise TransientError(f"PostgreSQL is away: {error!r}") from error
        if is_acquired:
            return connection
        connection.terminate()
        return None
