"""Table `submission`: VOEvents of other authors, stored before they are acknowledged."""

import hashlib
from collections.abc import Sequence
from datetime import timedelta

import asyncpg

from runtime.postgres import lend_connection
from runtime.sql import load_query
from services.alert.models import Submission

__all__ = ["SubmissionStore"]

_PACKAGE = "services.alert"
_LIMIT = 1000


class SubmissionStore:
    """The submissions of one database.

    Every call raises `TransientError` if the database is away.

    Parameters
    ----------
    pool : asyncpg.Pool
        Connections; closed by the caller.
    """

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def add(self, ivorn: str, packet: bytes, peer: str) -> Submission | None:
        """Store a VOEvent; None if its ivorn is here already.

        Parameters
        ----------
        ivorn : str
            Its name.
        packet : bytes
            As it came.
        peer : str
            Address that it came from.
        """
        sha256 = hashlib.sha256(packet).hexdigest()
        async with lend_connection(self._pool) as connection:
            identity = await connection.fetchval(
                load_query(_PACKAGE, "insert_submission"), ivorn, packet, sha256, peer
            )
        return None if identity is None else Submission(identity, ivorn, packet)

    async def list_unrelayed(self, least_age: timedelta) -> list[Submission]:
        """Return what nobody handed to the subscribers since so long, oldest first."""
        async with lend_connection(self._pool) as connection:
            rows = await connection.fetch(
                load_query(_PACKAGE, "list_unrelayed"), least_age, _LIMIT
            )
        return [Submission(**row) for row in rows]

    async def mark_relayed(self, ids: Sequence[int]) -> None:
        """Note that submissions were handed to the subscribers."""
        async with lend_connection(self._pool) as connection:
            await connection.execute(load_query(_PACKAGE, "mark_relayed"), list(ids))

    async def delete_older(self, longest: timedelta) -> None:
        """Delete what is older, in short transactions."""
        done = f"DELETE {_LIMIT}"
        while done == f"DELETE {_LIMIT}":
            async with lend_connection(self._pool) as connection:
                done = await connection.execute(
                    load_query(_PACKAGE, "delete_old_submissions"), longest, _LIMIT
                )
