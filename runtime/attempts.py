"""Record on disk which message a process handles, to find one that crashes or hangs it."""

import os
import re
import struct
import tempfile
from pathlib import Path

from runtime.kafka import InMessage
from runtime.logging import get_logger

__all__ = ["AttemptLog", "state_dir"]

# Offset of a message and how many processes have begun it; offset -1 ends the list.
_RECORD = struct.Struct("<qq")
_NONE = _RECORD.pack(-1, 0)
_MOST_MESSAGES = 255


def state_dir() -> Path:
    """Return the folder for these records: ``LIVETRAP_STATE_DIR`` or a temporary one.

    It must survive a restart of the process, not one of the machine.
    """
    path = os.environ.get("LIVETRAP_STATE_DIR")
    if path:
        return Path(path).expanduser().absolute()
    return Path(tempfile.gettempdir()) / f"livetrap-{os.geteuid()}"


class AttemptLog:
    """Counts the processes that ended while they handled a message.

    The count is written before the message is handled, to the page cache: that outlives SIGKILL,
    SIGSEGV and an out-of-memory kill, and costs some microseconds. Where the folder cannot be
    written nothing is counted, and a warning is logged.

    Parameters
    ----------
    folder : Path
        Shared by all processes of the group on this machine.
    group : str
        Consumer group; names the files.
    """

    def __init__(self, folder: Path, *, group: str) -> None:
        self._folder = folder
        self._group = group
        self._files: dict[tuple[str, int], int] = {}

    def begin(self, *messages: InMessage) -> int:
        """Record the start of messages; return how many processes ended while they handled one."""
        n_ended = self.n_ended(*messages)
        for message in messages:
            self._change(message, self.n_ended(message) + 1)
        return n_ended

    def n_ended(self, *messages: InMessage) -> int:
        """Return how many processes ended while they handled these messages: the most of any."""
        return max(
            self._read(self._file(each.topic, each.partition)).get(each.offset, 0)
            for each in messages
        )

    def end(self, *messages: InMessage) -> None:
        """Record that messages are not handled now: they have a result, or will be repeated."""
        for message in messages:
            self._change(message, 0)

    def close(self) -> None:
        """Close the files."""
        for file in self._files.values():
            if file >= 0:
                os.close(file)
        self._files.clear()

    def _change(self, message: InMessage, n_begun: int) -> None:
        file = self._file(message.topic, message.partition)
        if file < 0:
            return
        counts = self._read(file)
        counts.pop(message.offset, None)
        if n_begun:
            counts[message.offset] = n_begun
        newest = sorted(counts.items())[-_MOST_MESSAGES:]
        self._write(file, b"".join(_RECORD.pack(*each) for each in newest) + _NONE)

    @staticmethod
    def _read(file: int) -> dict[int, int]:
        """Return the counts by offset."""
        data = os.pread(file, (_MOST_MESSAGES + 1) * _RECORD.size, 0) if file >= 0 else b""
        counts: dict[int, int] = {}
        for offset, n_begun in _RECORD.iter_unpack(data[: len(data) // 16 * 16]):
            if offset < 0:
                break
            counts[offset] = n_begun
        return counts

    def _write(self, file: int, record: bytes) -> None:
        try:
            os.pwrite(file, record, 0)
        except OSError as error:  # a full disk: the file has its bytes already, so this is rare
            get_logger().warning("attempt_not_recorded", error=str(error))

    def _file(self, topic: str, partition: int) -> int:
        key = (topic, partition)
        if key not in self._files:
            name = re.sub(r"[^A-Za-z0-9._-]", "_", f"{self._group}.{topic}.{partition}.attempt")
            self._files[key] = self._open(self._folder / name)
        return self._files[key]

    def _open(self, path: Path) -> int:
        """Return a file descriptor; -1 where the folder cannot be used."""
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            get_logger().warning(
                "attempts_not_recorded", folder=str(path.parent), error=str(error),
                hint="set LIVETRAP_STATE_DIR to a folder that this process may write",
            )  # fmt: skip
            return -1
