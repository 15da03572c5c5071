"""Pixels of a file, and their checks: constants that stand for blank, and impossible values."""

import math

import numpy as np
import numpy.typing as npt

from schemas.reasons import ImageReason
from services.extract.errors import RejectedImageError
from services.extract.kernels.scan import scan_pixels, swap_and_scan
from sky.fits import FitsImage
from sky.fits_pixels import decode_pixels, lowest_code, plain_floats

__all__ = ["blank_constants", "check_pixels", "read_pixels"]

Pixels = npt.NDArray[np.float32]
Extremes = tuple[np.float32, np.float32]

# Values that imagers and converters write for blank pixels, besides NaN and BLANK.
_USUAL_BLANKS = frozenset(np.array(
    [-32768.0, -9999.0, -999.0, 9999.0, 99999.0, 1e20, -1e20, 1e30, -1e30, 3.4028235e38,
     -3.4028235e38, 1.7014118e38, -1.7014118e38, 2147483648.0, -2147483648.0], dtype=np.float32
).tolist())  # fmt: skip
# A repeated value beyond this stands for blank.
_HIGHEST_VALUE = float(np.float32(1e19))
# The Sun in a burst at 20 MHz has 1e10 Jy.
_HIGHEST_JY_BEAM = 1e12
# By chance, noise has few equal neighbours.
_LEAST_RUN_FRACTION = 0.5
_LEAST_PIXELS = 16
# At least this fraction stays valid; a nearly constant image is rejected for its noise.
_LEAST_VALID_FRACTION = 0.01
_MOST_VALUES = 8
# Whole numbers nearer to zero are met by chance.
_HIGHEST_WHOLE = -10


def read_pixels(data: bytes, fits: FitsImage) -> tuple[Pixels, tuple[str, ...], Extremes]:
    """Return the pixels of an image without the constants that stand for blank.

    Parameters
    ----------
    data : bytes
        The FITS file.
    fits : FitsImage
        What `open_fits` found in it.

    Returns
    -------
    (ny, nx) float32
        As of `decode_pixels`, NaN where blank.
    tuple of str, tuple of two float32
        As of `blank_constants`.

    Raises
    ------
    HeaderError
        Codes ``truncated``, ``bad_header``.
    """
    stored = plain_floats(data, fits)
    if stored is None:
        pixels = decode_pixels(data, fits)
        return pixels, *blank_constants(
            pixels, is_integer=fits.bitpix > 0, lowest_code=lowest_code(fits)
        )
    pixels = np.empty(fits.shape, np.float32)
    values = _suspects(stored.view(">f4"))
    n_pairs = np.empty(values.size, np.int64)
    extremes = swap_and_scan(stored, values, n_pairs, pixels.view(np.uint32), pixels)
    return pixels, *_blank_suspects(pixels, values, n_pairs, extremes, is_integer=False)


def blank_constants(
    pixels: Pixels, *, is_integer: bool, lowest_code: np.float32 | None = None
) -> tuple[tuple[str, ...], Extremes]:
    """Set constants that stand for blank to NaN, in place; return which, with their counts.

    Recognised are the usual blank values (such as -32768, 1e20 or the largest float) where they
    are the lowest or highest value of the image, and runs of equal pixels that begin in a corner,
    are exactly zero, or the lowest and far below zero.

    Parameters
    ----------
    pixels : (ny, nx) float32
        Image in the unit of the file; modified.
    is_integer : bool
        The file holds whole numbers: equal neighbours, zeros too, are ordinary values then.
    lowest_code : float32, optional
        What the lowest whole number of such a file means: a run of it is blank.

    Returns
    -------
    tuple of str
        Such as ``blank_value 0 in 4096 px``.
    tuple of two float32
        Lowest and highest of the other pixels; the lowest is the larger one if there is none.
    """
    values = _suspects(pixels)
    if is_integer:
        values = np.array([] if lowest_code is None else [lowest_code], np.float32)
    n_pairs = np.empty(values.size, np.int64)
    extremes = scan_pixels(pixels, values, n_pairs)
    return _blank_suspects(pixels, values, n_pairs, extremes, is_integer=is_integer)


def _suspects(pixels: Pixels) -> Pixels:
    """Return zero and the values of the corners, which may be those of a blank border."""
    corners = (pixels.item(y, x) for y in (0, -1) for x in (0, -1))
    return np.array(list(dict.fromkeys([0.0, *filter(math.isfinite, corners)])), np.float32)


def _blank_suspects(
    pixels: Pixels,
    values: Pixels,
    n_pairs: npt.NDArray[np.int64],
    extremes: Extremes,
    *,
    is_integer: bool,
) -> tuple[tuple[str, ...], Extremes]:
    """Blank the usual values at the extremes, and suspects that have as many neighbours."""
    found = _blank_extremes(pixels, extremes, is_integer=is_integer)
    for value, n_of_value in zip(values, n_pairs.tolist(), strict=True):
        if n_of_value >= _LEAST_RUN_FRACTION * _LEAST_PIXELS:
            found += _blank_runs(pixels, value)
    lowest, highest = _extremes(pixels) if found else extremes
    return tuple(found), (lowest, highest)


def check_pixels(lowest: np.float32, highest: np.float32) -> None:
    """Reject an image that has no measurable pixels.

    Parameters
    ----------
    lowest, highest : float32
        Pixels [Jy/beam], as `blank_constants` found them.

    Raises
    ------
    RejectedImageError
        Codes ``all_blank``, ``flat``, ``infinite_pixels``, ``diverged``.
    """
    if lowest > highest:
        raise RejectedImageError(
            ImageReason.ALL_BLANK, "every pixel is blank (NaN): nothing to measure"
        )
    if not (np.isfinite(lowest) and np.isfinite(highest)):
        raise RejectedImageError(
            ImageReason.INFINITE_PIXELS,
            "the image holds infinite pixels; write blank pixels as NaN",
        )
    if max(-lowest, highest) > _HIGHEST_JY_BEAM:
        raise RejectedImageError(
            ImageReason.DIVERGED,
            f"the pixels reach from {lowest:g} to {highest:g} Jy/beam: the deconvolution "
            "diverged, or BUNIT is wrong",
        )
    if lowest == highest:
        raise RejectedImageError(
            ImageReason.FLAT, f"all valid pixels equal {lowest:g}: nothing was observed"
        )


def _extremes(pixels: Pixels) -> Extremes:
    """Return the lowest and highest value; the lowest is the larger one if there is none."""
    return scan_pixels(pixels, np.empty(0, np.float32), np.empty(0, np.int64))


def _blank_extremes(pixels: Pixels, extremes: Extremes, *, is_integer: bool) -> list[str]:
    found: list[str] = []
    for _ in range(_MOST_VALUES):
        blanked: list[str] = []
        for value in dict.fromkeys(extremes):
            if _is_blank_value(float(value)):
                blanked += _blank(pixels, pixels == value, value)
            elif not is_integer and _is_below_any_sky(float(value), extremes):
                blanked += _blank_runs(pixels, value)
        if not blanked:
            break
        found += blanked
        extremes = _extremes(pixels)
    return found


def _is_blank_value(value: float) -> bool:
    return math.isfinite(value) and (value in _USUAL_BLANKS or abs(value) >= _HIGHEST_VALUE)


def _is_below_any_sky(value: float, extremes: Extremes) -> bool:
    """Return whether a value is the lowest and suspect enough to look for runs of it."""
    lowest, highest = map(float, extremes)
    if not math.isfinite(value) or value != lowest:
        return False
    is_whole = value <= _HIGHEST_WHOLE and value.is_integer()
    # Side lobes are weaker than what they are of.
    return is_whole or lowest < -abs(highest)


def _blank_runs(pixels: Pixels, value: np.float32) -> list[str]:
    """Blank a value whose pixels lie side by side: a border or a mask."""
    is_value = pixels == value
    n_pixels = int(np.count_nonzero(is_value))
    if n_pixels < _LEAST_PIXELS:
        return []
    n_neighbours = int(np.count_nonzero(is_value[:, 1:] & is_value[:, :-1]))
    if n_neighbours < _LEAST_RUN_FRACTION * n_pixels:
        return []
    return _blank(pixels, is_value, value)


def _blank(pixels: Pixels, is_value: npt.NDArray[np.bool_], value: np.float32) -> list[str]:
    n_pixels = int(np.count_nonzero(is_value))
    n_valid = int(np.count_nonzero(np.isfinite(pixels)))
    is_single = n_pixels < 2  # a single impossible pixel is an error, not a blank value
    if is_single or n_valid - n_pixels < _LEAST_VALID_FRACTION * pixels.size:
        return []
    pixels[is_value] = np.nan
    return [f"blank_value {value:g} in {n_pixels} px"]
