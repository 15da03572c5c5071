"""Split a file with several planes or images into one image a plane, with its own identity."""

import hashlib
from collections.abc import Iterator

from runtime.kafka import InMessage, OutMessage
from schemas.reasons import ImageReason
from schemas.topics import image_message_key
from services.extract.errors import RejectedImageError, SeveralPlanesError
from services.extract.models import ReceivedImage
from services.extract.steps.records import telescope_stream
from sky.fits import parse_fits
from sky.fits_containers import split_file
from sky.header.cards import Cards
from sky.header.errors import HeaderError
from sky.header.spectral import read_frequency

__all__ = ["plane_messages"]

_KEPT_HEADERS = ("t-sent", "n-bands")
_MOST_PLANES = 4096


def plane_messages(
    message: InMessage, received: ReceivedImage, cube: SeveralPlanesError, topic: str
) -> Iterator[OutMessage]:
    """Yield a message of images-v1 for each plane of a file; the same file gives the same bytes.

    Parameters
    ----------
    message : InMessage
        The message of the cube.
    received : ReceivedImage
        The cube as received.
    cube : SeveralPlanesError
        The unpacked file.
    topic : str
        Topic of images.

    Raises
    ------
    RejectedImageError
        If it has too many planes, or a plane has no valid header.
    """
    n_planes = cube.fits.n_planes_of_file
    if n_planes > _MOST_PLANES:
        raise RejectedImageError(
            ImageReason.NOT_2D,
            f"the file has {n_planes} planes, more than {_MOST_PLANES}; split it",
        )
    telescope = Cards(cube.fits.header).text("TELESCOP")
    stream = received.stream or telescope_stream(telescope)
    kept = {name: message.headers[name] for name in _KEPT_HEADERS if name in message.headers}
    try:
        for plane in split_file(cube.data, cube.fits):
            headers = {"stream": stream, "sha256": hashlib.sha256(plane).hexdigest(), **kept}
            key = image_message_key(stream, _frequency(plane)).encode()
            yield OutMessage(topic, key, plane, headers)
    except HeaderError as error:
        raise RejectedImageError(ImageReason(error.code), str(error)) from error


def _frequency(plane: bytes) -> float | None:
    """Return a plane's frequency [Hz]; None where its header has none: it is rejected later."""
    try:
        return read_frequency(Cards(parse_fits(plane, {}).header))[0]
    except HeaderError:
        return None
