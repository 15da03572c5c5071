"""Islands of pixels above the analysis threshold, and the peaks in them."""

import numpy as np
import numpy.typing as npt
from numba import njit

__all__ = ["find_peaks", "significance_row"]

_CHUNK_PX = 64


@njit(
    "void(float32[:, ::1], float64[:, ::1], float64[:, ::1], int64, float32[::1])",
    nogil=True,
    error_model="numpy",
    cache=True,
)
def significance_row(
    pixels: npt.NDArray[np.float32],
    mean: npt.NDArray[np.float64],
    rms: npt.NDArray[np.float64],
    y: int,
    out: npt.NDArray[np.float32],
) -> None:
    """Fill one row of (pixel - background) / rms, both bilinear between cell centres.

    Parameters
    ----------
    pixels : (ny, nx) float32
        Image [Jy/beam]; NaN is blank.
    mean, rms : (rows, columns) float64
        Grids without NaN [Jy/beam].
    y : int
        Row [px].
    out : (nx,) float32
        Out: significance [sigma]; NaN where blank.
    """
    ny, nx = pixels.shape
    rows, columns = mean.shape
    v = min(max((y + 0.5) * rows / ny - 0.5, 0.0), rows - 1.0)
    low = int(v)
    high = min(low + 1, rows - 1)
    fy = v - low
    # Between two cell centres background and rms are linear in x: process segment by segment.
    segment_start = 0
    for column in range(-1, columns):
        # Pixels between the centres of `column` and `column + 1`, clamped at the ends.
        end = nx
        if column + 1 < columns:
            end = int(np.ceil((column + 1.5) * nx / columns - 0.5))
            end = min(max(end, segment_start), nx)
        left, right = max(column, 0), min(column + 1, columns - 1)
        m0 = mean[low, left] * (1 - fy) + mean[high, left] * fy
        m1 = mean[low, right] * (1 - fy) + mean[high, right] * fy
        r0 = rms[low, left] * (1 - fy) + rms[high, left] * fy
        r1 = rms[low, right] * (1 - fy) + rms[high, right] * fy
        scale = columns / nx
        origin = (0.5 * scale - 0.5) - left
        if left == right:
            scale, origin = 0.0, 0.0
        m_start, m_step = np.float32(m0 + (m1 - m0) * origin), np.float32((m1 - m0) * scale)
        r_start, r_step = np.float32(r0 + (r1 - r0) * origin), np.float32((r1 - r0) * scale)
        # Slices allow SIMD: no index in the loop can be negative.
        values, results = pixels[y, segment_start:end], out[segment_start:end]
        first = np.float32(segment_start)
        for x in range(values.size):
            at = first + np.float32(x)
            results[x] = (values[x] - (m_start + m_step * at)) / (r_start + r_step * at)
        segment_start = end


@njit("int64(float32[::1], int64, float32)", nogil=True, error_model="numpy", cache=True)
def _next_above(line: npt.NDArray[np.float32], start: int, threshold: np.float32) -> int:
    """Return the first index from `start` on whose value exceeds the threshold, or the size."""
    # Most of a row is below the threshold: counting a chunk uses SIMD, a search cannot.
    for chunk_start in range(start, line.size, _CHUNK_PX):
        chunk = line[chunk_start : chunk_start + _CHUNK_PX]
        n_above = 0
        for index in range(chunk.size):
            n_above += 1 if chunk[index] > threshold else 0
        if n_above == 0:
            continue
        for index in range(chunk.size):
            if chunk[index] > threshold:
                return chunk_start + index
    return line.size


@njit("int64(float32[::1], int64, float32)", nogil=True, error_model="numpy", cache=True)
def _run_end(line: npt.NDArray[np.float32], start: int, threshold: np.float32) -> int:
    """Return the first index from `start` on whose value does not exceed the threshold."""
    tail = line[start:]
    for index in range(tail.size):
        if not tail[index] > threshold:
            return start + index
    return line.size


@njit("int64(int64[::1], int64)", nogil=True, error_model="numpy", cache=True)
def _root(parent: npt.NDArray[np.int64], run: int) -> int:
    while parent[run] != run:
        parent[run] = parent[parent[run]]
        run = parent[run]
    return run


@njit(
    "UniTuple(int64[::1], 4)(float32[:, ::1], float64[:, ::1], float64[:, ::1],"
    " float64, float64, UniTuple(int64, 2), UniTuple(int64, 2), boolean)",
    nogil=True,
    error_model="numpy",
    cache=True,
)
def find_peaks(
    pixels: npt.NDArray[np.float32],
    mean: npt.NDArray[np.float64],
    rms: npt.NDArray[np.float64],
    detection_threshold_sigma: float,
    analysis_threshold_sigma: float,
    searched_rows_px: tuple[int, int],
    searched_columns_px: tuple[int, int],
    diagonal: bool,  # noqa: FBT001  (kernels take their arguments in order)
) -> tuple[
    npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]
]:
    """Find local maxima above the detection threshold and the island of each.

    Parameters
    ----------
    pixels : (ny, nx) float32
        Image [Jy/beam]; NaN is blank.
    mean, rms : (rows, columns) float64
        Grids without NaN [Jy/beam].
    detection_threshold_sigma, analysis_threshold_sigma : float
        Of a peak, and of the pixels of its island [sigma].
    searched_rows_px, searched_columns_px : (int, int)
        First row and the one after the last in which peaks count, and the same of columns [px].
    diagonal : bool
        Whether pixels that touch at a corner are of one island (8-connected) or not (4).

    Returns
    -------
    y, x, island, island_pixels : four (n,) int64
        Peaks in raster order [px]; those with the same `island` number are in one island, which
        has `island_pixels` pixels. A plateau of equal pixels gives one peak, its first in
        raster order.

    References
    ----------
    Spreeuw et al. (2018), A&C 23, 92: islands above an analysis threshold that have a peak above
    a detection threshold.
    """
    ny, nx = pixels.shape
    parent = np.empty(1024, np.int64)
    size = np.empty(1024, np.int64)
    n_runs = 0
    peak_y = np.empty(256, np.int64)
    peak_x = np.empty(256, np.int64)
    peak_run = np.empty(256, np.int64)
    n_peaks = 0
    rows3 = np.full((3, nx), np.nan, np.float32)
    run_start = np.empty((2, nx // 2 + 1), np.int64)
    run_end = np.empty((2, nx // 2 + 1), np.int64)
    run_id = np.empty((2, nx // 2 + 1), np.int64)
    n_row = np.zeros(2, np.int64)
    threshold = np.float32(analysis_threshold_sigma)
    detection = np.float32(detection_threshold_sigma)
    corner = 1 if diagonal else 0
    above, here, under = rows3[0], rows3[1], rows3[2]
    significance_row(pixels, mean, rms, 0, here)
    for y in range(ny):
        if y + 1 < ny:
            significance_row(pixels, mean, rms, y + 1, under)
        else:
            under[:] = np.nan
        now, before = y % 2, 1 - y % 2
        n_row[now] = 0
        x = 0
        first_before = 0
        while True:
            start = _next_above(here, x, threshold)
            if start >= nx:
                break
            x = _run_end(here, start, threshold)
            if n_runs == parent.size:
                grown = np.empty(2 * n_runs, np.int64)
                grown[:n_runs] = parent
                parent = grown
                grown = np.empty(2 * n_runs, np.int64)
                grown[:n_runs] = size
                size = grown
            run = n_runs
            parent[run] = run
            size[run] = x - start
            n_runs += 1
            while (
                first_before < n_row[before] and run_end[before, first_before] < start + 1 - corner
            ):
                first_before += 1
            other = first_before
            while other < n_row[before] and run_start[before, other] < x + corner:
                a, b = _root(parent, run), _root(parent, run_id[before, other])
                if a != b:
                    # The older run is the root, whatever the order of unions.
                    older, newer = min(a, b), max(a, b)
                    parent[newer] = older
                    size[older] += size[newer]
                other += 1
            run_start[now, n_row[now]] = start
            run_end[now, n_row[now]] = x
            run_id[now, n_row[now]] = run
            n_row[now] += 1
            if searched_rows_px[0] <= y < searched_rows_px[1]:
                for at in range(
                    max(start, searched_columns_px[0]), min(x, searched_columns_px[1])
                ):
                    value = here[at]
                    if value < detection:
                        continue
                    highest = True
                    for column in range(max(at - 1, 0), min(at + 2, nx)):
                        # A plateau's first pixel in raster order is its peak.
                        if above[column] >= value or under[column] > value:
                            highest = False
                        if here[column] > value or (column < at and here[column] == value):
                            highest = False
                    if highest:
                        if n_peaks == peak_y.size:
                            more = np.empty((3, 2 * n_peaks), np.int64)
                            more[0, :n_peaks] = peak_y
                            more[1, :n_peaks] = peak_x
                            more[2, :n_peaks] = peak_run
                            peak_y = more[0].copy()
                            peak_x = more[1].copy()
                            peak_run = more[2].copy()
                        peak_y[n_peaks] = y
                        peak_x[n_peaks] = at
                        peak_run[n_peaks] = run
                        n_peaks += 1
        above, here, under = here, under, above
    island = np.empty(n_peaks, np.int64)
    island_pixels = np.empty(n_peaks, np.int64)
    for peak in range(n_peaks):
        island[peak] = _root(parent, peak_run[peak])
        island_pixels[peak] = size[island[peak]]
    return peak_y[:n_peaks].copy(), peak_x[:n_peaks].copy(), island, island_pixels
