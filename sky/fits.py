"""FITS bytes to pixels and header, without a file: the first image in them, checked."""

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from astropy import units
from astropy.io import fits
from astropy.io.fits import Header
from astropy.io.fits.verify import VerifyError

__all__ = ["FitsImage", "HeaderError", "decode_pixels", "parse_fits"]

_BLOCK = 2880
_CARD = 80
_DTYPES = {8: ">u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}
_OVERRIDABLE = re.compile(r"^[A-Z0-9_-]{1,8}$")


class HeaderError(ValueError):
    """These bytes are no image that we can use.

    Parameters
    ----------
    code : str
        Stable reason, snake_case.
    message : str
        What is wrong, where, and how to mend it.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class FitsImage:
    """Where the pixels are in a FITS file's bytes, and its header.

    Parameters
    ----------
    header : astropy.io.fits.Header
        With the injected cards.
    shape : (int, int)
        Rows (axis 2) and columns (axis 1) [px].
    data_offset : int
        First byte of the pixels.
    bitpix : int
        FITS pixel type.
    """

    header: Header
    shape: tuple[int, int]
    data_offset: int
    bitpix: int


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
        Of the first HDU with pixels.

    Raises
    ------
    HeaderError
        Codes ``not_fits``, ``truncated``, ``no_image``, ``zero_size``, ``not_2d``,
        ``bad_header``.
    """
    if not data.startswith(b"SIMPLE  ="):
        raise HeaderError(
            "not_fits", "not a FITS file: it does not begin with 'SIMPLE  ='; send FITS images"
        )
    offset = 0
    while offset < len(data):
        header, offset = _read_header(data, offset)
        axes = [_axis(header, number) for number in range(1, int(header.get("NAXIS", 0)) + 1)]
        if axes and header.get("XTENSION", "IMAGE").strip() == "IMAGE":
            if header.get("CASAMBM") and "BMAJ" not in header:
                _set_beam(header, data)
            _inject(header, cards)
            return FitsImage(header, _image_shape(axes), offset, _bitpix(header))
        offset += _padded(_data_bytes(header, axes))
    raise HeaderError("no_image", "the FITS file holds no image: every HDU is empty or a table")


def _set_beam(header: Header, data: bytes) -> None:
    """Set the beam that CASA wrote as the first row of a table BEAMS, if it is there.

    Where it is not, or the file is cut short, `sky.metadata` will miss the beam.
    """
    try:
        with fits.open(io.BytesIO(data)) as file:
            table = file["BEAMS"]
            for name, usual in (("BMAJ", "arcsec"), ("BMIN", "arcsec"), ("BPA", "deg")):
                unit = units.Unit(table.columns[name].unit or usual)
                header[name] = float(table.data[name][0]) * unit.to(units.deg)
    except (KeyError, OSError, TypeError, ValueError, IndexError):
        return


def _read_header(data: bytes, offset: int) -> tuple[Header, int]:
    """Read one header; return it and the offset behind its padding."""
    start = offset
    while offset < len(data):
        block = data[offset : offset + _BLOCK]
        offset += _BLOCK
        for card in range(0, len(block), _CARD):
            if block[card : card + _CARD].rstrip() == b"END":
                text = data[start : offset - _BLOCK + card].decode("ascii", "replace")
                return Header.fromstring(text), offset
    raise HeaderError(
        "truncated", f"the FITS header at byte {start} has no END card; the file is cut short"
    )


def _axis(header: Header, number: int) -> int:
    try:
        return int(header[f"NAXIS{number}"])
    except (KeyError, ValueError, TypeError, VerifyError):
        raise HeaderError(
            "bad_header", f"card NAXIS{number} is missing or not a whole number"
        ) from None


def _bitpix(header: Header) -> int:
    bitpix = header.get("BITPIX")
    if bitpix not in _DTYPES:
        raise HeaderError("bad_header", f"BITPIX is {bitpix!r}; FITS knows {sorted(_DTYPES)}")
    return int(bitpix)


def _data_bytes(header: Header, axes: list[int]) -> int:
    if not axes:
        return 0
    groups = int(header.get("GCOUNT", 1)) * (int(header.get("PCOUNT", 0)) + int(np.prod(axes)))
    return abs(_bitpix(header)) // 8 * groups


def _padded(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK


def _image_shape(axes: list[int]) -> tuple[int, int]:
    if any(length <= 0 for length in axes):
        raise HeaderError("zero_size", f"the image has an axis of length zero: {axes}")
    if len(axes) < 2:
        raise HeaderError("not_2d", "the image has one axis; two celestial axes are needed")
    for number, length in enumerate(axes[2:], start=3):
        if length != 1:
            raise HeaderError(
                "not_2d",
                f"axis {number} has {length} planes; send one image a plane (axes beyond the "
                "second must have length 1)",
            )
    return axes[1], axes[0]


def _inject(header: Header, cards: Mapping[str, str]) -> None:
    """Set the cards that travel beside the image; numbers become numbers."""
    for name, text in cards.items():
        key = name.upper()
        if not _OVERRIDABLE.match(key):
            raise HeaderError("bad_header", f"fits:{name} is not a FITS keyword (8 characters)")
        try:
            header[key] = float(text) if _is_number(text) else text
        except ValueError as error:
            raise HeaderError("bad_header", f"cannot set {key} to {text!r}: {error}") from None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def decode_pixels(data: bytes, image: FitsImage) -> npt.NDArray[np.float32]:
    """Return the pixels in one pass over the bytes.

    Parameters
    ----------
    data : bytes
        The FITS file.
    image : FitsImage
        What `parse_fits` found in it.

    Returns
    -------
    (ny, nx) float32
        Native byte order, C-contiguous, scaled by BSCALE and BZERO; NaN where blank.

    Raises
    ------
    HeaderError
        Code ``truncated``.
    """
    rows, columns = image.shape
    dtype = np.dtype(_DTYPES[image.bitpix])
    needed = image.data_offset + rows * columns * dtype.itemsize
    if len(data) < needed:
        raise HeaderError(
            "truncated",
            f"the header promises {needed} bytes, {len(data)} came; the file is cut short",
        )
    raw = np.frombuffer(data, dtype, rows * columns, image.data_offset).reshape(rows, columns)
    scale = float(image.header.get("BSCALE", 1.0))
    zero = float(image.header.get("BZERO", 0.0))
    if scale == 1.0 and zero == 0.0:
        pixels = raw.astype(np.float32)
    else:
        pixels = (raw * scale + zero).astype(np.float32)
    blank = image.header.get("BLANK")
    if blank is not None and image.bitpix > 0:
        pixels[raw == int(blank)] = np.nan
    return pixels
