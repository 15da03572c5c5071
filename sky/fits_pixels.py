"""The pixels of FITS images: where they are in a file's bytes, and what they mean."""

from operator import mul
from typing import Any

import numpy as np
import numpy.typing as npt

from sky.fits import FitsImage
from sky.header.cards import Cards, quiet_astropy
from sky.header.errors import HeaderError

__all__ = ["decode_pixels", "lowest_code", "plain_floats", "stored_plane"]

_DTYPES = {8: ">u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}


@quiet_astropy()
def decode_pixels(data: bytes, image: FitsImage, plane: int = 0) -> npt.NDArray[np.float32]:
    """Return the pixels of a plane in one pass over the bytes.

    Parameters
    ----------
    data : bytes
        The FITS file.
    image : FitsImage
        What `parse_fits` found in it.
    plane : int
        Number of the plane, 0-based; the last axis is the slowest.

    Returns
    -------
    (ny, nx) float32
        Native byte order, C-contiguous, scaled by BSCALE and BZERO; NaN where blank.

    Raises
    ------
    HeaderError
        Codes ``truncated``, ``bad_header``.
    """
    raw = stored_plane(data, image, plane)
    cards = Cards(image.header)
    scale, zero = _scaling(cards)
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = raw if (scale, zero) == (1.0, 0.0) else raw * scale + zero
        pixels = scaled.astype(np.float32)
    blank = cards.required_number("BLANK") if image.bitpix > 0 else None
    if blank is not None:
        pixels[raw == blank] = np.nan
    return pixels


@quiet_astropy()
def plain_floats(data: bytes, image: FitsImage) -> npt.NDArray[np.uint32] | None:
    """Return the pixels of an image as stored, where only their bytes have another order.

    Returns
    -------
    (ny, nx) uint32, or None
        A view of the file's bytes, aligned and C-contiguous, of float32 with the highest byte
        first. None: for the pixels of this image `decode_pixels` has more to do.

    Raises
    ------
    HeaderError
        Codes ``truncated``, ``bad_header``.
    """
    stored = stored_plane(data, image, 0)
    if image.bitpix != -32 or _scaling(Cards(image.header)) != (1.0, 0.0):
        return None
    is_plain = stored.flags.c_contiguous and stored.flags.aligned
    return stored.view(np.uint32) if is_plain else None


def _scaling(cards: Cards) -> tuple[float, float]:
    """Return BSCALE and BZERO."""
    scale, zero = cards.required_number("BSCALE"), cards.required_number("BZERO")
    return 1.0 if scale is None else scale, zero or 0.0


def stored_plane(data: bytes, image: FitsImage, plane: int) -> npt.NDArray[Any]:
    """Return the pixels of a plane as they are stored: (ny, nx), a view of the file's bytes.

    Raises
    ------
    HeaderError
        Code ``truncated``.
    """
    dtype = np.dtype(_DTYPES[image.bitpix])
    strides = [stride * dtype.itemsize for stride in image.strides]
    start = image.data_offset + sum(map(mul, image.indices(plane), strides[2:]))
    rows, columns = image.shape
    needed = start + (rows - 1) * strides[1] + (columns - 1) * strides[0] + dtype.itemsize
    if len(data) < needed:
        raise HeaderError(
            "truncated",
            f"the header promises {needed} bytes, {len(data)} came; the file is cut short",
        )
    return np.ndarray((rows, columns), dtype, data, start, (strides[1], strides[0]))


def lowest_code(image: FitsImage) -> np.float32 | None:
    """Return the pixel that the lowest whole number of a file stands for, where it may be a blank.

    None if the pixels are no signed whole numbers, or if BLANK names another one.
    """
    if image.bitpix <= 8:
        return None
    cards = Cards(image.header)
    if "BLANK" in cards:
        return None
    lowest = float(np.iinfo(_DTYPES[image.bitpix]).min)
    scale, zero = _scaling(cards)
    # With this zero the lowest code is 0 of unsigned numbers: FITS 4.0, table 11.
    if zero == -lowest * scale:
        return None
    return np.float32(lowest * scale + zero)
