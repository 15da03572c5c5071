"""Messages of images-v1: their headers, the identity of the image, and checks of both."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from runtime.kafka import InMessage
from schemas.identity import digest_image
from schemas.messages import SourceOffset
from schemas.reasons import ImageReason
from schemas.streams import to_stream_name
from services.extract.errors import RejectedImageError
from services.extract.models import Digest, ReceivedImage
from sky.fits_containers import HEADER_ROOM_BYTES

__all__ = [
    "check_sha256",
    "check_size",
    "fits_cards",
    "invalid_headers",
    "n_bands",
    "read_message",
    "stream_name",
    "time_sent",
]

_CARD_PREFIX = "fits:"
# Outside these limits the clock of the producer is not set.
_EARLIEST_SENT = datetime(1990, 1, 1, tzinfo=UTC)
_LATEST_AHEAD = timedelta(days=1)
# Of a number of bands.
_MOST_DIGITS = 6


def read_message(
    message: InMessage,
    cluster_id: str,
    *,
    identify: Callable[[bytes, Mapping[str, str]], Digest] = digest_image,
) -> ReceivedImage:
    """Return the image of a message with its identity; the FITS file is hashed once.

    Parameters
    ----------
    message : InMessage
        A message of images-v1.
    cluster_id : str
        Kafka cluster that it is on.
    identify : callable
        Returns the identity of the file and of its cards, which may be known later.
    """
    cards = fits_cards(message.headers)
    return ReceivedImage(
        data=message.value,
        cards=cards,
        digest=identify(message.value, cards),
        expected_sha256=message.headers.get("sha256"),
        stream=stream_name(message.headers, message.key),
        source=SourceOffset(cluster_id, message.topic, message.partition, message.offset),
        time_sent=time_sent(message.headers),
        time_appended=message.time_appended,
        n_bands=n_bands(message.headers),
    )


def fits_cards(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the FITS cards among a message's headers: those called ``fits:KEY``."""
    return {
        name.removeprefix(_CARD_PREFIX): value
        for name, value in headers.items()
        if name.startswith(_CARD_PREFIX)
    }


def stream_name(headers: Mapping[str, str], key: bytes) -> str | None:
    """Return the stream that a producer names: in the header, else in the key ``<stream>:<band>``.

    None where neither names one; the stream is then that of the TELESCOP card.
    """
    from_key = key.decode("utf-8", "replace").rsplit(":", 1)[0]
    return to_stream_name(headers.get("stream", "")) or to_stream_name(from_key)


def time_sent(headers: Mapping[str, str]) -> datetime | None:
    """Return when the producer sent a message, UTC; None where ``t-sent`` is impossible."""
    try:
        moment = datetime.fromisoformat(headers.get("t-sent", ""))
        moment = moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    is_possible = _EARLIEST_SENT <= moment <= datetime.now(UTC) + _LATEST_AHEAD
    return moment if is_possible else None


def n_bands(headers: Mapping[str, str]) -> int | None:
    """Return how many images each timestep of the stream has; None where ``n-bands`` is none."""
    text = headers.get("n-bands", "")
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS else 0
    return number or None


def invalid_headers(headers: Mapping[str, str], image: ReceivedImage) -> list[str]:
    """Return the optional headers whose values are impossible; they are ignored."""
    invalid = []
    if "t-sent" in headers and image.time_sent is None:
        invalid.append("t-sent")
    if "n-bands" in headers and image.n_bands is None:
        invalid.append("n-bands")
    if headers.get("image-id", image.digest.image_id) != image.digest.image_id:
        invalid.append("image-id")
    return invalid


def check_size(image: ReceivedImage, max_image_bytes: int) -> None:
    """Check the size of a file before it is read; `open_image` checks that of its pixels.

    Raises
    ------
    RejectedImageError
        Code ``too_large``.
    """
    if len(image.data) > max_image_bytes + HEADER_ROOM_BYTES:
        raise RejectedImageError(
            ImageReason.TOO_LARGE,
            f"the image has {len(image.data)} bytes, the limit is {max_image_bytes} "
            "(LIVETRAP_INGEST__MAX_IMAGE_BYTES)",
        )


def check_sha256(image: ReceivedImage) -> None:
    """Compare the bytes with the sha256 that the producer put into the headers.

    Raises
    ------
    RejectedImageError
        Code ``checksum_mismatch``.
    """
    expected = image.expected_sha256
    if expected and expected.lower() != image.digest.file_sha256:
        raise RejectedImageError(
            ImageReason.CHECKSUM_MISMATCH,
            f"the bytes have the sha256 {image.digest.file_sha256}, header sha256 is {expected}: "
            "the image was corrupted in transit; send it again",
        )
