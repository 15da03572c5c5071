"""Background and noise at pixels, interpolated in their grids."""

import numpy as np
import numpy.typing as npt
from numba import njit

__all__ = ["grids_at"]


@njit(
    "Tuple((int64, int64, float64))(int64, int64, int64)",
    nogil=True,
    error_model="numpy",
    cache=True,
)
def _between(pixel: int, n_pixels: int, n_cells: int) -> tuple[int, int, float]:
    """Return the cells before and after a pixel, and its part of the way between their centres."""
    node = min(max((pixel + 0.5) * n_cells / n_pixels - 0.5, 0.0), n_cells - 1.0)
    before = int(node)
    return before, min(before + 1, n_cells - 1), node - before


@njit(
    "void(float64[:, ::1], float64[:, ::1], UniTuple(int64, 2), int64[::1], int64[::1],"
    " float64[:, ::1])",
    nogil=True,
    error_model="numpy",
    cache=True,
)
def grids_at(
    mean: npt.NDArray[np.float64],
    rms: npt.NDArray[np.float64],
    shape: tuple[int, int],
    y: npt.NDArray[np.int64],
    x: npt.NDArray[np.int64],
    out: npt.NDArray[np.float64],
) -> None:
    """Interpolate both grids at pixels, as `sky.rms_grid.rms_at` does.

    Parameters
    ----------
    mean, rms : (rows, columns) float64
        At the cell centres [Jy/beam].
    shape : (int, int)
        Rows and columns of the image [px].
    y, x : (n,) int64
        Pixels of the image [px].
    out : (2, n) float64
        Out: background and rms [Jy/beam].
    """
    rows, columns = mean.shape
    for index in range(y.size):
        low, high, v = _between(y[index], shape[0], rows)
        left, right, u = _between(x[index], shape[1], columns)
        for number in range(2):
            grid = mean if number == 0 else rms
            below = grid[low, left] * (1 - u) + grid[low, right] * u
            above = grid[high, left] * (1 - u) + grid[high, right] * u
            out[number, index] = below * (1 - v) + above * v
