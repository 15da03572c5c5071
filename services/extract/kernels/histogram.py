"""Histogram of the significance of the pixels."""

import numpy as np
import numpy.typing as npt
from numba import njit

from services.extract.kernels.islands import significance_row

__all__ = ["significance_histogram"]


@njit(
    "int64(float32[:, ::1], float64[:, ::1], float64[:, ::1], float64, int64[::1])",
    nogil=True,
    error_model="numpy",
    cache=True,
)
def significance_histogram(
    pixels: npt.NDArray[np.float32],
    mean: npt.NDArray[np.float64],
    rms: npt.NDArray[np.float64],
    bin_sigma: float,
    counts: npt.NDArray[np.int64],
) -> int:
    """Count the pixels by significance.

    Parameters
    ----------
    pixels : (ny, nx) float32
        Image [Jy/beam]; NaN is blank.
    mean, rms : (rows, columns) float64
        Grids without NaN [Jy/beam].
    bin_sigma : float
        Width of a bin [sigma].
    counts : (n,) int64
        Out: pixels from i to i + 1 bins above 0; the last bin includes all higher ones.

    Returns
    -------
    int
        Number of pixels that are not blank, including those below 0.
    """
    ny, nx = pixels.shape
    counts[:] = 0
    line = np.empty(nx, np.float32)
    n_valid = 0
    last = counts.size - 1
    for y in range(ny):
        significance_row(pixels, mean, rms, y, line)
        for x in range(nx):
            value = line[x]
            if np.isnan(value):
                continue
            n_valid += 1
            if value >= 0.0:
                counts[int(min(value / bin_sigma, float(last)))] += 1
    return n_valid
