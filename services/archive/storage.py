"""Table `archived_image`, called from a process without an event loop of its own."""

import asyncio
from collections.abc import Sequence

import asyncpg

from runtime.postgres import lend_connection
from runtime.sql import Queries
from schemas.messages import ImageDetections
from schemas.reasons import ArchiveReason
from services.archive.models import ExpiredFile

__all__ = ["ArchivedImages"]

_QUERIES = Queries("services.archive")


class ArchivedImages:
    """Which images the archive has; every method raises `TransientError` if the database is away.

    Parameters
    ----------
    pool : asyncpg.Pool
        Closed by the caller.
    runner : asyncio.Runner
        That of the pool.
    """

    def __init__(self, pool: asyncpg.Pool, runner: asyncio.Runner) -> None:
        self._pool = pool
        self._runner = runner

    def is_known(self, image_id: str) -> bool:
        """Return whether an image is, or was, in the archive."""
        return bool(self._run("find_archived", image_id=image_id)[0]["is_known"])

    def add(self, record: ImageDetections, name: str, n_bytes: int) -> None:
        """Note that a file is there."""
        self._run("insert_archived", **_of(record), name=name, n_bytes=n_bytes)

    def add_missing(self, record: ImageDetections, reason: str) -> None:
        """Note that an image was not archived."""
        self._run("insert_missing", **_of(record), gone_reason=reason)

    def count_bytes(self) -> int:
        """Return the size of all files [byte]."""
        return int(self._run("count_bytes")[0]["n_bytes"])

    def list_expired(
        self, *, keep_days: float | None, excess_bytes: int, limit: int
    ) -> list[ExpiredFile]:
        """Return files to delete, oldest first; note those that an alert keeps."""
        rows = self._run(
            "list_expired", keep_days=keep_days, excess_bytes=excess_bytes, limit=limit
        )
        return [
            ExpiredFile(
                row["image_id"],
                row["name"],
                ArchiveReason.TOO_OLD if row["is_expired"] else ArchiveReason.NO_ROOM,
            )
            for row in rows
        ]

    def mark_gone(self, files: Sequence[ExpiredFile]) -> None:
        """Note that files are gone, since now."""
        self._run(
            "mark_gone",
            image_id=[each.image_id for each in files],
            gone_reason=[each.reason.value for each in files],
        )

    def forget(self) -> None:
        """Delete the rows of files that are gone, of images that nobody knows any more."""
        self._run("forget_gone")

    def _run(self, query: str, **values: object) -> list[asyncpg.Record]:
        return self._runner.run(self._fetch(query, **values))

    async def _fetch(self, query: str, **values: object) -> list[asyncpg.Record]:
        async with lend_connection(self._pool) as connection:
            return await _QUERIES.fetch(connection, query, **values)


def _of(record: ImageDetections) -> dict[str, object]:
    start = record.metadata.time_start if record.metadata is not None else None
    return {"image_id": record.image_id, "stream": record.stream, "time_start": start}
