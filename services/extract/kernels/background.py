"""Background and rms of each cell of an image, sigma-clipped."""

import math

import numpy as np
import numpy.typing as npt
from numba import njit

__all__ = ["CLIP_SIGMA", "CLIP_STD_RATIO", "background_grid", "fill_blank_cells"]

# Clip at 2.5 true sigma; the standard deviation of a normal distribution cut there is
# sqrt(1 - 2 k phi(k) / erf(k / sqrt 2)) of the true one.
CLIP_SIGMA = 2.5
CLIP_STD_RATIO = 0.9545988
# Its probability density at 0 is 1 / (this sigma): erf(k / sqrt 2) sqrt(2 pi).
CLIP_MEDIAN_SLOPE = 2.475498
# Beyond this skew [sigma] a cell is crowded and its median replaces the mode.
_MAX_SKEW = 0.3
# Cells are copied to rows of a whole number of SIMD registers, and four rows are added at a time:
# in an order that no compiler changes, which gives the same bits on every processor.
_LANES, _ROWS = 8, 4
# Of so many rows sums are float32.
_STRIPE = 64
# The beam correlates neighbouring rows, so half of them say nearly all about the noise of a cell.
# Cells of fewer rows use all.
_TALL_ROWS = 32


@njit(inline="always")
def _load_cell(
    pixels: npt.NDArray[np.float32],
    cell: tuple[int, int, int, int],
    step: int,
    box: npt.NDArray[np.float32],
) -> npt.NDArray[np.float32]:
    """Copy rows of the cell y0, y1, x0, x1 to the corner of a box; return the part that is filled.

    With a step of 2 it takes one row of each two, four times the lower and four times the upper
    one: a pattern of two rows enters as a whole. What is beyond the cell becomes blank.
    """
    y0, y1, x0, x1 = cell
    n_rows = (y1 - y0) // step
    part = box[: (n_rows + _ROWS - 1) // _ROWS * _ROWS]
    for y in range(part.shape[0]):
        n_used = x1 - x0 if y < n_rows else 0
        offset = (step - 1) * (y // 4 & 1)
        for x in range(n_used):
            part[y, x] = pixels[y0 + step * y + offset, x0 + x]
        for x in range(n_used, part.shape[1]):
            part[y, x] = np.nan
    return part


@njit(inline="always")
def _clipped_sums(
    box: npt.NDArray[np.float32],
    low: np.float32,
    high: np.float32,
    centre: np.float32,
    sums: tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.float32]],
) -> tuple[float, float, float]:
    """Return the number of pixels between two values, and of their deviations from the centre.

    Of these it is the sum, and that of their squares: one pass, without cancellation. `sums` is
    room for one sum a column: columns are added up in SIMD registers, in an order that is the
    same whatever their width.
    """
    zero, one = np.float32(0.0), np.float32(1.0)
    counts, totals, squares = sums
    count, total, square = 0.0, 0.0, 0.0
    for top in range(0, box.shape[0], _STRIPE):
        for x in range(counts.size):
            counts[x], totals[x], squares[x] = zero, zero, zero
        for y in range(top, min(box.shape[0], top + _STRIPE), _ROWS):
            a, b, c, d = box[y], box[y + 1], box[y + 2], box[y + 3]
            for x in range(counts.size):
                keep_a, keep_b = (a[x] > low) & (a[x] < high), (b[x] > low) & (b[x] < high)
                keep_c, keep_d = (c[x] > low) & (c[x] < high), (d[x] > low) & (d[x] < high)
                da = a[x] - centre if keep_a else zero
                db = b[x] - centre if keep_b else zero
                dc = c[x] - centre if keep_c else zero
                dd = d[x] - centre if keep_d else zero
                counts[x] += ((one if keep_a else zero) + (one if keep_b else zero)) + (
                    (one if keep_c else zero) + (one if keep_d else zero)
                )
                totals[x] += (da + db) + (dc + dd)
                squares[x] += (da * da + db * db) + (dc * dc + dd * dd)
        for x in range(counts.size):
            count += float(counts[x])
            total += float(totals[x])
            square += float(squares[x])
    return count, total, square


@njit(inline="always")
def _count_between(
    box: npt.NDArray[np.float32],
    low: np.float32,
    high: np.float32,
    counts: npt.NDArray[np.float32],
) -> float:
    """Return the number of pixels between two values; `counts` is room for one a column."""
    zero, one = np.float32(0.0), np.float32(1.0)
    for x in range(counts.size):
        counts[x] = zero
    for y in range(0, box.shape[0], _ROWS):
        a, b, c, d = box[y], box[y + 1], box[y + 2], box[y + 3]
        for x in range(counts.size):
            counts[x] += (
                (one if (a[x] > low) & (a[x] < high) else zero)
                + (one if (b[x] > low) & (b[x] < high) else zero)
            ) + (
                (one if (c[x] > low) & (c[x] < high) else zero)
                + (one if (d[x] > low) & (d[x] < high) else zero)
            )
    count = 0.0
    for x in range(counts.size):
        count += float(counts[x])
    return count


@njit(inline="always")
def _clip_cell(
    box: npt.NDArray[np.float32],
    min_pixels: int,
    max_iterations: int,
    sums: tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.float32]],
) -> tuple[float, float]:
    """Return background and rms of the pixels in a box [Jy/beam]; NaN if they are too few."""
    low, high, centre = np.float32(-np.inf), np.float32(np.inf), np.float32(0.0)
    last_low, last_centre = low, centre
    count, last_count, shift, spread = 0.0, -1.0, 0.0, np.nan
    for _ in range(max_iterations):
        last_low, last_centre = low, centre
        count, total, squares = _clipped_sums(box, low, high, centre, sums)
        if count < min_pixels:
            break
        shift = total / count
        variance = squares / count - shift * shift
        clipped = last_count >= 0.0
        spread = math.sqrt(max(variance, 0.0)) / (CLIP_STD_RATIO if clipped else 1.0)
        centre += np.float32(shift)
        if count == last_count:
            break
        last_count = count
        low = np.float32(centre - CLIP_SIGMA * spread)
        high = np.float32(centre + CLIP_SIGMA * spread)
    if count < min_pixels:
        return np.nan, np.nan
    below = _count_between(box, last_low, last_centre, sums[0])
    skew = (0.5 - below / count) * spread * CLIP_MEDIAN_SLOPE - shift
    is_crowded = abs(skew) > _MAX_SKEW * spread
    return float(centre + (1.0 if is_crowded else 2.5) * skew), spread


@njit(
    "int64(float32[:, ::1], int64, int64, float64[:, ::1], float64[:, ::1])",
    nogil=True,
    error_model="numpy",
    cache=True,
)
def background_grid(
    pixels: npt.NDArray[np.float32],
    min_pixels: int,
    max_iterations: int,
    mean: npt.NDArray[np.float64],
    rms: npt.NDArray[np.float64],
) -> int:
    """Compute the mode and the standard deviation of every cell after iterated clipping.

    Of cells of 32 rows or more half are used. Sources raise the clipped mean. The mode,
    2.5 median - 1.5 mean, is less biased; the median is estimated to first order from the
    fraction of pixels below the mean, without sorting. The standard deviation is divided by the
    factor by which clipping reduces that of a normal distribution.

    Parameters
    ----------
    pixels : (ny, nx) float32
        Image [Jy/beam]; NaN is blank.
    min_pixels : int
        Least number of valid pixels of a cell; one that has fewer, or fewer than half of them in
        the half that is used, becomes NaN.
    max_iterations : int
        Largest number of clipping iterations.
    mean, rms : (rows, columns) float64
        Out: background and rms [Jy/beam]. Cells divide the image into equal parts; one without
        noise, as a corner that was masked with a constant, becomes NaN, too.

    Returns
    -------
    int
        How many cells are not NaN.

    References
    ----------
    Bertin & Arnouts (1996), A&AS 117, 393, section 5.
    """
    ny, nx = pixels.shape
    rows, columns = mean.shape
    # Some cells are a pixel wider and higher than others, unless all are the same.
    width = (-(-nx // columns) + _LANES - 1) // _LANES * _LANES
    box = np.empty((-(-ny // rows) + _ROWS, width), np.float32)
    sums = (np.empty(width, np.float32), np.empty(width, np.float32), np.empty(width, np.float32))
    n_known = 0
    for row in range(rows):
        y0, y1 = row * ny // rows, (row + 1) * ny // rows
        for column in range(columns):
            cell = (y0, y1, column * nx // columns, (column + 1) * nx // columns)
            step = 2 if y1 - y0 >= _TALL_ROWS else 1
            part = _load_cell(pixels, cell, step, box)
            level, noise = _clip_cell(part, max(2, min_pixels // step), max_iterations, sums)
            is_known = noise > 0.0 and math.isfinite(noise) and math.isfinite(level)
            mean[row, column] = level if is_known else np.nan
            rms[row, column] = noise if is_known else np.nan
            n_known += 1 if is_known else 0
    return n_known


@njit(nogil=True, error_model="numpy", cache=True)
def _has_blank(grid: npt.NDArray[np.float64]) -> bool:
    """Return whether a cell is not finite."""
    for row in range(grid.shape[0]):
        for column in range(grid.shape[1]):
            if not math.isfinite(grid[row, column]):
                return True
    return False


def fill_blank_cells(
    grid: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    """Return the grid with each blank cell replaced by the mean of its nearest valid ones.

    Parameters
    ----------
    grid : (rows, columns) float64
        NaN where blank; at least one cell must not be.

    Returns
    -------
    (rows, columns) float64
        Without NaN; the input is not modified.
    """
    if not _has_blank(grid):
        return grid
    y, x = np.nonzero(np.isfinite(grid))
    filled = grid.copy()
    for row, column in zip(*np.nonzero(~np.isfinite(grid)), strict=True):
        distance = (y - row) ** 2 + (x - column) ** 2
        nearest = distance == distance.min()
        filled[row, column] = grid[y[nearest], x[nearest]].mean()
    return filled
