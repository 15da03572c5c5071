"""Pixels in a file without a name: written round and round, gone with the process."""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

__all__ = ["PixelFile", "Span"]

Pixels = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Span:
    """Part of the file that a write has taken, with what it has passed over at the end.

    Parameters
    ----------
    start, stop : int
        First byte, and the one after the last.
    skipped_from : int or None
        All bytes from this one on were skipped; None: none were.
    """

    start: int
    stop: int
    skipped_from: int | None = None

    def overwrites(self, start: int) -> bool:
        """Return whether the oldest pixels, which begin at `start`, are gone."""
        is_skipped = self.skipped_from is not None and start >= self.skipped_from
        return is_skipped or self.start <= start < self.stop


class PixelFile:
    """A file of a fixed largest size, whose oldest pixels are overwritten.

    It has no name: the system frees it when the process ends, however that ends.

    Parameters
    ----------
    folder : Path
        On the disk to use; created if missing.
    max_bytes : int
        Largest size of the file.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._file: int | None = None
        self._next = 0

    def write(self, pixels: Pixels) -> Span | None:
        """Write the pixels of an image; return where, None if the file can never hold them.

        Parameters
        ----------
        pixels : (ny, nx) float32
            C-contiguous.

        Raises
        ------
        OSError
            If the disk is full, or the folder cannot be written.
        """
        if pixels.nbytes > self._max_bytes:
            return None
        start, skipped_from = self._next, None
        if start + pixels.nbytes > self._max_bytes:
            start, skipped_from = 0, self._next
        data = pixels.data.cast("B")
        n_written = 0
        while n_written < pixels.nbytes:
            n_written += os.pwrite(self._open(), data[n_written:], start + n_written)
        self._next = start + pixels.nbytes
        return Span(start, self._next, skipped_from)

    def read(self, start: int, shape: tuple[int, ...]) -> Pixels:
        """Return pixels that were written at `start` and not overwritten since.

        Raises
        ------
        OSError
            If the disk fails.
        """
        pixels = np.empty(shape, np.float32)
        data = pixels.data.cast("B")
        n_read = 0
        while n_read < pixels.nbytes:
            n = os.preadv(self._open(), [data[n_read:]], start + n_read)
            if n == 0:
                raise OSError(f"the file of pixels ends before byte {start + pixels.nbytes}")
            n_read += n
        return pixels

    def _open(self) -> int:
        if self._file is None:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self._folder) as file:
                self._file = os.dup(file.fileno())
        return self._file
