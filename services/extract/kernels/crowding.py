"""Cells that sources crowd, and their pixels without these sources."""

import math

import numpy as np
import numpy.typing as npt
from numba import njit

__all__ = ["leave_out_sources", "raised_shares"]

_AREA_PER_AXES = math.pi / (4.0 * math.log(2.0))


@njit(nogil=True, error_model="numpy", cache=True)
def _mean_around(values: npt.NDArray[np.float64], row: int, column: int) -> float:
    """Return the mean of a cell and those up to two cells away."""
    total, n_cells = 0.0, 0
    for y in range(max(0, row - 2), min(values.shape[0], row + 3)):
        for x in range(max(0, column - 2), min(values.shape[1], column + 3)):
            total += values[y, x]
            n_cells += 1
    return total / n_cells


@njit(
    "float64(float64[:, ::1], UniTuple(float64, 2), UniTuple(int64, 2), float64[:, ::1])",
    nogil=True,
    error_model="numpy",
    cache=True,
)
def raised_shares(
    sources: npt.NDArray[np.float64],
    limits_sigma: tuple[float, float],
    shape: tuple[int, int],
    shares: npt.NDArray[np.float64],
) -> float:
    """Compute which share of the pixels around each cell sources raise.

    Parameters
    ----------
    sources : (n, 5) float64
        x, y [px], height [rms], FWHM of major and minor axis [px].
    limits_sigma : (float, float)
        Least height of a source, and by how much it raises a pixel at least [rms].
    shape : (int, int)
        Rows and columns of the image [px].
    shares : (rows, columns) float64
        Out: area of the sources whose centres are in a cell and those up to two cells away, over
        the area of these cells. Overlaps count twice.

    Returns
    -------
    float
        The largest share.
    """
    rows, columns = shares.shape
    alone = np.zeros(shares.shape)
    cell_area = float(shape[0] * shape[1]) / (rows * columns)
    for source in range(sources.shape[0]):
        here = sources[source]
        height = abs(here[2])
        if not (height >= limits_sigma[0] and math.isfinite(here[0]) and math.isfinite(here[1])):
            continue
        # Of the Gaussian where it falls to the second limit.
        exponent = max(0.0, math.log(height / limits_sigma[1]))
        row = min(max((here[1] + 0.5) * rows / shape[0], 0.0), rows - 1.0)
        column = min(max((here[0] + 0.5) * columns / shape[1], 0.0), columns - 1.0)
        area = _AREA_PER_AXES * here[3] * here[4] * exponent
        alone[int(row), int(column)] += area / cell_area
    largest = 0.0
    for row in range(rows):
        for column in range(columns):
            shares[row, column] = _mean_around(alone, row, column)
            largest = max(largest, shares[row, column])
    return largest


@njit(nogil=True, error_model="numpy", cache=True)
def _leave_out(
    out: npt.NDArray[np.float32],
    y: int,
    x_run: tuple[int, int],
    ellipse: tuple[float, float, float],
    exponent: float,
) -> None:
    """Blank all pixels within an ellipse about any pixel of a run in a row."""
    a, b, c = ellipse
    ny, nx = out.shape
    half_y = int(math.sqrt(exponent * a / (a * c - b * b)))
    for row in range(max(0, y - half_y), min(ny, y + half_y + 1)):
        dy = float(row - y)
        half_x = math.sqrt(max(0.0, b * b * dy * dy - a * (c * dy * dy - exponent))) / a
        first = max(0, math.ceil(x_run[0] - b * dy / a - half_x))
        last = min(nx - 1, math.floor(x_run[1] - b * dy / a + half_x))
        for column in range(first, last + 1):
            out[row, column] = np.nan


@njit(nogil=True, error_model="numpy", cache=True)
def _between(pixel: int, n_pixels: int, n_cells: int) -> tuple[int, float]:
    """Return the cell before a pixel, and its part of the way to the next; 1 from the last on."""
    node = min(max((pixel + 0.5) * n_cells / n_pixels - 0.5, 0.0), n_cells - 1.0)
    before = min(int(node), max(0, n_cells - 2))
    return before, node - before


@njit(nogil=True, error_model="numpy", cache=True)
def _interpolate_row(
    grid: npt.NDArray[np.float64],
    row: tuple[int, float],
    columns: tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]],
    across: npt.NDArray[np.float64],
    values: npt.NDArray[np.float64],
) -> None:
    """Write a grid at the pixels of a row; `across` is room for its values at the columns."""
    low, v = row
    high = min(low + 1, grid.shape[0] - 1)
    for column in range(grid.shape[1]):
        across[column] = grid[low, column] * (1.0 - v) + grid[high, column] * v
    across[grid.shape[1]] = across[grid.shape[1] - 1]
    before, share = columns
    for x in range(values.size):
        left = before[x]
        values[x] = across[left] * (1.0 - share[x]) + across[left + 1] * share[x]


@njit(nogil=True, error_model="numpy", cache=True)
def _count_left(out: npt.NDArray[np.float32], left: npt.NDArray[np.float64]) -> None:
    """Write the share of the pixels of each cell that are finite."""
    (ny, nx), (rows, columns) = out.shape, left.shape
    for row in range(rows):
        y0, y1 = row * ny // rows, (row + 1) * ny // rows
        for column in range(columns):
            x0, x1 = column * nx // columns, (column + 1) * nx // columns
            n_left = 0
            for y in range(y0, y1):
                for x in range(x0, x1):
                    n_left += 1 if math.isfinite(out[y, x]) else 0
            left[row, column] = n_left / ((y1 - y0) * (x1 - x0))


@njit(
    "void(float32[:, ::1], float64[:, ::1], float64[:, ::1], UniTuple(float64, 3),"
    " UniTuple(float64, 2), float32[:, ::1], float64[:, ::1])",
    nogil=True,
    error_model="numpy",
    cache=True,
)
def leave_out_sources(
    pixels: npt.NDArray[np.float32],
    mean: npt.NDArray[np.float64],
    rms: npt.NDArray[np.float64],
    beam: tuple[float, float, float],
    margin: tuple[float, float],
    out: npt.NDArray[np.float32],
    left: npt.NDArray[np.float64],
) -> None:
    """Divide an image by its noise, and leave out what is far from the background.

    Above or below, so that noise is left out from both sides alike; and with a part of the beam
    about it, in which the wings of sources are.

    Parameters
    ----------
    pixels : (ny, nx) float32
        Image [Jy/beam]; NaN is blank.
    mean, rms : (rows, columns) float64
        Grids without NaN [Jy/beam].
    beam : (float, float, float)
        a, b, c of the beam exp(-(a dx^2 + 2 b dx dy + c dy^2)) [1/px^2].
    margin : (float, float)
        A pixel is far from here on [rms], and up to this exponent of the beam about it pixels are
        left out.
    out : (ny, nx) float32
        Out: pixels over rms; NaN where they are left out.
    left : (cell_rows, cell_columns) float64
        Out: share of the pixels of each cell that are in `out`.
    """
    ny, nx = pixels.shape
    rows, n_columns = rms.shape
    level, noise, across = np.empty(nx), np.empty(nx), np.empty(n_columns + 1)
    columns = np.empty(nx, np.int64), np.empty(nx)
    for x in range(nx):
        columns[0][x], columns[1][x] = _between(x, nx, n_columns)
    for y in range(ny):
        _interpolate_row(rms, _between(y, ny, rows), columns, across, noise)
        for x in range(nx):
            out[y, x] = pixels[y, x] / noise[x]
    far, exponent = margin
    for y in range(ny):
        row = _between(y, ny, rows)
        _interpolate_row(mean, row, columns, across, level)
        _interpolate_row(rms, row, columns, across, noise)
        begin = -1
        for x in range(nx + 1):
            is_far = x < nx and abs(pixels[y, x] - level[x]) > far * noise[x]
            if is_far and begin < 0:
                begin = x
            elif begin >= 0 and not is_far:
                _leave_out(out, y, (begin, x - 1), beam, exponent)
                begin = -1
    _count_left(out, left)
