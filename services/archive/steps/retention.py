"""What the archive deletes: by age, then beyond its size, oldest first, never with an alert."""

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from runtime.image_store import ImageStore
from runtime.logging import get_logger
from services.archive.metrics import DELETED, STORED_BYTES
from services.archive.models import ExpiredFile

__all__ = ["ArchiveRetention", "ExpiringRows"]

# Files of one look: less than a second in a folder, one request to S3.
_MOST_FILES = 500
_FORGET_EVERY_S = 3600.0


class ExpiringRows(Protocol):
    """The rows of images that retention needs; every method raises `TransientError`."""

    def count_bytes(self) -> int:
        """Return the size of all files [byte]."""
        ...

    def list_expired(
        self, *, keep_days: float | None, excess_bytes: int, limit: int
    ) -> Sequence[ExpiredFile]:
        """Return files to delete, oldest first; note those that an alert keeps."""
        ...

    def mark_gone(self, files: Sequence[ExpiredFile]) -> None:
        """Note that files are gone, since now."""
        ...

    def forget(self) -> None:
        """Delete the rows of files that are gone, of images that nobody knows any more."""
        ...


class ArchiveRetention:
    """Deletes files, some at a time: the file first, then its row says since when it is gone.

    Parameters
    ----------
    store : ImageStore
        Where files are.
    rows : ExpiringRows
        What is there.
    keep_days : float or None
        Age at which a file is deleted [d]; None: any age.
    max_bytes : int or None
        Size of the archive [byte]; None: any.
    every_s : float
        Time between two looks [s].
    clock : callable
        Returns the time [s].
    """

    def __init__(
        self,
        store: ImageStore,
        rows: ExpiringRows,
        *,
        keep_days: float | None,
        max_bytes: int | None,
        every_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._rows = rows
        self._keep_days = keep_days
        self._max_bytes = max_bytes
        self._every_s = every_s
        self._clock = clock
        self._next_s = self._next_forget_s = clock()

    def delete_if_due(self) -> None:
        """Delete what is due, at most 500 files; return soon. More follow at the next call.

        Raises
        ------
        TransientError
            If the store or the database is away; what is deleted is noted at the next call.
        """
        now_s = self._clock()
        if now_s < self._next_s:
            return
        n_bytes = self._rows.count_bytes()
        STORED_BYTES.set(n_bytes)
        excess = 0 if self._max_bytes is None else max(0, n_bytes - self._max_bytes)
        files = self._rows.list_expired(
            keep_days=self._keep_days, excess_bytes=excess, limit=_MOST_FILES
        )
        if files:
            self._store.delete([each.name for each in files])
            self._rows.mark_gone(files)
            for each in files:
                DELETED.labels(each.reason.value).inc()
            get_logger().info("archived_images_deleted", n_images=len(files))
        if now_s >= self._next_forget_s:
            self._rows.forget()
            self._next_forget_s = now_s + _FORGET_EVERY_S
        # Whoever has deleted something may have left more.
        self._next_s = now_s if files else now_s + self._every_s
