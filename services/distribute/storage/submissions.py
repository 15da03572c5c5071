"""Table `submission`: VOEvents of other authors, stored before they are acknowledged."""

import hashlib
from collections.abc import Sequence
from datetime import timedelta

import asyncpg

from runtime.postgres import lend_connection
from runtime.sql import Queries
from services.distribute.models import Submission

__all__ = ["SubmissionStore"]

_QUERIES = Queries("services.distribute")
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
        """Store a VOEvent; return None if its ivorn is stored already.

        Parameters
        ----------
        ivorn : str
            Its identifier.
        packet : bytes
            As it was received.
        peer : str
            Address of the author.
        """
        sha256 = hashlib.sha256(packet).hexdigest()
        async with lend_connection(self._pool) as connection:
            identity = await _QUERIES.fetchval(
                connection, "insert_submitted_voevent",
                ivorn=ivorn, packet=packet, sha256=sha256, peer=peer,
            )  # fmt: skip
        return None if identity is None else Submission(identity, ivorn, packet)

    async def list_unrelayed(
        self, *, recent_s: float, abandoned_s: float, done: Sequence[int]
    ) -> list[Submission]:
        """Return what this process has to relay, oldest first.

        Parameters
        ----------
        recent_s : float
            Submissions no older than this: another process may have received them [s].
        abandoned_s : float
            Age of those that no process has relayed, at least [s].
        done : sequence of int
            Rows that this process has relayed.
        """
        async with lend_connection(self._pool) as connection:
            rows = await _QUERIES.fetch(
                connection,
                "list_unrelayed",
                recent_s=recent_s,
                abandoned_s=abandoned_s,
                done=list(done),
                limit=_LIMIT,
            )
        return [Submission(**row) for row in rows]

    async def mark_relayed(self, ids: Sequence[int]) -> None:
        """Record that submissions were given to the subscribers."""
        async with lend_connection(self._pool) as connection:
            await _QUERIES.execute(connection, "mark_relayed", id=list(ids))

    async def delete_older(self, max_age: timedelta) -> None:
        """Delete what is older, in short transactions."""
        done = f"DELETE {_LIMIT}"
        while done == f"DELETE {_LIMIT}":
            async with lend_connection(self._pool) as connection:
                done = await _QUERIES.execute(
                    connection, "delete_old_submissions", max_age=max_age, limit=_LIMIT
                )
