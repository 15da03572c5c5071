"""A lock in PostgreSQL that one process of a database holds while the others wait."""

import asyncio
import select
import time
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn, cast

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
# What a holder was allowed to send must be refused after this time: before the lock is free, and
# before the next holder has waited for it after a restart of the server.
FENCE_S = 6.0
_QUERY_TIMEOUT_S = 5.0
_GIVE_BACK_S = 1.0
# The server counts the end of a session after its locks are free.
_COUNTED_S = 0.05
# The other side has closed the connection, whether this process has read that or not (Linux).
_ENDED = getattr(select, "POLLRDHUP", 0) | select.POLLHUP | select.POLLERR


class AdvisoryLock:
    """A lease: held as long as a connection of its own is open, and used every few seconds.

    A process that is stopped or hangs does not use its connection; the server ends it, another
    process can have the lock, and when the first one goes on it knows that time has passed. It
    also knows that the server has ended the session, as in a restart: its kernel does.

    Parameters
    ----------
    settings : PostgresSettings
        Where the database is.
    name : str
        Name of the lock, such as ``livetrap.alert.lead``.
    service : str
        Shown as ``application_name`` in ``pg_stat_activity``.
    fence_s : float
        Who takes it after another process waits so long after the server, not the process, has
        ended its session [s]: the process may stand still, and what it was allowed to send before
        may arrive for this time.
    """

    def __init__(
        self, settings: PostgresSettings, *, name: str, service: str, fence_s: float = 0.0
    ) -> None:
        self._settings = settings
        self._name = name
        self._service = service
        self._fence_s = fence_s
        self._holder = uuid.uuid4()
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
            and not _is_ended(self._connection)
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
                if self._fence_s:
                    await _QUERIES.execute(
                        connection, "renew_lease", name=self._name, holder=self._holder
                    )
                else:
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

    async def give_back(self) -> None:
        """Let another process have the lock at once: this one sends nothing more."""
        connection = self._connection
        if self._fence_s and connection is not None and self.is_held:
            with suppress(*UNAVAILABLE_ERRORS):
                async with asyncio.timeout(_GIVE_BACK_S):
                    await _QUERIES.execute(
                        connection, "give_lease_back", name=self._name, holder=self._holder
                    )
        self.release()

    async def _connect(self) -> "asyncpg.Connection | None":
        """Return a connection that holds the lock; None if another one does."""
        connection = await connect(self._settings, service=self._service)
        started_s = time.monotonic()
        try:
            is_acquired = await _QUERIES.fetchval(connection, "try_advisory_lock", name=self._name)
            if is_acquired and self._fence_s:
                await self._wait_for_the_holder_before(connection)
                started_s = time.monotonic()
                await _QUERIES.execute(
                    connection, "take_lease", name=self._name, holder=self._holder
                )
        except UNAVAILABLE_ERRORS as error:
            connection.terminate()
            raise TransientError(f"PostgreSQL is unavailable: {error!r}") from error
        if is_acquired:
            self._renewed_s = started_s
            return connection
        connection.terminate()
        return None

    async def _wait_for_the_holder_before(self, connection: "asyncpg.Connection") -> None:
        await asyncio.sleep(_COUNTED_S)
        wait_s = await _QUERIES.fetchval(
            connection, "measure_fence",
            name=self._name, holder=self._holder, fence_s=self._fence_s,
        )  # fmt: skip
        if wait_s:
            await asyncio.sleep(wait_s)


def _is_ended(connection: "asyncpg.Connection") -> bool:
    """Return whether the server has ended a session, also if this process stood still then."""
    transport = cast("Any", connection)._transport  # noqa: SLF001  (nothing else has the socket)
    socket = None if transport is None else transport.get_extra_info("socket")
    if socket is None or socket.fileno() < 0:
        return True
    poll = select.poll()
    poll.register(socket.fileno(), _ENDED)
    return bool(poll.poll(0))
