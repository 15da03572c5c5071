"""A rotating log file that drops what the disk cannot take, and counts it."""

import json
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

__all__ = ["LossyLogFile"]


class LossyLogFile:
    """A log file whose writes never raise.

    While nothing can be written (a full disk, a folder that is gone), lines are dropped; the
    first line that can be written again is preceded by one with their number.

    Parameters
    ----------
    path : Path
        Of the file; older ones get ``.1``, ``.2``, ... after its name.
    max_bytes : int
        Size at which a new file is begun [bytes].
    backups : int
        Number of older files that are kept.
    """

    def __init__(self, path: Path, *, max_bytes: int, backups: int) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._backups = backups
        self._file: BinaryIO | None = None
        self._dropped_since_write = 0
        self.lines_dropped = 0

    def write(self, data: bytes) -> None:
        """Append bytes, or count their lines as dropped."""
        try:
            file = self._open()
            if self._dropped_since_write:
                self._append(file, self._gap())
                self._dropped_since_write = 0
            self._append(file, data)
        except OSError:
            self.close()
            n_lines = max(data.count(b"\n"), 1)
            self._dropped_since_write += n_lines
            self.lines_dropped += n_lines

    def close(self) -> None:
        """Close the file; the next write opens it again."""
        if self._file is not None:
            with suppress(OSError):  # some network file systems report a full disk here
                self._file.close()
            self._file = None

    def _open(self) -> BinaryIO:
        """Return the file, a new one if it has grown too long."""
        if self._file is not None and self._file.tell() >= self._max_bytes:
            self.close()
            with suppress(OSError):  # rather a long file than none
                self._rotate()
        if self._file is None:
            # Without a buffer: what a full disk refuses is not tried again at the next line.
            self._file = self._path.open("ab", buffering=0)
        return self._file

    def _append(self, file: BinaryIO, data: bytes) -> None:
        written = file.write(data)
        if written < len(data):
            raise OSError(f"{self._path}: only {written} of {len(data)} bytes were written")

    def _rotate(self) -> None:
        for number in range(self._backups - 1, -1, -1):
            source = self._numbered(number)
            if source.exists():
                source.replace(self._numbered(number + 1))

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}") if number else self._path

    def _gap(self) -> bytes:
        """Return the line that stands for the dropped ones; the last may have been cut short."""
        event = {
            "event": "log_lines_dropped",
            "level": "warning",
            "n_lines": self._dropped_since_write,
            "timestamp": datetime.now(UTC).isoformat(),
        }
        return f"\n{json.dumps(event)}\n".encode()
