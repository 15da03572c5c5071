"""The pools of connections to PostgreSQL, opened as soon as it is available."""

import asyncio
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from urllib.parse import urlencode

import asyncpg
from pydantic import SecretStr

from api.metrics import DATABASE_UP
from api.storage.lending import lend
from runtime.errors import FatalError, TransientError
from runtime.logging import get_logger
from runtime.postgres import OldSchemaError, create_pool
from runtime.settings import PostgresSettings

__all__ = ["Pools"]

_RETRY_S = 1.0
_WAIT_S = 15.0
_EXPENSIVE_WAIT_S = 10.0
_STATEMENT_TIMEOUT_MS = 10_000

Lent = AbstractAsyncContextManager[asyncpg.pool.PoolConnectionProxy]


class Pools:
    """One pool for reads, one for what is written or must be current, one for exports and lists.

    Where there is no replica, the first two are the same.

    Parameters
    ----------
    settings : PostgresSettings
        Addresses and pool size.
    n_expensive : int
        Connections of the pool for expensive questions.
    """

    def __init__(self, settings: PostgresSettings, *, n_expensive: int) -> None:
        self._settings = settings
        self._n_expensive = n_expensive
        self._reads: asyncpg.Pool | None = None
        self._current: asyncpg.Pool | None = None
        self._expensive: asyncpg.Pool | None = None
        self._reason = "no connection to PostgreSQL yet"  # why there is no pool

    @property
    def are_open(self) -> bool:
        """Whether PostgreSQL was available."""
        return self._reads is not None

    async def open(self) -> None:
        """Open the pools; try until it works."""
        reason = ""
        while not self.are_open:
            try:
                await self._open_all()
            except (TransientError, FatalError) as error:
                if isinstance(error, OldSchemaError):
                    self._reason = str(error)
                if str(error) != reason:
                    reason = str(error)
                    get_logger().warning("dependency_unavailable", reason=reason)
                await asyncio.sleep(_RETRY_S)
        if reason:
            get_logger().info("dependency_recovered")

    async def _open_all(self) -> None:
        """Open all pools, or none."""
        read_url = self._settings.read_url
        reads = self._settings.model_copy(update={"url": read_url} if read_url else {})
        expensive = reads.model_copy(update={"pool_size": self._n_expensive})
        async with AsyncExitStack() as opened:

            async def open_pool(settings: PostgresSettings, **session: str) -> asyncpg.Pool:
                pool = await create_pool(_to_read_only(settings, **session), service="api")
                opened.callback(pool.terminate)
                return pool

            expensive_pool = await open_pool(expensive, plan_cache_mode="force_custom_plan")
            pool = await open_pool(reads)
            current_pool = await open_pool(self._settings) if read_url else pool
            opened.pop_all()  # they stay open from here on
        self._expensive, self._current, self._reads = expensive_pool, current_pool, pool

    def terminate(self) -> None:
        """Close the connections."""
        for pool in {self._reads, self._current, self._expensive}:
            if pool is not None:
                pool.terminate()

    def require_open(self) -> None:
        """Raise if the pools are not open.

        Raises
        ------
        TransientError
            With the reason.
        """
        _ = self._opened(self._reads)

    def lend(self, *, is_current: bool) -> Lent:
        """Lend a connection.

        Parameters
        ----------
        is_current : bool
            Whether it must be one to the database itself, not to a replica.

        Raises
        ------
        BusyError
            As of `api.storage.lending.lend`.
        TransientError
            If the pools are not open, and as of `lend`.
        """
        return lend(self._opened(self._current if is_current else self._reads), wait_s=_WAIT_S)

    def lend_expensive(self) -> Lent:
        """Lend a connection for a question that may take seconds; raises as `lend` does."""
        return lend(
            self._opened(self._expensive),
            wait_s=_EXPENSIVE_WAIT_S,
            questions="expensive questions (exports, lists)",
        )

    def _opened(self, pool: asyncpg.Pool | None) -> asyncpg.Pool:
        if pool is None:
            DATABASE_UP.set(0)
            raise TransientError(self._reason)
        return pool


def _to_read_only(settings: PostgresSettings, **session: str) -> PostgresSettings:
    """Return settings whose sessions are read-only, cancel long queries, and have `session`."""
    url = settings.url.get_secret_value()
    limits = {
        "default_transaction_read_only": "on",
        "statement_timeout": str(_STATEMENT_TIMEOUT_MS),
        **session,
    }
    separator = "&" if "?" in url else "?"
    return settings.model_copy(update={"url": SecretStr(f"{url}{separator}{urlencode(limits)}")})
