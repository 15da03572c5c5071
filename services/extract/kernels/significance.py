"""Rows of an image in units of the local noise, where they may exceed a threshold."""

import numpy as np
import numpy.typing as npt
from numba import njit

__all__ = ["band_bounds", "segment_starts", "significance_row"]

# Rounding of float32 in the interpolation between two cells, for each column of cells.
_ROUNDING = 1e-6
# Rows that have one bound: background and noise change little in them.
_BAND_ROWS = 8
# Pixels of a row that are compared at once.
_BLOCK_PX = 64


@njit(nogil=True, error_model="numpy", cache=True)
def segment_starts(nx: int, columns: int) -> npt.NDArray[np.int64]:
    """Return the first pixel of each segment of a row, and one beyond the last.

    Parameters
    ----------
    nx : int
        Length of the row [px].
    columns : int
        Cells that divide it into equal parts.

    Returns
    -------
    (columns + 2,) int64
        Segment k lies between the centres of the cells k - 1 and k; background and noise are
        linear in it.
    """
    starts = np.empty(columns + 2, np.int64)
    starts[0] = 0
    for column in range(columns):
        end = int(np.ceil((column + 0.5) * nx / columns - 0.5))
        starts[column + 1] = min(max(end, starts[column]), nx)
    starts[columns + 1] = nx
    return starts


@njit(nogil=True, error_model="numpy", cache=True)
def _find_above(
    line: npt.NDArray[np.float32],
    bounds: npt.NDArray[np.float32],
    columns: npt.NDArray[np.int64],
) -> int:
    """Write the columns of pixels above their bounds; return how many there are."""
    n_found = 0
    for first in range(0, line.size, _BLOCK_PX):
        values, limits = line[first : first + _BLOCK_PX], bounds[first : first + _BLOCK_PX]
        # A count uses SIMD, a search cannot.
        n_above = np.int32(0)
        for x in range(values.size):
            n_above = np.int32(n_above + (np.int32(1) if values[x] > limits[x] else np.int32(0)))
        if n_above == 0:
            continue
        for x in range(values.size):
            # Without a branch there is none to mispredict.
            columns[n_found] = first + x
            n_found += 1 if values[x] > limits[x] else 0
    return n_found


@njit(nogil=True, error_model="numpy", cache=True)
def _cell_of(y: int, ny: int, rows: int) -> float:
    """Return where a row of the image is between the centres of cells."""
    return float(min(max((y + 0.5) * rows / ny - 0.5, 0.0), rows - 1.0))


@njit(nogil=True, error_model="numpy", cache=True)
def _level(grid: npt.NDArray[np.float64], cell: float, column: int) -> float:
    """Return a grid between the centres of two rows of cells, at the centre of a column."""
    low = int(cell)
    share = cell - low
    high = min(low + 1, grid.shape[0] - 1)
    return float(grid[low, column] * (1 - share) + grid[high, column] * share)


@njit(nogil=True, error_model="numpy", cache=True)
def band_bounds(
    mean: npt.NDArray[np.float64],
    rms: npt.NDArray[np.float64],
    y: int,
    ny: int,
    least_sigma: float,
    starts: npt.NDArray[np.int64],
    bounds: npt.NDArray[np.float32],
) -> int:
    """Write what a pixel of some rows exceeds if its significance exceeds a threshold.

    Between the centres of four cells background plus threshold is linear along each axis: its
    least value is at a corner. The allowance for rounding is that of all corners together.

    Parameters
    ----------
    mean, rms : (rows, columns) float64
        Grids without NaN [Jy/beam].
    y, ny : int
        First of the rows, and rows of the image [px].
    least_sigma : float
        Threshold [sigma].
    starts : (columns + 2,) int64
        As `segment_starts` returned them.
    bounds : (nx,) float32
        Out: for each column [Jy/beam]; minus infinity where the noise is not positive.

    Returns
    -------
    int
        The row after the last one that they hold for.
    """
    rows, columns = mean.shape
    first = _cell_of(y, ny, rows)
    last, until = first, y + 1
    while until < min(y + _BAND_ROWS, ny) and int(_cell_of(until, ny, rows)) == int(first):
        last, until = _cell_of(until, ny, rows), until + 1
    rounding = _ROUNDING * (columns + 8)
    for segment in range(columns + 1):
        bound, size, least_rms = np.inf, 0.0, np.inf
        for column in (max(segment - 1, 0), min(segment, columns - 1)):
            for cell in (first, last):
                level, noise = _level(mean, cell, column), _level(rms, cell, column)
                bound = min(bound, level + least_sigma * noise)
                size += abs(level) + abs(least_sigma) * noise
                least_rms = min(least_rms, noise)
        is_bound = least_rms > 0.0
        bounds[starts[segment] : starts[segment + 1]] = (
            bound - rounding * size if is_bound else -np.inf
        )
    return until


@njit(
    nogil=True,
    error_model="numpy",
    cache=True,
)
def significance_row(
    pixels: npt.NDArray[np.float32],
    mean: npt.NDArray[np.float64],
    rms: npt.NDArray[np.float64],
    y: int,
    starts: npt.NDArray[np.int64],
    bounds: npt.NDArray[np.float32],
    filled: npt.NDArray[np.int64],
    n_filled: int,
    out: npt.NDArray[np.float32],
) -> int:
    """Fill one row of (pixel - background) / rms, both bilinear between cell centres.

    Only pixels that may exceed the threshold are filled: most do not.

    Parameters
    ----------
    pixels : (ny, nx) float32
        Image [Jy/beam]; NaN is blank.
    mean, rms : (rows, columns) float64
        Grids without NaN [Jy/beam].
    y : int
        Row [px].
    starts : (columns + 2,) int64
        As `segment_starts` returned them.
    bounds : (nx,) float32
        As `band_bounds` wrote them for this row.
    filled : (nx,) int64
        Columns that are filled, in order: at entry those of the row that `out` held before.
    n_filled : int
        How many of them are at entry.
    out : (nx,) float32
        Out: significance [sigma]; NaN where blank, and at other pixels, where at entry it is NaN
        already.

    Returns
    -------
    int
        How many pixels are filled.
    """
    for index in range(n_filled):
        out[filled[index]] = np.nan
    (ny, nx), (rows, columns), line = pixels.shape, mean.shape, pixels[y]
    cell, segment, end = _cell_of(y, ny, rows), 0, 0
    m_start, m_step = np.float32(0.0), np.float32(0.0)
    r_start, r_step = np.float32(0.0), np.float32(0.0)
    n_filled = _find_above(line, bounds, filled)
    for index in range(n_filled):
        x = filled[index]
        if x >= end:
            while x >= starts[segment + 1]:
                segment += 1
            end = starts[segment + 1]
            left, right = max(segment - 1, 0), min(segment, columns - 1)
            m0, m1 = _level(mean, cell, left), _level(mean, cell, right)
            r0, r1 = _level(rms, cell, left), _level(rms, cell, right)
            scale = columns / nx if left != right else 0.0
            origin = (0.5 * scale - 0.5) - left if left != right else 0.0
            m_start, m_step = np.float32(m0 + (m1 - m0) * origin), np.float32((m1 - m0) * scale)
            r_start, r_step = np.float32(r0 + (r1 - r0) * origin), np.float32((r1 - r0) * scale)
        at = np.float32(x)
        out[x] = (line[x] - (m_start + m_step * at)) / (r_start + r_step * at)
    return n_filled
