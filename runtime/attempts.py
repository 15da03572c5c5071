"""Record on disk which message a process handles, to find one that crashes or hangs it."""

import os
import re
import struct
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
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


@dataclass(slots=True)
class _Contents:
    """The messages in flight of a partition by offset, and the bytes of its file."""

    n_ended: dict[int, int] = field(default_factory=dict)
    working: bytes = _NONE
    waiting: bytes = _NONE

    def pack(self, counts: dict[int, int]) -> None:
        """Write the bytes, from the counts of all messages of the partition."""
        self.waiting = _pack(counts | self.n_ended)
        self.working = _pack(counts | {at: n + 1 for at, n in self.n_ended.items()})


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
        # What the files say while this process works at these messages, and while it waits.
        self._in_flight: dict[tuple[str, int], _Contents] = {}

    def beside(self, step: str) -> "AttemptLog":
        """Return the log of another step of the same messages."""
        return AttemptLog(self._folder, group=f"{self._group}-{step}")

    def begin(self, *messages: InMessage) -> int:
        """Record the start of messages; return how many processes ended while they handled one."""
        n_ended = self.n_ended(*messages)
        for place, offsets in _by_place(messages).items():
            counts = self._read(self._file(place))
            contents = self._in_flight.setdefault(place, _Contents())
            contents.n_ended |= {offset: counts.get(offset, 0) for offset in offsets}
            contents.pack(counts)
            self._write(self._file(place), contents.working)
        return n_ended

    def n_ended(self, *messages: InMessage) -> int:
        """Return how many processes ended while they handled these messages: the most of any."""
        return max(
            self._read(self._file(place)).get(offset, 0)
            for place, offsets in _by_place(messages).items()
            for offset in offsets
        )

    def unfinished(self, topic: str, partition: int) -> list[int]:
        """Return the offsets of messages that a process had in flight when it ended."""
        return sorted(self._read(self._file((topic, partition))))

    def end(self, *messages: InMessage) -> None:
        """Record that messages are not handled now: they have a result, or will be repeated."""
        self._end(messages, n_ended=0)

    def move_on(self, done: InMessage, following: InMessage) -> None:
        """Record the end of one message and the start of the next of its partition, at once."""
        place = (done.topic, done.partition)
        counts = self._read(self._file(place))
        contents = self._in_flight.setdefault(place, _Contents())
        contents.n_ended.pop(done.offset, None)
        counts[done.offset] = 0
        contents.n_ended[following.offset] = counts.get(following.offset, 0)
        contents.pack(counts)
        self._write(self._file(place), contents.working)

    def keep(self, *messages: InMessage, n_ended: int) -> None:
        """Record that messages are not handled now, and how many processes ended at each before.

        The next process may get them again: an offset is committed later than its dead letter.
        """
        self._end(messages, n_ended=n_ended)

    def _end(self, messages: Sequence[InMessage], *, n_ended: int) -> None:
        for place, offsets in _by_place(messages).items():
            counts = self._read(self._file(place))
            contents = self._in_flight.setdefault(place, _Contents())
            for offset in offsets:
                contents.n_ended.pop(offset, None)
                counts[offset] = n_ended
            contents.pack(counts)
            self._write(self._file(place), contents.working)

    def pause(self, places: Iterable[tuple[str, int]]) -> None:
        """Record that this process waits: who ends it now does not mean its messages there."""
        for place in places:
            if (contents := self._in_flight.get(place)) is not None:
                self._write(self._file(place), contents.waiting)

    def resume(self, places: Iterable[tuple[str, int]]) -> None:
        """Record that this process works again at its messages of these topics and partitions."""
        for place in places:
            if (contents := self._in_flight.get(place)) is not None:
                self._write(self._file(place), contents.working)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Do not count a process that ends in this block: it waits for a broker or a database."""
        places = tuple(self._in_flight)
        self.pause(places)
        try:
            yield
        finally:
            self.resume(places)

    def close(self) -> None:
        """Close the files."""
        for file in self._files.values():
            if file >= 0:
                os.close(file)
        self._files.clear()
        self._in_flight.clear()

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

    @staticmethod
    def _write(file: int, record: bytes) -> None:
        if file < 0:
            return
        try:
            os.pwrite(file, record, 0)
        except OSError as error:  # a full disk: the file has its bytes already, so this is rare
            get_logger().warning("attempt_not_recorded", error=str(error))

    def _file(self, place: tuple[str, int]) -> int:
        if place not in self._files:
            name = re.sub(r"[^A-Za-z0-9._-]", "_", f"{self._group}.{place[0]}.{place[1]}.attempt")
            self._files[place] = self._open(self._folder / name)
        return self._files[place]

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


def _by_place(messages: Iterable[InMessage]) -> dict[tuple[str, int], list[int]]:
    """Return the offsets of messages by topic and partition."""
    places: dict[tuple[str, int], list[int]] = {}
    for each in messages:
        places.setdefault((each.topic, each.partition), []).append(each.offset)
    return places


def _pack(counts: dict[int, int]) -> bytes:
    """Return the record of the newest messages that some process has begun."""
    begun = sorted(each for each in counts.items() if each[1] > 0)
    return b"".join(_RECORD.pack(*each) for each in begun[-_MOST_MESSAGES:]) + _NONE
