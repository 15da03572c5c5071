"""What the edge decides: which files are images, in which order they go, and under which name."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from glob import glob, has_magic
from pathlib import Path

from runtime.errors import PipelineError, RejectedMessageError
from runtime.kafka import OutMessage
from schemas.identity import image_id
from schemas.topics import Topics, image_key
from sky.fits import HeaderError, ImageHeader, read_header

__all__ = ["FileOrder", "find_files", "order_by_time", "prepare_image", "to_stream_name"]

_FITS_SUFFIXES = frozenset({".fits", ".fit", ".fts"})
_HEADER_PEEK_BYTES = 256 * 2880


class NoFilesError(PipelineError):
    """A path names nothing that could be published."""


@dataclass(frozen=True, slots=True)
class FileOrder:
    """A file and the time that decides when it is its turn; unreadable ones come last."""

    time_start: datetime
    path: Path


@dataclass(frozen=True, slots=True)
class PreparedImage:
    """An image ready for Kafka."""

    image_id: str
    stream: str
    message: OutMessage


def find_files(paths: Sequence[Path]) -> list[Path]:
    """Return the files that `paths` name: files as they are, directories by their FITS files.

    Raises
    ------
    NoFilesError
        If a path does not exist, or nothing is found in it.
    """
    found: list[Path] = []
    for path in paths:
        matches = list(_expand(path))
        if not matches:
            raise NoFilesError(f"nothing to ingest at {path}: no such file, or no *.fits in it")
        found.extend(matches)
    return list(dict.fromkeys(found))


def _expand(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from sorted(
            each for each in path.rglob("*") if each.suffix.lower() in _FITS_SUFFIXES
        )
    elif path.exists():
        yield path
    elif has_magic(str(path)):
        for name in sorted(glob(str(path), recursive=True)):  # noqa: PTH207  (absolute patterns)
            yield from _expand(Path(name))


def order_by_time(paths: Sequence[Path], cards: Mapping[str, str]) -> list[Path]:
    """Return the files in the order of their exposures; those without a time come last."""
    return [order.path for order in sorted(map(_peek(cards), paths), key=_order_key)]


def _order_key(order: FileOrder) -> tuple[datetime, str]:
    return order.time_start, str(order.path)


def _peek(cards: Mapping[str, str]):  # type: ignore[no-untyped-def]  # noqa: ANN202
    def peek(path: Path) -> FileOrder:
        try:
            with path.open("rb") as file:
                time_start = read_header(file.read(_HEADER_PEEK_BYTES), cards).time_start
        except (OSError, HeaderError):
            time_start = datetime.max.replace(tzinfo=UTC)
        return FileOrder(time_start, path)

    return peek


def to_stream_name(text: str) -> str:
    """Return `text` as a stream name: lower case, letters, digits, dots and dashes."""
    return re.sub(r"[^a-z0-9._-]+", "-", text.strip().lower()).strip("-") or "default"


def prepare_image(
    data: bytes,
    *,
    stream: str | None,
    cards: Mapping[str, str],
    max_bytes: int,
    topics: Topics,
) -> PreparedImage:
    """Check an image's header and return what goes to Kafka.

    Raises
    ------
    RejectedMessageError
        If it is no image that anybody downstream could use.
    """
