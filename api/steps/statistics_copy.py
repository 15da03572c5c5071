"""The indexed copy of the statistics of sources, renewed in the background."""

import asyncio
import time
from typing import NoReturn

import asyncpg

from api.metrics import STATISTICS_COPY_SECONDS
from api.storage.database import Database
from runtime.errors import TransientError
from runtime.logging import get_logger
from runtime.postgres import UNAVAILABLE_ERRORS

__all__ = ["StatisticsCopy"]

_BATCH = 10_000
# Comparing the tables takes at most a twentieth of the time.
_PAUSE_FACTOR = 20
_RETRY_S = 5.0
_ERRORS = (TransientError, *UNAVAILABLE_ERRORS, asyncpg.PostgresError)


class StatisticsCopy:
    """Renews ``source_statistics`` when it is old; of several processes one does.

    Parameters
    ----------
    database : Database
        Holds the catalogue.
    interval_s : float
        Age at which the copy is renewed [s]; later where that would take more than a twentieth
        of the time.
    """

    def __init__(self, database: Database, interval_s: float) -> None:
        self._database = database
        self._interval_s = interval_s

    async def run(self) -> NoReturn:
        """Renew the copy for ever."""
        while True:
            try:
                pause_s = await self.renew()
            except _ERRORS as error:
                get_logger().debug("statistics_not_copied", error=repr(error))
                pause_s = _RETRY_S
            await asyncio.sleep(pause_s)

    async def renew(self, *, interval_s: float | None = None) -> float:
        """Copy what changed, in batches, if the copy is old; return how long to wait [s]."""
        wanted_s = self._interval_s if interval_s is None else interval_s
        n_copied: int | None = _BATCH
        while n_copied == _BATCH:
            started_s = time.monotonic()
            n_copied = await self._database.refresh_statistics(limit=_BATCH, interval_s=wanted_s)
            took_s = time.monotonic() - started_s
            if n_copied == _BATCH:
                await asyncio.sleep(took_s)
        if n_copied is not None:
            STATISTICS_COPY_SECONDS.set(took_s)
        return max(self._interval_s, _PAUSE_FACTOR * took_s)
