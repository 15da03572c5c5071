"""Islands of pixels above the analysis threshold, and the peaks in them."""

import numpy as np
import numpy.typing as npt
from numba import njit

from services.extract.kernels.significance import segment_starts, significance_row

__all__ = ["find_peaks"]

_CHUNK_PX = 16


@njit("int64(float32[::1], int64, int64, float32)", nogil=True, error_model="numpy", cache=True)
def _next_above(
    line: npt.NDArray[np.float32], start: int, stop: int, threshold: np.float32
) -> int:
    """Return the first index from `start` on whose value exceeds the threshold, or `stop`."""
    # Counting a chunk uses SIMD, a search cannot.
    for chunk_start in range(start, stop, _CHUNK_PX):
        chunk = line[chunk_start : min(chunk_start + _CHUNK_PX, stop)]
        n_above = 0
        for index in range(chunk.size):
            n_above += 1 if chunk[index] > threshold else 0
        if n_above == 0:
            continue
        for index in range(chunk.size):
            if chunk[index] > threshold:
                return chunk_start + index
    return stop


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
    "Tuple((int64[::1], int64[::1], int64, int64))(float32[::1], int64[::1], int64[::1], float32,"
    " int64, int64[:, ::1], int64, int64[:, ::1], int64[::1], int64[::1], int64)",
    nogil=True,
    error_model="numpy",
    cache=True,
)
def _label_row(
    line: npt.NDArray[np.float32],
    starts: npt.NDArray[np.int64],
    live: npt.NDArray[np.int64],
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

    They are in the segments `live`, and may reach into the one after. A run is a column of
    `before` and `now`: first pixel, the one after the last, number. Returns `parent` and `size`
    of all runs, their number, and the number of runs in this row.
    """
    n_now, first_before = 0, 0
    end = 0
    for segment in live:
        stop = starts[segment + 1]
        end = max(end, starts[segment])
        while True:
            start = _next_above(line, end, stop, threshold)
            if start >= stop:
                break
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
    return parent, size, n_runs, n_now


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
    starts, levels = segment_starts(nx, mean.shape[1]), np.empty((2, mean.shape[1]))
    limits = np.empty(starts.size - 1, np.float32)
    live, n_live = np.empty((3, starts.size), np.int64), np.zeros(3, np.int64)
    n_live[0] = significance_row(
        pixels, mean, rms, 0, analysis_threshold_sigma, starts, levels, limits, live[0], 0, here
    )
    for y in range(ny):
        at, following = y % 3, (y + 1) % 3
        if y + 1 < ny:
            n_live[following] = significance_row(
                pixels, mean, rms, y + 1, analysis_threshold_sigma, starts, levels, limits,
                live[following], n_live[following], under,
            )  # fmt: skip
        else:
            under[:] = np.nan
        parent, size, n_runs, n_now = _label_row(
            here, starts, live[at, : n_live[at]], threshold, 1 if diagonal else 0, before,
            n_before, now, parent, size, n_runs,
        )  # fmt: skip
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
