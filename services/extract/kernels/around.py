"""Cells of a grid compared with those around them."""

import math

import numpy as np
import numpy.typing as npt
from numba import njit

__all__ = ["border_rises", "median", "partly_blank_above_around", "rise_and_range"]


@njit(nogil=True, error_model="numpy", cache=True)
def _least_around(grid: npt.NDArray[np.float64], row: int, column: int) -> float:
    """Return the least of a cell and those around it; blank ones are never lower."""
    least = np.inf
    for y in range(max(row - 1, 0), min(row + 2, grid.shape[0])):
        for x in range(max(column - 1, 0), min(column + 2, grid.shape[1])):
            if grid[y, x] < least:  # noqa: PLR1730  (a blank one is never lower)
                least = grid[y, x]
    return least


@njit(
    "boolean(float32[:, ::1], UniTuple(int64, 2), int64, int64)",
    nogil=True,
    error_model="numpy",
    cache=True,
)
def _is_partly_blank(
    pixels: npt.NDArray[np.float32], shape: tuple[int, int], row: int, column: int
) -> bool:
    """Return whether a cell has a pixel that is not finite."""
    (ny, nx), (rows, columns) = pixels.shape, shape
    for y in range(row * ny // rows, (row + 1) * ny // rows):
        for x in range(column * nx // columns, (column + 1) * nx // columns):
            if not math.isfinite(pixels[y, x]):
                return True
    return False


@njit(
    "int64[:, ::1](float32[:, ::1], float64[:, ::1], float64)",
    nogil=True,
    error_model="numpy",
    cache=True,
)
def partly_blank_above_around(
    pixels: npt.NDArray[np.float32], grid: npt.NDArray[np.float64], ratio: float
) -> npt.NDArray[np.int64]:
    """Return cells that have blank pixels and exceed the least one around them by a factor.

    Parameters
    ----------
    pixels : (ny, nx) float32
        Image; NaN is blank.
    grid : (rows, columns) float64
        Of cells that divide the image into equal parts; NaN is blank.
    ratio : float
        More than 1.

    Returns
    -------
    (n, 2) int64
        Row and column, in raster order.
    """
    rows, columns = grid.shape
    found, n_found = np.empty((grid.size, 2), np.int64), 0
    for row in range(rows):
        for column in range(columns):
            if not grid[row, column] > ratio * _least_around(grid, row, column):
                continue
            if _is_partly_blank(pixels, (rows, columns), row, column):
                found[n_found, 0], found[n_found, 1] = row, column
                n_found += 1
    return found[:n_found].copy()


@njit(nogil=True, error_model="numpy", cache=True)
def _is_inner(grid: npt.NDArray[np.float64], row: int, column: int) -> bool:
    """Return whether a cell and the eight around it are there and known."""
    rows, columns = grid.shape
    if not (0 < row < rows - 1 and 0 < column < columns - 1):
        return False
    for y in range(row - 1, row + 2):
        for x in range(column - 1, column + 2):
            if not math.isfinite(grid[y, x]):
                return False
    return True


@njit("float64[::1](float64[:, ::1])", nogil=True, error_model="numpy", cache=True)
def border_rises(grid: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return how much higher each cell at the border is than those behind it.

    Parameters
    ----------
    grid : (rows, columns) float64
        Positive values; NaN is blank. The border is that of the grid, and of blank cells.

    Returns
    -------
    (n,) float64
        In raster order, ratios to the mean of those of the eight neighbours that are not at the
        border, where there is one.
    """
    rows, columns = grid.shape
    rises, n_rises = np.empty(grid.size), 0
    for row in range(rows):
        for column in range(columns):
            if not math.isfinite(grid[row, column]) or _is_inner(grid, row, column):
                continue
            behind, n_behind = 0.0, 0
            for y in range(max(row - 1, 0), min(row + 2, rows)):
                for x in range(max(column - 1, 0), min(column + 2, columns)):
                    if _is_inner(grid, y, x):
                        behind += grid[y, x]
                        n_behind += 1
            if n_behind > 0:
                rises[n_rises] = grid[row, column] * n_behind / behind
                n_rises += 1
    return rises[:n_rises].copy()


@njit(
    "UniTuple(float64, 3)(float64[:, ::1], float64)", nogil=True, error_model="numpy", cache=True
)
def rise_and_range(grid: npt.NDArray[np.float64], share: float) -> tuple[float, float, float]:
    """Return how much the border of a grid exceeds what is behind it, and its range.

    Parameters
    ----------
    grid : (rows, columns) float64
        Positive values; NaN is blank.
    share : float
        0 to 1.

    Returns
    -------
    three float
        What this share of the cells at the border do not exceed, as `border_rises` returned them
        (NaN if there is none); the least and the largest cell.
    """
    lowest, highest = np.inf, -np.inf
    for value in grid.flat:
        if math.isfinite(value):
            lowest, highest = min(lowest, value), max(highest, value)
    rises = np.sort(border_rises(grid))
    if rises.size == 0:
        return np.nan, lowest, highest
    place = share * (rises.size - 1)
    before = int(place)
    after = min(before + 1, rises.size - 1)
    rise = rises[before] + (rises[after] - rises[before]) * (place - before)
    return rise, lowest, highest


@njit("float64(float64[:, ::1])", nogil=True, error_model="numpy", cache=True)
def median(grid: npt.NDArray[np.float64]) -> float:
    """Return the median of a grid of known cells; that of numpy takes twenty times as long."""
    ordered = np.sort(grid.ravel())
    return float((ordered[(grid.size - 1) // 2] + ordered[grid.size // 2]) / 2.0)
