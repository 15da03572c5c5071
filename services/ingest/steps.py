"""Steps of the ingest service: find files, order them, check headers, build messages."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from glob import glob, has_magic
from pathlib import Path

from runtime.errors import RejectedMessageError
from runtime.kafka import MAX_MESSAGE_BYTES, OutMessage
from schemas.identity import digest_image
from schemas.reasons import ImageReason
from schemas.streams import DEFAULT_STREAM, to_stream_name
from schemas.topics import Topics, image_message_key
from services.ingest.errors import NoFilesError
from services.ingest.models import FoundFiles, ImageLimits, PreparedImage
from sky.fits import HeaderError, parse_fits
from sky.fits_containers import HEADER_ROOM_BYTES, decompress, is_image_file, open_fits
from sky.header.celestial import to_wcs_header
from sky.header.times import check_exposure
from sky.metadata import read_metadata, read_time_start
from sky.wcs import SkyProjection

__all__ = ["check_size", "find_files", "most_bytes", "order_by_time", "prepare_image"]

# More than any known header (the longest, with an AIPS history, has 30 blocks).
_HEADER_PEEK_BYTES = 256 * 2880
_LAST = datetime.max.replace(tzinfo=UTC)


def find_files(paths: Sequence[Path]) -> FoundFiles:
    """Return the files that `paths` name: files as they are, directories by their images.

    A file in a directory is an image if it begins as a FITS file or as a compressed one, whatever
    its name.

    Raises
    ------
    NoFilesError
        If a path names nothing.
    """
    found: list[Path] = []
    skipped: list[Path] = []
    for path in paths:
        matches = list(_expand(path))
        images = [each for each, is_image in matches if is_image]
        if not images:
            raise NoFilesError(
                f"nothing to ingest at {path}: no such file, or no FITS image in it"
            )
        found += images
        skipped += [each for each, is_image in matches if not is_image]
    return FoundFiles(list(dict.fromkeys(found)), list(dict.fromkeys(skipped)))


def _expand(path: Path) -> Iterator[tuple[Path, bool]]:
    """Yield the files of a path, and whether each is to be published."""
    if path.is_dir():
        for each in sorted(path.rglob("*")):
            if each.is_file():
                yield each, _may_be_image(each)
    elif path.exists():
        yield path, True
    elif has_magic(str(path)):
        for name in sorted(glob(str(path), recursive=True)):  # noqa: PTH207  (absolute patterns)
            yield from _expand(Path(name))


def _may_be_image(path: Path) -> bool:
    """Return whether a file begins as an image; one that cannot be read is reported later."""
    try:
        with path.open("rb") as file:
            return is_image_file(file.read(16))
    except OSError:
        return True


def order_by_time(paths: Sequence[Path], cards: Mapping[str, str]) -> list[Path]:
    """Return the files in the order of their exposures; those without a time come last."""
    return sorted(paths, key=lambda path: (_peek_time(path, cards), str(path)))


def _peek_time(path: Path, cards: Mapping[str, str]) -> datetime:
    try:
        with path.open("rb") as file:
            head = file.read(_HEADER_PEEK_BYTES)
        head = decompress(head, max_bytes=_HEADER_PEEK_BYTES, is_head=True)
        return read_time_start(parse_fits(head, cards).header)
    except Exception:  # noqa: BLE001  (whatever it is, the file has it again when it is published)
        return _LAST


def most_bytes(limits: ImageLimits) -> int:
    """Return the size of the largest file that `check_size` accepts [byte]."""
    return min(limits.max_bytes + HEADER_ROOM_BYTES, MAX_MESSAGE_BYTES)


def check_size(n_bytes: int, limits: ImageLimits) -> None:
    """Refuse a file that is larger than the settings, or a message of Kafka, allow.

    Raises
    ------
    RejectedMessageError
        Code ``too_large``, with the limit.
    """
    most = most_bytes(limits)
    if n_bytes <= most:
        return
    limit = (
        f"a message on Kafka has at most {most}, whatever LIVETRAP_INGEST__MAX_IMAGE_BYTES allows"
        if most == MAX_MESSAGE_BYTES
        else f"the limit is {limits.max_bytes} (LIVETRAP_INGEST__MAX_IMAGE_BYTES)"
    )
    raise RejectedMessageError(ImageReason.TOO_LARGE, f"{n_bytes} bytes, {limit}")


def prepare_image(
    data: bytes,
    *,
    stream: str | None,
    cards: Mapping[str, str],
    limits: ImageLimits,
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
    limits : ImageLimits
        What every image must satisfy.
    topics : Topics
        Names of the topics.

    Raises
    ------
    RejectedMessageError
        If the image cannot be measured.
    """
    check_size(len(data), limits)
    try:
        _, fits = open_fits(data, cards, max_bytes=limits.max_bytes)
        if fits.n_planes_of_file > 1 and not limits.splits_cubes:
            raise RejectedMessageError(
                ImageReason.NOT_2D,
                f"the file has {fits.n_planes_of_file} planes; send one image a plane",
            )
        SkyProjection.of(to_wcs_header(fits.header))
        metadata = read_metadata(fits.header)
        check_exposure(metadata.time_start, metadata.exposure_s, latest=limits.latest())
    except HeaderError as error:
        raise RejectedMessageError(error.code, str(error)) from error
    name = (
        to_stream_name(stream or "") or to_stream_name(metadata.telescope or "") or DEFAULT_STREAM
    )
    digest = digest_image(data, cards)
    headers = {
        "stream": name,
        "image-id": digest.image_id,
        "sha256": digest.file_sha256,
        "content-type": "application/fits",
        "t-sent": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
    } | {f"fits:{card}": text for card, text in cards.items()}
    key = image_message_key(name, metadata.freq_eff_hz).encode()
    message = OutMessage(topics.images, key, data, headers)
    return PreparedImage(digest.image_id, name, message, fits.passed_over)
