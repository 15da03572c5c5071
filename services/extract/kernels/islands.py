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


@njit("void(int64[::1], int64[::1], int64, int64)", nogil=True, error_model="numpy", cache=True)
def _join(
    parent: npt.NDArray[np.int64], size: npt.NDArray[np.int64], run: int, other: int
) -> None:
    """Make one island of those of two runs."""
    a, b = _root(parent, run), _root(parent, other)
    if a != b:
        # The older run is the root, whatever the order of unions.
        older, newer = min(a, b), max(a, b)
        parent[newer] = older
        size[older] += size[newer]


@njit("int64[::1](int64[::1])", nogil=True, error_model="numpy", cache=True)
def _grown(values: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return a copy with room for twice as many values."""
    grown = np.empty(2 * values.size, np.int64)
    grown[: values.size] = values
    return grown


@njit(
    "Tuple((int64[::1], int64[::1], int64, int64))(float32[::1], float32, int64, int64[:, ::1],"
    " int64, int64[:, ::1], int64[::1], int64[::1], int64)",
    nogil=True,
    error_model="numpy",
    cache=True,
)
def _label_row(
    line: npt.NDArray[np.float32],
    threshold: np.float32,
    corner: int,
    before: npt.NDArray[np.int64],
    n_before: int,
    now: npt.NDArray[np.int64],
    parent: npt.NDArray[np.int64],
    size: npt.NDArray[np.int64],
    n_runs: int,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], int, int]:
    """Find the runs of pixels above a threshold in a row, and join them with the row before.

    A run is a column of `before` and `now`: first pixel, the one after the last, number. Returns
    `parent` and `size` of all runs, their number, and the number of runs in this row.
    """
    n_now, first_before = 0, 0
    end = 0
    while True:
        start = _next_above(line, end, threshold)
        if start >= line.size:
            return parent, size, n_runs, n_now
        end = _run_end(line, start, threshold)
        if n_runs == parent.size:
            parent, size = _grown(parent), _grown(size)
        parent[n_runs], size[n_runs] = n_runs, end - start
        while first_before < n_before and before[1, first_before] < start + 1 - corner:
            first_before += 1
        other = first_before
        while other < n_before and before[0, other] < end + corner:
            _join(parent, size, n_runs, before[2, other])
            other += 1
        now[0, n_now], now[1, n_now], now[2, n_now] = start, end, n_runs
        n_now += 1
        n_runs += 1


@njit(
    "boolean(float32[::1], float32[::1], float32[::1], int64)",
    nogil=True,
    error_model="numpy",
    cache=True,
)
def _is_peak(
    above: npt.NDArray[np.float32],
    here: npt.NDArray[np.float32],
    under: npt.NDArray[np.float32],
    at: int,
) -> bool:
    """Return whether no neighbour is higher; a plateau's first pixel in raster order is a peak."""
    value = here[at]
    for column in range(max(at - 1, 0), min(at + 2, here.size)):
        if above[column] >= value or under[column] > value:
            return False
        if here[column] > value or (column < at and here[column] == value):
            return False
    return True


@njit(
    "int64(float32[::1], float32[::1], float32[::1], int64[:, ::1], int64, float32,"
    " UniTuple(int64, 2), int64[:, ::1])",
    nogil=True,
    error_model="numpy",
    cache=True,
)
def _peaks_of_row(
    above: npt.NDArray[np.float32],
    here: npt.NDArray[np.float32],
    under: npt.NDArray[np.float32],
    runs: npt.NDArray[np.int64],
    n_runs: int,
    threshold: np.float32,
    searched_px: tuple[int, int],
    peaks: npt.NDArray[np.int64],
) -> int:
    """Write column and run of each peak of a row; return how many there are."""
    n_peaks = 0
    for run in range(n_runs):
        for at in range(max(runs[0, run], searched_px[0]), min(runs[1, run], searched_px[1])):
            if not here[at] < threshold and _is_peak(above, here, under, at):
                peaks[0, n_peaks], peaks[1, n_peaks] = at, runs[2, run]
                n_peaks += 1
    return n_peaks


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
    parent, size = np.empty(1024, np.int64), np.empty(1024, np.int64)
    peak_y, peak_x = np.empty(256, np.int64), np.empty(256, np.int64)
    peak_run = np.empty(256, np.int64)
    n_runs, n_peaks, n_before = 0, 0, 0
    lines = np.full((3, nx), np.nan, np.float32)
    above, here, under = lines[0], lines[1], lines[2]
    runs = np.empty((2, 3, nx // 2 + 1), np.int64)
    before, now = runs[0], runs[1]
    found = np.empty((2, nx), np.int64)
    threshold = np.float32(analysis_threshold_sigma)
    detection = np.float32(detection_threshold_sigma)
    significance_row(pixels, mean, rms, 0, here)
    for y in range(ny):
        if y + 1 < ny:
            significance_row(pixels, mean, rms, y + 1, under)
        else:
            under[:] = np.nan
        parent, size, n_runs, n_now = _label_row(
            here, threshold, 1 if diagonal else 0, before, n_before, now, parent, size, n_runs
        )
        if searched_rows_px[0] <= y < searched_rows_px[1]:
            n_found = _peaks_of_row(
                above, here, under, now, n_now, detection, searched_columns_px, found
            )
            while n_peaks + n_found > peak_y.size:
                peak_y, peak_x, peak_run = _grown(peak_y), _grown(peak_x), _grown(peak_run)
            peak_y[n_peaks : n_peaks + n_found] = y
            peak_x[n_peaks : n_peaks + n_found] = found[0, :n_found]
            peak_run[n_peaks : n_peaks + n_found] = found[1, :n_found]
            n_peaks += n_found
        above, here, under = here, under, above
        before, now, n_before = now, before, n_now
    island = np.empty(n_peaks, np.int64)
    for peak in range(n_peaks):
        island[peak] = _root(parent, peak_run[peak])
    return peak_y[:n_peaks].copy(), peak_x[:n_peaks].copy(), island, size[island]
