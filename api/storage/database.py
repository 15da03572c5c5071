"""Questions to PostgreSQL: read-only queries by their names, and the few writes."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, NoReturn, cast

import asyncpg

from api.metrics import REPLICA_LAG
from api.storage.budget import ClientBudget
from api.storage.notifications import listen
from api.storage.pools import Pools
from api.storage.replica_lag import ReplicaLag
from runtime.errors import TransientError
from runtime.logging import get_logger
from runtime.postgres import UNAVAILABLE_ERRORS
from runtime.settings import ApiSettings, PostgresSettings
from runtime.sql import load_statement

__all__ = ["Database", "Fetch"]

Rows = Sequence[Mapping[str, Any]]
Fetch = Callable[[str, Mapping[str, object]], Awaitable[Rows]]

_PACKAGE = "api"
_TIMEOUT_S = 15.0
_CHUNK_ROWS = 1000
_EXPENSIVE_WAIT_S = 10.0
# Of one client: a page of the web loads a few lists at once.
_WAITING_OF_A_CLIENT = 8
_REFRESH_TIMEOUT_S = 60.0
_LAG_INTERVAL_S = 1.0
# What must not be late: they follow a notification or a write of the same client.
_CURRENT = frozenset(
    {
        "get_last_alert_id",
        "get_tap_chunk",
        "get_tap_job",
        "get_tap_work",
        "get_token",
        "list_alerts_after",
        "list_monitors",
        "list_wanted_alerts_after",
    }
)


class Database:
    """Queries, from when PostgreSQL is available on; before, they raise `TransientError`.

    Expensive questions (exports, lists by a statistic) have connections of their own, so that
    all others find one. Where there is a replica, reads go there; what is written, or
    must be current, goes to the database itself.

    Parameters
    ----------
    settings : PostgresSettings
        Address and pool size.
    api : ApiSettings
        How many expensive questions may run, in all and for one client.
    """

    def __init__(self, settings: PostgresSettings, api: ApiSettings) -> None:
        self._settings = settings
        self._pools = Pools(settings, n_expensive=api.expensive_pool_size)
        self._replica_lag = ReplicaLag()
        self._budget = ClientBudget(
            running=api.max_expensive_per_host,
            waiting=_WAITING_OF_A_CLIENT,
            wait_s=_EXPENSIVE_WAIT_S,
        )

    async def connect(self) -> None:
        """Open the connections, try until it works; then watch the replica, if there is one."""
        await self._pools.open()
        if self._settings.read_url:
            await self._watch_replica()

    @property
    def replica_lag_s(self) -> float:
        """How far the replica is behind; 0 without one [s]."""
        return self._replica_lag.get_lag_s(time.monotonic())

    async def _watch_replica(self) -> NoReturn:
        """Compare the replica with the database every second, until cancelled."""
        while True:
            try:
                async with self._pools.lend(is_current=True) as connection:
                    [written] = await _fetch(connection, "get_written_position", {})
                self._replica_lag.note_written(written["position"], time.monotonic())
                async with self._pools.lend(is_current=False) as connection:
                    [replayed] = await _fetch(connection, "get_replayed_position", {})
                self._replica_lag.note_replayed(replayed["position"])
            except (TransientError, *UNAVAILABLE_ERRORS) as error:
                get_logger().debug("replica_not_compared", error=repr(error))
            REPLICA_LAG.set(self.replica_lag_s)
            await asyncio.sleep(_LAG_INTERVAL_S)

    async def aclose(self) -> None:
        """Close the connections."""
        self._pools.terminate()

    @asynccontextmanager
    async def lend(self) -> AsyncIterator[asyncpg.pool.PoolConnectionProxy]:
        """Lend a connection for questions that `runtime` asks for all processes.

        Raises
        ------
        TransientError
            As of `fetch`.
        """
        lent = self._pools.lend(is_current=False)
        async with lent as connection, asyncio.timeout(_TIMEOUT_S):
            yield connection

    async def fetch(self, query: str, **parameters: object) -> Sequence[Mapping[str, Any]]:
        """Return the rows of a query.

        Parameters
        ----------
        query : str
            Name of a file of ``api/queries``.
        **parameters : object
            Its parameters, by the names in its header; one left out is null.

        Raises
        ------
        TransientError
            If there is no connection yet; asyncpg's own errors if it was lost.
        """
        async with self._pools.lend(is_current=query in _CURRENT) as connection:
            return await _fetch(connection, query, parameters)

    async def fetch_expensive(
        self, query: str, *, client: str, **parameters: object
    ) -> Sequence[Mapping[str, Any]]:
        """Return the rows of a query that may take seconds, planned for its parameters.

        Parameters
        ----------
        query : str
            As of `fetch`.
        client : str
            Address of who asks: each has a budget.
        **parameters : object
            As of `fetch`.

        Raises
        ------
        ProblemError
            503 if too many are running.
        TransientError
            As of `fetch`.
        """
        async with self.expensive_connection(client) as connection:
            return await _fetch(connection, query, parameters)

    async def write(
        self, query: str, *, actor: str | None, **parameters: object
    ) -> Sequence[Mapping[str, Any]]:
        """Run a statement that changes rows; return what it returns.

        Parameters
        ----------
        query : str
            As of `fetch`.
        actor : str or None
            Who asks for it, for the audit; None for what nobody asked for.
        **parameters : object
            As of `fetch`.

        Raises
        ------
        TransientError
            As of `fetch`.
        """
        async with self.writing(actor) as fetch:
            return await fetch(query, parameters)

    async def write_in_turn(
        self, turn: str, query: str, *, actor: str | None, **parameters: object
    ) -> Sequence[Mapping[str, Any]]:
        """Run a statement that counts before it writes; return what it returns.

        Parameters
        ----------
        turn : str
            What it counts, and whose: statements of one turn wait for one another, in all
            processes, so that each counts all that those before it wrote.
        query : str
            As of `fetch`.
        actor : str or None
            As of `write`.
        **parameters : object
            As of `fetch`.

        Raises
        ------
        TransientError
            As of `fetch`.
        """
        async with self.writing(actor) as fetch:
            await fetch("take_turn", {"turn": turn})
            return await fetch(query, parameters)

    @asynccontextmanager
    async def writing(self, actor: str | None) -> AsyncIterator[Fetch]:
        """Run statements in one transaction that may change rows.

        Parameters
        ----------
        actor : str or None
            As of `write`.

        Yields
        ------
        callable
            Returns the rows of a statement by its name, given its parameters.
        """
        lent = self._pools.lend(is_current=True)
        async with lent as connection, connection.transaction():
            await connection.execute("set transaction read write")
            if actor is not None:
                await _fetch(connection, "set_actor", {"actor": actor})
            yield partial(_fetch, connection)

    async def refresh_statistics(self, *, limit: int, interval_s: float) -> int | None:
        """Copy the statistics of sources that changed into ``source_statistics``.

        Parameters
        ----------
        limit : int
            Most sources of one call.
        interval_s : float
            Nothing is done if the copy is younger [s].

        Returns
        -------
        int or None
            Sources that were copied; the copy is complete if they are fewer than `limit`. None if
            it is not due, or another process makes it.
        """
        lent = self._pools.lend(is_current=True)
        async with lent as connection, connection.transaction():
            await connection.execute("set transaction read write")
            await connection.execute(f"set local statement_timeout = '{_REFRESH_TIMEOUT_S:.0f}s'")
            due = await _fetch(connection, "lock_statistics_refresh", {"interval_s": interval_s})
            if not due or not due[0]["is_due"]:
                return None
            (copied,) = await _fetch(
                connection,
                "refresh_source_statistics",
                {"limit": limit},
                timeout_s=_REFRESH_TIMEOUT_S,
            )
            if copied["n_sources"] < limit:
                await _fetch(connection, "upsert_statistics_refresh", {})
            return int(copied["n_sources"])

    async def stream(
        self,
        query: str,
        *,
        client: str,
        columns: Sequence[str] | None = None,
        **parameters: object,
    ) -> AsyncGenerator[Sequence[Mapping[str, Any]], None]:
        """Return the rows of a query, a thousand at a time through a server-side cursor.

        They are those of one moment, however long it takes to read them.

        Parameters
        ----------
        query : str
            As of `fetch`.
        client : str
            As of `fetch_expensive`.
        columns : sequence of str or None
            Those that are needed; None: all.
        **parameters : object
            As of `fetch`.

        Yields
        ------
        sequence of mappings
            Rows.

        Raises
        ------
        ProblemError
            503 if too many are running.
        TransientError
            As of `fetch`.
        """
        statement = load_statement(_PACKAGE, query)
        if columns is not None:
            statement = statement.narrowed(columns)
        arguments = statement.to_arguments(parameters, missing_is_null=True)
        async with self.expensive_connection(client) as connection, connection.transaction():
            cursor = await connection.cursor(statement.text, *arguments, timeout=_TIMEOUT_S)
            while rows := await cursor.fetch(_CHUNK_ROWS, timeout=_TIMEOUT_S):
                yield cast("Sequence[Mapping[str, Any]]", rows)  # as mappings, but not by type

    @asynccontextmanager
    async def expensive_connection(
        self, client: str
    ) -> AsyncIterator[asyncpg.pool.PoolConnectionProxy]:
        """Lend a connection for a question that may take seconds.

        Parameters
        ----------
        client : str
            As of `fetch_expensive`.

        Raises
        ------
        ProblemError
            503 if too many are running.
        TransientError
            If there is no connection yet.
        """
        async with self._budget.turn(client), self._pools.lend_expensive() as connection:
            yield connection

    @asynccontextmanager
    async def own_connection(self) -> AsyncIterator[asyncpg.Connection]:
        """Open a read-only connection for a question that may take minutes.

        Raises
        ------
        TransientError
            If there is no connection yet.
        """
        self._pools.require_open()
        url = self._settings.read_url or self._settings.url
        connection = await asyncpg.connect(
            url.get_secret_value(),
            server_settings={
                "application_name": "livetrap-api-job",
                "default_transaction_read_only": "on",
                "plan_cache_mode": "force_custom_plan",
            },
            timeout=_TIMEOUT_S,
        )
        try:
            yield connection
        finally:
            connection.terminate()

    async def listen(self, channel: str, notified: asyncio.Event) -> None:
        """Set `notified` at every notification; runs for ever and reconnects when needed."""
        await listen(self._settings.url.get_secret_value(), channel, notified)


async def _fetch(
    connection: asyncpg.pool.PoolConnectionProxy,
    query: str,
    parameters: Mapping[str, object],
    *,
    timeout_s: float = _TIMEOUT_S,
) -> list[dict[str, Any]]:
    statement = load_statement(_PACKAGE, query)
    arguments = statement.to_arguments(parameters, missing_is_null=True)
    rows = await connection.fetch(statement.text, *arguments, timeout=timeout_s)
    return [dict(row) for row in rows]
