"""FITS bytes to pixels and header, without a file: the first image in them, checked."""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from astropy.io.fits import Header
from astropy.io.fits.verify import VerifyError

from sky.header.axis_order import to_sky_first
from sky.header.cards import Cards, quiet_astropy, to_number
from sky.header.casa_beams import set_casa_beam
from sky.header.errors import HeaderError

__all__ = [
    "PRINTABLE",
    "FitsImage",
    "HeaderError",
    "bytes_of_first_image",
    "inherit",
    "later_images",
    "parse_fits",
]

_BLOCK = 2880
_CARD = 80
_PIXEL_TYPES = (8, 16, 32, 64, -32, -64)
_OVERRIDABLE = re.compile(r"^[A-Z0-9_-]{1,8}$")
_STRUCTURAL = re.compile(
    r"^(SIMPLE|XTENSION|BITPIX|NAXIS\d*|PCOUNT|GCOUNT|END|CONTINUE|COMMENT|HISTORY)$"
)
_OF_PRIMARY = (
    "SIMPLE",
    "EXTEND",
    "NEXTEND",
    "BSCALE",
    "BZERO",
    "BLANK",
    "CHECKSUM",
    "DATASUM",
    "",
)
# What is not printable ASCII is illegal in a header, and reads as a question mark.
PRINTABLE = bytes(byte if 32 <= byte < 127 else ord("?") for byte in range(256))
# More axes, bytes or cards than any image of one plane has: the header is damaged.
_MOST_AXES = 9
_MOST_PIXELS = 1 << 34
_MOST_HEADER_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class FitsImage:
    """Where the pixels are in a FITS file's bytes, and its header.

    Parameters
    ----------
    header : astropy.io.fits.Header
        With the injected cards, and with those of the primary header where INHERIT is set.
    shape : (int, int)
        Rows (axis 2) and columns (axis 1) [px].
    data_offset : int
        First byte of the pixels.
    bitpix : int
        FITS pixel type.
    axes : tuple of int
        Length of every axis, the first (columns) first [px]; those of the sky are the first two.
    strides : tuple of int
        How far apart neighbours on each of `axes` are in the file [px].
    others : tuple of FitsImage
        Further images of the sky in the same file.
    passed_over : tuple of str
        Names of the images in it that are not measured.
    """

    header: Header
    shape: tuple[int, int]
    data_offset: int
    bitpix: int
    axes: tuple[int, ...]
    strides: tuple[int, ...]
    others: tuple["FitsImage", ...] = ()
    passed_over: tuple[str, ...] = ()

    @property
    def n_bytes(self) -> int:
        """Return how many bytes the pixels of all its planes have."""
        return math.prod(self.axes) * abs(self.bitpix) // 8

    @property
    def n_planes(self) -> int:
        """Return how many planes the axes beyond the second make."""
        return math.prod(self.axes[2:])

    def indices(self, plane: int) -> tuple[int, ...]:
        """Return the place of a plane on each axis beyond the second, 0-based."""
        places = np.unravel_index(plane, self.axes[:1:-1])[::-1] if self.axes[2:] else ()
        return tuple(int(each) for each in places)

    @property
    def n_planes_of_file(self) -> int:
        """Return how many planes this and the other images of the file have."""
        return self.n_planes + sum(each.n_planes for each in self.others)


@quiet_astropy()
def parse_fits(data: bytes, cards: Mapping[str, str]) -> FitsImage:
    """Find the first image and read its header; pixels are not touched.

    Parameters
    ----------
    data : bytes
        A FITS file, or its beginning where only the header matters.
    cards : mapping of str to str
        FITS cards to add or override, from ``fits:KEY`` headers.

    Returns
    -------
    FitsImage
        Of the first HDU with pixels; it may have several planes.

    Raises
    ------
    HeaderError
        Codes ``not_fits``, ``truncated``, ``no_image``, ``zero_size``, ``not_2d``,
        ``bad_header``, ``tile_compressed``.
    """
    if not data.startswith(b"SIMPLE  ="):
        raise HeaderError(
            "not_fits", "not a FITS file: it does not begin with 'SIMPLE  ='; send FITS images"
        )
    for found in _images_from(data):
        if found.read.flag("ZIMAGE"):
            raise HeaderError("tile_compressed", "the first image is tile-compressed (fpack)")
        return _to_image(data, found, cards)
    raise HeaderError("no_image", "the FITS file holds no image: every HDU is empty or a table")


@quiet_astropy()
def later_images(
    data: bytes, first: FitsImage, cards: Mapping[str, str]
) -> Iterator[tuple[int, Header, FitsImage | None]]:
    """Yield number of the HDU, the primary 0, header and image of each image behind the first.

    Parameters
    ----------
    data : bytes
        The FITS file.
    first : FitsImage
        What `parse_fits` found in it.
    cards : mapping of str to str
        FITS cards to add or override.

    Raises
    ------
    HeaderError
        If the header of a later HDU cannot be read; an image that has no two axes, or is
        tile-compressed, is None.
    """
    if first.data_offset + _padded(first.n_bytes) >= len(data):
        return
    for found in _images_from(data):
        if found.offset > first.data_offset:
            yield found.number, found.header, _to_later_image(data, found, cards)


@dataclass(frozen=True, slots=True)
class _Found:
    """An image in a file: number of its HDU, header as it came, first byte of the pixels."""

    number: int
    header: Header
    read: Cards
    axes: list[int]
    offset: int
    primary: Header | None


def _images_from(data: bytes) -> Iterator[_Found]:
    """Yield the images of a file.

    What follows an image and is no extension is padding.
    """
    number, offset, n_images = 0, 0, 0
    primary: Header | None = None
    while offset < len(data) and (not n_images or data.startswith(b"XTENSION", offset)):
        header, offset = _read_header(data, offset)
        read = Cards(header)
        axes = _axes(read)
        if read.flag("ZIMAGE") or (axes and (read.text("XTENSION") or "IMAGE") == "IMAGE"):
            n_images += 1
            yield _Found(number, header, read, axes, offset, primary)
        primary = primary or header
        offset += _padded(_data_bytes(read, axes))
        number += 1


def _to_later_image(data: bytes, found: _Found, cards: Mapping[str, str]) -> FitsImage | None:
    if found.read.flag("ZIMAGE"):
        return None
    try:
        return _to_image(data, found, cards)
    except HeaderError:
        return None


def _to_image(data: bytes, found: _Found, cards: Mapping[str, str]) -> FitsImage:
    header, axes = found.header, found.axes
    if found.primary is not None and found.read.flag("INHERIT"):
        inherit(header, found.primary)
    if math.prod(axes[2:]) == 1:
        set_casa_beam(header, data)
    _inject(header, cards)
    header, order = to_sky_first(header, axes)
    strides = [math.prod(axes[:axis]) for axis in order]
    axes = [axes[axis] for axis in order]
    shape, bitpix = _image_shape(axes), _bitpix(found.read)
    return FitsImage(header, shape, found.offset, bitpix, tuple(axes), tuple(strides))


def _read_header(data: bytes, offset: int) -> tuple[Header, int]:
    """Read one header; return it and the offset behind its padding."""
    start = offset
    while offset < min(len(data), start + _MOST_HEADER_BYTES):
        block = data[offset : offset + _BLOCK]
        offset += _BLOCK
        for card in range(0, len(block), _CARD):
            if block[card : card + _CARD].rstrip() == b"END":
                header = data[start : offset - _BLOCK + card].translate(PRINTABLE)
                text = header.decode("ascii")
                return _to_header(text, start), offset
    raise HeaderError(
        "truncated", f"the FITS header at byte {start} has no END card; the file is cut short"
    )


def _to_header(text: str, start: int) -> Header:
    try:
        header = Header.fromstring(text)
    except (ValueError, VerifyError, TypeError, IndexError) as error:
        raise HeaderError(
            "bad_header", f"the FITS header at byte {start} cannot be read: {error}"
        ) from None
    return header


def _axes(cards: Cards) -> list[int]:
    n_axes = cards.required_count("NAXIS")
    if n_axes > _MOST_AXES:
        raise HeaderError("bad_header", f"NAXIS is {n_axes}: an image has at most {_MOST_AXES}")
    axes = [cards.required_count(f"NAXIS{number}") for number in range(1, n_axes + 1)]
    if math.prod(axes) > _MOST_PIXELS:
        raise HeaderError("bad_header", f"the header promises {math.prod(axes)} pixels: {axes}")
    return axes


def _bitpix(cards: Cards) -> int:
    bitpix = cards.required_number("BITPIX")
    if bitpix not in _PIXEL_TYPES:
        raise cards.unreadable("BITPIX", f"one of {sorted(_PIXEL_TYPES)}")
    return int(bitpix)


def _data_bytes(cards: Cards, axes: list[int]) -> int:
    if not axes:
        return 0
    groups = cards.required_count("GCOUNT") if "GCOUNT" in cards else 1
    parameters = cards.required_count("PCOUNT") if "PCOUNT" in cards else 0
    return abs(_bitpix(cards)) // 8 * groups * (parameters + math.prod(axes))


def bytes_of_first_image(image: FitsImage) -> int:
    """Return how far behind the first byte of its pixels the next HDU of a file begins.

    Raises
    ------
    HeaderError
        Code ``bad_header``.
    """
    return _padded(_data_bytes(Cards(image.header), list(image.axes)))


def _padded(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK


def _image_shape(axes: list[int]) -> tuple[int, int]:
    if any(length <= 0 for length in axes):
        raise HeaderError("zero_size", f"the image has an axis of length zero: {axes}")
    if len(axes) < 2:
        raise HeaderError("not_2d", "the image has one axis; two celestial axes are needed")
    if min(axes[:2]) < 2:
        raise HeaderError("not_2d", f"the image is a single row or column of pixels: {axes}")
    return axes[1], axes[0]


def inherit(header: Header, primary: Header) -> None:
    """Add the primary header's cards that an extension does not have itself.

    What describes the primary's own pixels is none of them: FITS 4.0, section 4.4.2.6.

    Parameters
    ----------
    header : astropy.io.fits.Header
        Of the extension; modified.
    primary : astropy.io.fits.Header
        Of the file.
    """
    for card in primary.cards:
        if card.keyword not in header and card.keyword not in _OF_PRIMARY:
            header.append(card)


def _inject(header: Header, cards: Mapping[str, str]) -> None:
    """Set the cards that travel beside the image; numbers become numbers."""
    for name, text in cards.items():
        key = name.upper()
        if not _OVERRIDABLE.match(key) or _STRUCTURAL.match(key):
            raise HeaderError(
                "bad_header",
                f"fits:{name} cannot be set: a FITS keyword of 8 characters, none of the layout",
            )
        try:
            header.remove(key, ignore_missing=True, remove_all=True)
            header[key] = _to_value(text)
        except (ValueError, VerifyError, TypeError) as error:
            raise HeaderError("bad_header", f"cannot set {key} to {text!r}: {error}") from None


def _to_value(text: str) -> float | str:
    if re.fullmatch(r"\s*[-+]?\d{1,18}\s*", text):
        return int(text)
    number = to_number(text)
    return text if number is None else number
