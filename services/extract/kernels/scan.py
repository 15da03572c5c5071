"""One pass over the pixels of an image: byte order, extremes, and runs of equal pixels."""

import numpy as np
import numpy.typing as npt
from numba import njit, types

__all__ = ["count_blank", "scan_pixels", "swap_and_scan"]

_STORED = types.Array(types.uint32, 2, "C", readonly=True)
_SCANNED = types.UniTuple(types.float32, 2)  # type: ignore[no-untyped-call]
_WORDS, _PIXELS = types.uint32[:, ::1], types.float32[:, ::1]
_VALUES, _COUNTS = types.float32[::1], types.int64[::1]


@njit(
    nogil=True,
    error_model="numpy",
    cache=True,
)
def _scan_line(
    line: npt.NDArray[np.float32],
    values: npt.NDArray[np.float32],
    low: npt.NDArray[np.float32],
    high: npt.NDArray[np.float32],
    n_pairs: npt.NDArray[np.int64],
) -> None:
    """Add a row to the extremes of each column and to the pairs of each value."""
    nx = line.size
    # An extreme a column: without a reduction this loop uses SIMD, and NaN is ignored.
    for x in range(nx):
        low[x] = min(low[x], line[x])
        high[x] = max(high[x], line[x])
    before, after = line[: nx - 1], line[1:]
    n_equal = np.int32(0)
    for x in range(nx - 1):
        n_equal += np.int32(1) if before[x] == after[x] else np.int32(0)
    if n_equal == 0:
        return
    for x in range(nx - 1):
        if before[x] == after[x]:
            for index in range(values.size):
                n_pairs[index] += 1 if before[x] == values[index] else 0


@njit(_SCANNED(_PIXELS, _VALUES, _COUNTS), nogil=True, error_model="numpy", cache=True)
def scan_pixels(
    pixels: npt.NDArray[np.float32],
    values: npt.NDArray[np.float32],
    n_pairs: npt.NDArray[np.int64],
) -> tuple[np.float32, np.float32]:
    """Return the lowest and highest pixel, and count neighbours that have the same given value.

    Parameters
    ----------
    pixels : (ny, nx) float32
        Image; NaN is blank.
    values : (n,) float32
        Values that may stand for blank.
    n_pairs : (n,) int64
        Out: how many pixels have each value and the pixel before them in their row has it, too.

    Returns
    -------
    lowest, highest : float32
        Infinite, of the wrong sign, if every pixel is blank.
    """
    ny, nx = pixels.shape
    n_pairs[:] = 0
    low, high = np.full(nx, np.inf, np.float32), np.full(nx, -np.inf, np.float32)
    for y in range(ny):
        _scan_line(pixels[y], values, low, high, n_pairs)
    return low.min(), high.max()


@njit("int64(float32[:, ::1])", nogil=True, error_model="numpy", cache=True)
def count_blank(pixels: npt.NDArray[np.float32]) -> int:
    """Return how many pixels are NaN."""
    n_blank = 0
    for y in range(pixels.shape[0]):
        line, n_of_row = pixels[y], np.int32(0)
        for x in range(line.size):
            n_of_row += np.int32(1) if line[x] != line[x] else np.int32(0)
        n_blank += int(n_of_row)
    return n_blank


@njit(
    _SCANNED(_STORED, _VALUES, _COUNTS, _WORDS, _PIXELS),
    nogil=True,
    error_model="numpy",
    cache=True,
)
def swap_and_scan(
    stored: npt.NDArray[np.uint32],
    values: npt.NDArray[np.float32],
    n_pairs: npt.NDArray[np.int64],
    words: npt.NDArray[np.uint32],
    pixels: npt.NDArray[np.float32],
) -> tuple[np.float32, np.float32]:
    """Bring float32 pixels into the byte order of the machine, and scan each row as it comes.

    Parameters
    ----------
    stored : (ny, nx) uint32
        Image as FITS stores it, the highest byte first.
    values : (n,) float32
        As in `scan_pixels`.
    n_pairs : (n,) int64
        Out, as in `scan_pixels`.
    words, pixels : (ny, nx) uint32 and float32
        Out: the image; two views of the same memory.

    Returns
    -------
    lowest, highest : float32
        As of `scan_pixels`.
    """
    ny, nx = stored.shape
    n_pairs[:] = 0
    low, high = np.full(nx, np.inf, np.float32), np.full(nx, -np.inf, np.float32)
    for y in range(ny):
        taken, given = stored[y], words[y]
        for x in range(nx):
            word = taken[x]
            given[x] = (
                (word >> np.uint32(24))
                | ((word >> np.uint32(8)) & np.uint32(0xFF00))
                | ((word & np.uint32(0xFF00)) << np.uint32(8))
                | (word << np.uint32(24))
            )
        _scan_line(pixels[y], values, low, high, n_pairs)
    return low.min(), high.max()
