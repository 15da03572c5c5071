"""Steps of the ingest service: find files, order them, check headers, build messages."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from glob import glob, has_magic
from pathlib import Path

from runtime.errors import RejectedMessageError
from runtime.kafka import OutMessage
from schemas.identity import digest_image
from schemas.reasons import ImageReason
from schemas.topics import Topics, image_message_key
from services.ingest.errors import NoFilesError
from services.ingest.models import PreparedImage
from sky.containers import decompress, open_fits
from sky.fits import HeaderError, parse_fits
from sky.metadata import read_metadata, read_time_start
from sky.wcs import SkyProjection, to_wcs_header

__all__ = ["find_files", "order_by_time", "prepare_image", "to_stream_name"]

_FITS_SUFFIXES = frozenset({".fits", ".fit", ".fts"})
# More than any known header (the longest, with an AIPS history, has 30 blocks).
_HEADER_PEEK_BYTES = 256 * 2880
_LAST = datetime.max.replace(tzinfo=UTC)


def find_files(paths: Sequence[Path]) -> list[Path]:
    """Return the files that `paths` name: files as they are, directories by their FITS files.

    Raises
    ------
    NoFilesError
        If a path names nothing.
    """
    found: list[Path] = []
    for path in paths:
        matches = list(_expand(path))
        if not matches:
            raise NoFilesError(f"nothing to ingest at {path}: no such file, or no FITS file in it")
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
    return sorted(paths, key=lambda path: (_peek_time(path, cards), str(path)))


def _peek_time(path: Path, cards: Mapping[str, str]) -> datetime:
    try:
        with path.open("rb") as file:
            head = file.read(_HEADER_PEEK_BYTES)
        head = decompress(head, max_bytes=_HEADER_PEEK_BYTES, is_head=True)
        return read_time_start(parse_fits(head, cards).header)
    except (OSError, HeaderError):
        return _LAST  # the file is rejected with its reason when it is published


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

    Parameters
    ----------
    data : bytes
        A FITS file.
    stream : str or None
        Its stream; None: the TELESCOP card.
    cards : mapping of str to str
        FITS cards that are added to its header or override it.
    max_bytes : int
        Largest image that is accepted [byte].
    topics : Topics
        Names of the topics.

    Raises
    ------
    RejectedMessageError
        If the image cannot be measured.
    """
    if len(data) > max_bytes:
        raise RejectedMessageError(
            ImageReason.TOO_LARGE,
            f"{len(data)} bytes, the limit is {max_bytes} (LIVETRAP_INGEST__MAX_IMAGE_BYTES)",
        )
    try:
        _, fits = open_fits(data, cards, max_bytes=max_bytes)
        if fits.n_planes > 1:
            raise RejectedMessageError(
                ImageReason.NOT_2D, f"the image has {fits.n_planes} planes; send one image a plane"
            )
        SkyProjection.of(to_wcs_header(fits.header))
        metadata = read_metadata(fits.header)
    except HeaderError as error:
        raise RejectedMessageError(error.code, str(error)) from error
    name = to_stream_name(stream or metadata.telescope or "default")
    digest = digest_image(data, cards)
    headers = {
        "stream": name,
        "image-id": digest.image_id,
        "sha256": digest.file_sha256,
        "content-type": "application/fits",
        "t-sent": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
    } | {f"fits:{card}": text for card, text in cards.items()}
    key = image_message_key(name, metadata.freq_eff_hz).encode()
    return PreparedImage(digest.image_id, name, OutMessage(topics.images, key, data, headers))
