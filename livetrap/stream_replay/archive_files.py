"""The archive of records: Parquet files by kind, stream and day, named after what is in them."""

import importlib
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from runtime.errors import SettingsError

__all__ = [
    "ArchivedRecord",
    "Kind",
    "Place",
    "delete_days_before",
    "last_offset",
    "list_files",
    "read_column",
    "read_records",
    "require_parquet",
    "write_records",
]

Kind = Literal["detections", "forced"]
_NAME = re.compile(r"(?P<origin>[0-9a-f]{8}-\d+)-(?P<first>\d+)-(?P<last>\d+)\.parquet")
# What a reader has in memory of a file at once.
_ROWS_TOGETHER = 256


@dataclass(frozen=True, slots=True)
class ArchivedRecord:
    """A record as it was on Kafka.

    `time_start` is that of the exposure, None without metadata and for forced fluxes.
    """

    offset: int
    image_id: str
    time_start: datetime | None
    value: bytes


@dataclass(frozen=True, slots=True)
class Place:
    """A folder of the archive, and the partition that its files come from.

    `origin` names the Kafka cluster and the partition: offsets of another one mean nothing.
    """

    kind: Kind
    stream: str
    day: date
    origin: str

    def folder(self, archive: Path) -> Path:
        """Return the folder in an archive."""
        return archive / self.kind / _to_name(self.stream) / self.day.isoformat()


def require_parquet() -> None:
    """Refuse to go on without pyarrow.

    Raises
    ------
    SettingsError
        If it is not installed.
    """
    try:
        importlib.import_module("pyarrow.parquet")
    except ImportError as error:
        raise SettingsError(
            "the archive needs pyarrow: python -m pip install 'livetrap[export]'"
        ) from error


def _to_name(stream: str) -> str:
    """Return the name of the folder of a stream, whatever characters its own has."""
    return quote(stream, safe="").replace(".", "%2E")


def last_offset(archive: Path, place: Place) -> int:
    """Return up to which offset a folder has the records of a partition; -1: it has none."""
    folder = place.folder(archive)
    found = [_NAME.fullmatch(path.name) for path in folder.glob(f"{place.origin}-*.parquet")]
    return max((int(each["last"]) for each in found if each), default=-1)


def write_records(archive: Path, place: Place, records: Sequence[ArchivedRecord]) -> None:
    """Write a file of records in ascending order of offset; it appears whole, or not at all."""
    import pyarrow as pa  # noqa: PLC0415  (an extra of the distribution)
    import pyarrow.parquet as pq  # noqa: PLC0415

    table = pa.table(
        {
            "offset": pa.array([each.offset for each in records], pa.int64()),
            "image_id": pa.array([each.image_id for each in records], pa.string()),
            "time_start": pa.array(
                [each.time_start for each in records], pa.timestamp("us", "UTC")
            ),
            "value": pa.array([each.value for each in records], pa.binary()),
        }
    )
    folder = place.folder(archive)
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{place.origin}-{records[0].offset:012d}-{records[-1].offset:012d}.parquet"
    partial = folder / f"{name}.partial"
    pq.write_table(table, partial, compression="zstd", row_group_size=_ROWS_TOGETHER)
    _sync(partial)
    partial.replace(folder / name)
    _sync(folder)


def _sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def list_files(archive: Path, kind: Kind, stream: str) -> list[Path]:
    """Return the files of a stream: by day, then in the order of the records of each partition."""
    folder = archive / kind / _to_name(stream)
    return sorted(path for path in folder.glob("*/*.parquet") if _NAME.fullmatch(path.name))


def read_column(path: Path, name: str) -> list[list[Any]]:
    """Return a column of a file, by groups of rows."""
    import pyarrow.parquet as pq  # noqa: PLC0415

    with pq.ParquetFile(path) as file:
        groups = range(file.num_row_groups)
        return [file.read_row_group(each, [name])[name].to_pylist() for each in groups]


def read_records(path: Path, group: int | None = None) -> Iterator[ArchivedRecord]:
    """Return the records of a file, or of one group of its rows, in their order."""
    import pyarrow.parquet as pq  # noqa: PLC0415

    with pq.ParquetFile(path) as file:
        for number in range(file.num_row_groups) if group is None else [group]:
            for row in file.read_row_group(number).to_pylist():
                yield ArchivedRecord(**row)


def delete_days_before(archive: Path, *, keep_days: float, now: datetime | None = None) -> int:
    """Delete the days that ended before a time, and were written before it; return how many.

    Images of an old observation that are sent today are kept as long as today's.

    Parameters
    ----------
    archive : Path
        Folder of the archive.
    keep_days : float
        How much is kept [d].
    now : datetime or None
        None: the clock's.
    """
    limit = (now or datetime.now(UTC)) - timedelta(days=keep_days)
    old = [
        path
        for path in archive.glob("*/*/*")
        if _day_of(path) < limit.date() and path.stat().st_mtime < limit.timestamp()
    ]
    for path in old:
        shutil.rmtree(path)
    return len(old)


def _day_of(folder: Path) -> date:
    """Return the day of a folder; a far one for what is not the archive's."""
    try:
        return date.fromisoformat(folder.name)
    except ValueError:
        return date.max
