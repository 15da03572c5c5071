"""Tables `stamp` and `stamp_file`, read: the pixels of what alerts announced."""

from collections.abc import Sequence

import asyncpg

from runtime.postgres import lend_connection
from runtime.sql import Queries
from schemas.identity import stamp_id
from services.distribute.models import StoredStamp

__all__ = ["StampStore"]

_QUERIES = Queries("services.distribute")
_ROLES = ("now", "before")


class StampStore:
    """The stamps of one database.

    Parameters
    ----------
    pool : asyncpg.Pool
        Connections; closed by the caller.
    """

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def read(self, trig_ids: Sequence[str]) -> list[StoredStamp]:
        """Return the stamps of families of alerts that were asked for, in any order.

        Raises
        ------
        TransientError
            If the database is away.
        """
        wanted = [stamp_id(each, role) for each in trig_ids for role in _ROLES]
        async with lend_connection(self._pool) as connection:
            rows = await _QUERIES.fetch(connection, "select_alert_stamps", stamp_id=wanted)
        return [StoredStamp(**row) for row in rows]
