"""One process of a database sends alerts; another waits to take over."""

from typing import TYPE_CHECKING

from runtime.errors import FatalError, TransientError
from runtime.postgres import AWAY_ERRORS, connect
from runtime.settings import PostgresSettings
from runtime.sql import load_query

if TYPE_CHECKING:
    import asyncpg

__all__ = ["Leadership"]


class Leadership:
    """A lock that PostgreSQL holds for as long as a connection of ours lives.

    Parameters
    ----------
    settings : PostgresSettings
        Where the database is.
    """

    def __init__(self, settings: PostgresSettings) -> None:
        self._settings = settings
        self._connection: asyncpg.Connection | None = None
        self._has_led = False

    async def ensure(self) -> None:
        """Return when this process leads; costs nothing while it does.

        Raises
        ------
        TransientError
            If another process leads, or the database is away.
        FatalError
            If another process has taken over meanwhile: our events are its own now.
        """
        if self._connection is not None and not self._connection.is_closed():
            return
        connection = await connect(self._settings, service="alert")
        try:
            leads = await connection.fetchval(load_query("services.alert", "try_to_lead"))
        except AWAY_ERRORS as error:
            connection.terminate()
            raise TransientError(f"PostgreSQL is away: {error!r}") from error
        if leads:
            self._connection, self._has_led = connection, True
            return
        connection.terminate()
        if self._has_led:
            raise FatalError("another alert process has taken over")
        raise TransientError(
            "another process sends the alerts of this database; this one stands by"
        )

    def give_up(self) -> None:
        """Let another process lead."""
        if self._connection is not None:
            self._connection.terminate()  # a polite end would wait for a database that is away
            self._connection = None
