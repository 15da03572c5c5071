"""One pass over the pixels of an image: extremes, and runs of equal pixels."""

import numpy as np
import numpy.typing as npt
from numba import njit

__all__ = ["scan_pixels"]


@njit(
    "UniTuple(float32, 2)(float32[:, ::1], float32[::1], int64[::1])",
    nogil=True,
    error_model="numpy",
    cache=True,
)
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
    # An extreme a column: without a reduction these loops use SIMD, and NaN is ignored.
    low, high = np.full(nx, np.inf, np.float32), np.full(nx, -np.inf, np.float32)
    for y in range(ny):
        line = pixels[y]
        for x in range(nx):
            low[x] = min(low[x], line[x])
            high[x] = max(high[x], line[x])
        before, after = line[: nx - 1], line[1:]
        n_equal = np.int32(0)
        for x in range(nx - 1):
            n_equal += np.int32(1) if before[x] == after[x] else np.int32(0)
        if n_equal == 0:
            continue
        for x in range(nx - 1):
            if before[x] == after[x]:
                for index in range(values.size):
                    n_pairs[index] += 1 if before[x] == values[index] else 0
    return low.min(), high.max()
