"""Rows of an image in units of the local noise, where they may exceed a threshold."""

import numpy as np
import numpy.typing as npt
from numba import njit

__all__ = ["segment_starts", "significance_row"]

# Rounding of float32 in the interpolation between two cells, for each column of cells.
_ROUNDING = 1e-6


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


@njit(
    nogil=True,
    error_model="numpy",
    cache=True,
)
def _find_live(
    line: npt.NDArray[np.float32],
    starts: npt.NDArray[np.int64],
    limits: npt.NDArray[np.float32],
    live: npt.NDArray[np.int64],
) -> int:
    """Write the segments with a pixel above their limit; return how many there are."""
    n_live = 0
    for segment in range(limits.size):
        values, limit = line[starts[segment] : starts[segment + 1]], limits[segment]
        # A count uses SIMD, a search cannot.
        n_above = np.int32(0)
        for x in range(values.size):
            n_above = np.int32(n_above + (np.int32(1) if values[x] > limit else np.int32(0)))
        live[n_live] = segment
        n_live += 1 if n_above > 0 else 0
    return n_live


@njit(
    nogil=True,
    error_model="numpy",
    cache=True,
)
def _set_levels(
    mean: npt.NDArray[np.float64],
    rms: npt.NDArray[np.float64],
    row: float,
    least_sigma: float,
    levels: npt.NDArray[np.float64],
    limits: npt.NDArray[np.float32],
) -> None:
    """Write background and rms at the cell centres of a row, and a limit for each segment.

    No pixel of a segment that is below its limit exceeds the threshold, whatever the rounding.
    """
    rows, columns = mean.shape
    low = int(row)
    high = min(low + 1, rows - 1)
    share = row - low
    rounding = _ROUNDING * (columns + 8)
    for column in range(columns):
        levels[0, column] = mean[low, column] * (1 - share) + mean[high, column] * share
        levels[1, column] = rms[low, column] * (1 - share) + rms[high, column] * share
    for segment in range(columns + 1):
        left, right = max(segment - 1, 0), min(segment, columns - 1)
        m0, m1, r0, r1 = levels[0, left], levels[0, right], levels[1, left], levels[1, right]
        size = abs(m0) + abs(m1) + abs(least_sigma) * (r0 + r1)
        limit = min(m0 + least_sigma * r0, m1 + least_sigma * r1) - rounding * size
        # Where the rms is not positive nothing is a limit.
        limits[segment] = limit if min(r0, r1) > 0.0 else -np.inf


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
    least_sigma: float,
    starts: npt.NDArray[np.int64],
    levels: npt.NDArray[np.float64],
    limits: npt.NDArray[np.float32],
    live: npt.NDArray[np.int64],
    n_live: int,
    out: npt.NDArray[np.float32],
) -> int:
    """Fill one row of (pixel - background) / rms, both bilinear between cell centres.

    Only segments with a pixel above the threshold are filled: most have none.

    Parameters
    ----------
    pixels : (ny, nx) float32
        Image [Jy/beam]; NaN is blank.
    mean, rms : (rows, columns) float64
        Grids without NaN [Jy/beam].
    y : int
        Row [px].
    least_sigma : float
        Threshold [sigma].
    starts : (columns + 2,) int64
        As `segment_starts` returned them.
    levels : (2, columns) float64
        Room for background and rms at the cell centres of a row.
    limits : (columns + 1,) float32
        Room for the lowest threshold of each segment.
    live : (columns + 2,) int64
        The segments that are filled: at entry those of the row that `out` held before.
    n_live : int
        How many of them are at entry.
    out : (nx,) float32
        Out: significance [sigma]; NaN where blank, and in other segments, where at entry it is
        NaN already.

    Returns
    -------
    int
        How many segments are filled.
    """
    for index in range(n_live):
        out[starts[live[index]] : starts[live[index] + 1]] = np.nan
    (ny, nx), (rows, columns) = pixels.shape, mean.shape
    row = min(max((y + 0.5) * rows / ny - 0.5, 0.0), rows - 1.0)
    _set_levels(mean, rms, row, least_sigma, levels, limits)
    n_live = _find_live(pixels[y], starts, limits, live)
    for segment in live[:n_live]:
        start, end = starts[segment], starts[segment + 1]
        left, right = max(segment - 1, 0), min(segment, columns - 1)
        m0, m1, r0, r1 = levels[0, left], levels[0, right], levels[1, left], levels[1, right]
        scale = columns / nx if left != right else 0.0
        origin = (0.5 * scale - 0.5) - left if left != right else 0.0
        m_start, m_step = np.float32(m0 + (m1 - m0) * origin), np.float32((m1 - m0) * scale)
        r_start, r_step = np.float32(r0 + (r1 - r0) * origin), np.float32((r1 - r0) * scale)
        # Slices allow SIMD: no index in the loop can be negative.
        values, results, first = pixels[y, start:end], out[start:end], np.float32(start)
        for x in range(values.size):
            at = first + np.float32(x)
            results[x] = (values[x] - (m_start + m_step * at)) / (r_start + r_step * at)
    return n_live
