"""Headers of a stream differ in a few cards: what the others say is read once."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache

from astropy.io.fits import Card

from sky.fits import PRINTABLE, FitsImage, bytes_of_first_image, parse_fits
from sky.fits_containers import refuse_large
from sky.header.cards import Cards, quiet_astropy
from sky.header.celestial import to_wcs_header
from sky.header.errors import HeaderError
from sky.header.times import TIME_CARDS, Exposure, read_exposure
from sky.metadata import HeaderMetadata, read_beside_exposure
from sky.wcs import SkyProjection

__all__ = ["StreamHeader", "read_stream_header"]

_BLOCK = 2880
_CARD = 80
# Longer ones, and those with more of them in the message's headers, are read each anew.
_MOST_HEADER_BYTES, _MOST_COMMON_BYTES, _MOST_INJECTED = 1 << 18, 1 << 14, 1 << 12
_MOST_HEADERS = 64
# Cards that differ from image to image, and of which nothing is read; HISTORY is, where the beam
# has no cards: without it that header cannot be read here, and is read anew.
_UNREAD = frozenset(
    ("CHECKSUM", "COMMENT", "DATAMAX", "DATAMIN", "DATASUM", "DATE", "HISTORY", "")
)
_WITHOUT_VALUE = frozenset((b"COMMENT ", b"HISTORY ", b" " * 8))
_UNREAD_HEADS = frozenset(name.ljust(8).encode() for name in _UNREAD)
_TIME_HEADS = frozenset(name.ljust(8).encode() for name in TIME_CARDS)
# WSClean's: its settings and what it counted.
_OF_WSCLEAN = b"WSC"
_NO_EXPOSURE = Exposure(datetime.min.replace(tzinfo=UTC), 0.0)


@dataclass(frozen=True, slots=True)
class StreamHeader:
    """What the header of a file with a single image says.

    Parameters
    ----------
    fits : FitsImage
        Where the pixels are. Its header has no cards of times, and none that nobody reads, where
        `read_stream_header` made it.
    metadata : HeaderMetadata
        As of `read_metadata`.
    wcs_header : str
        As of `to_wcs_header`; there is a projection of it.
    """

    fits: FitsImage
    metadata: HeaderMetadata
    wcs_header: str


def read_stream_header(
    data: bytes, cards: Mapping[str, str], *, max_bytes: int
) -> StreamHeader | None:
    """Return what a header says; None where it has to be read as a whole.

    Parameters
    ----------
    data : bytes
        A file.
    cards : mapping of str to str
        FITS cards to add or override.
    max_bytes : int
        Largest image: bytes of its pixels.

    Returns
    -------
    StreamHeader or None
        The same that `open_fits`, `to_wcs_header` and `read_metadata` find. None for what is no
        FITS file, for cubes and files of several images, for headers that they refuse, but for
        their times, and for odd ones.

    Raises
    ------
    HeaderError
        Code ``too_large``, and those of `read_exposure`; all other cards can be read.
    """
    if not data.startswith(b"SIMPLE  =") or not _are_common(cards):
        return None
    parts = _split(data)
    if parts is None or len(parts.common) > _MOST_COMMON_BYTES:
        return None
    common = _read_common(parts.common, tuple(cards.items()))
    if common is None or data.startswith(b"XTENSION", parts.size + common.n_bytes):
        return None
    refuse_large(common.header.fits.n_bytes, max_bytes)
    exposure, ignored = _read_times(parts.times)
    return StreamHeader(
        fits=replace(common.header.fits, data_offset=parts.size),
        metadata=replace(
            common.header.metadata,
            time_start=exposure.time_start,
            exposure_s=exposure.exposure_s,
            ignored_cards=(*ignored, *common.header.metadata.ignored_cards),
        ),
        wcs_header=common.header.wcs_header,
    )


@dataclass(frozen=True, slots=True)
class _Parts:
    """The cards that are read, as they came, and the bytes of the whole header."""

    common: bytes
    times: list[bytes]
    size: int


def _split(data: bytes) -> _Parts | None:
    """Return the parts of the first header; None if it is odd, or too long."""
    common: list[bytes] = []
    times: list[bytes] = []
    for start in range(0, min(len(data), _MOST_HEADER_BYTES), _CARD):
        card = data[start : start + _CARD]
        name = card[:8]
        if name in _WITHOUT_VALUE:
            continue
        is_time = name in _TIME_HEADS
        if is_time or name in _UNREAD_HEADS or name.startswith(_OF_WSCLEAN):
            if card[8:10] != b"= ":
                return None
            if is_time:
                times.append(card)
        elif name == b"CONTINUE":
            return None  # it belongs to the card before it, which may be any
        elif card.rstrip() == b"END":
            return _Parts(b"".join(common), times, (start // _BLOCK + 1) * _BLOCK)
        else:
            common.append(card)
    return None


def _are_common(cards: Mapping[str, str]) -> bool:
    """Return whether the cards beside the image are few, and none of them is of its times."""
    n_characters = sum(len(name) + len(value) for name, value in cards.items())
    return n_characters <= _MOST_INJECTED and not any(map(_is_apart, cards))


def _is_apart(name: str) -> bool:
    return name.upper() in TIME_CARDS or name.upper() in _UNREAD


@dataclass(frozen=True, slots=True)
class _Common:
    header: StreamHeader
    # Of pixels and padding.
    n_bytes: int


# A function of what it is given alone: other cards cannot change what is found here.
@lru_cache(maxsize=_MOST_HEADERS)
@quiet_astropy()
def _read_common(common: bytes, cards: tuple[tuple[str, str], ...]) -> _Common | None:
    try:
        fits = parse_fits(common + b"END".ljust(_CARD), dict(cards))
        wcs_header = to_wcs_header(fits.header)
        SkyProjection.of(wcs_header)
        metadata = read_beside_exposure(Cards(fits.header), _NO_EXPOSURE)
        n_bytes = bytes_of_first_image(fits)
    except HeaderError:
        return None
    names = [name.upper() for name in fits.header]
    # A table behind the image may have the beam (CASA).
    if fits.n_planes > 1 or "CASAMBM" in names or any(map(_is_apart, names)):
        return None
    return _Common(StreamHeader(fits, metadata, wcs_header), n_bytes)


@quiet_astropy()
def _read_times(times: list[bytes]) -> tuple[Exposure, list[str]]:
    """Return the exposure, and the cards of it that cannot be read."""
    texts = (card.translate(PRINTABLE).decode("ascii") for card in times)
    cards = Cards([Card.fromstring(text) for text in texts])
    return read_exposure(cards), cards.ignored
