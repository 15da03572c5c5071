"""Islands of pixels above the analysis threshold, and the peaks in them."""

import numpy as np
import numpy.typing as npt
from numba import njit

from services.extract.kernels.significance import band_bounds, segment_starts, significance_row

__all__ = ["find_peaks"]


@njit(nogil=True, error_model="numpy", cache=True)
def _root(parent: npt.NDArray[np.int64], run: int) -> int:
    while parent[run] != run:
        parent[run] = parent[parent[run]]
        run = parent[run]
    return run


@njit(nogil=True, error_model="numpy", cache=True)
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


@njit(nogil=True, error_model="numpy", cache=True)
def _grown(values: npt.NDArray[np.int64], least: int) -> npt.NDArray[np.int64]:
    """Return a copy with room for twice as many values, and for `least` of them."""
    grown = np.empty(max(2 * values.size, least), np.int64)
    grown[: values.size] = values
    return grown


@njit(
    nogil=True,
    error_model="numpy",
    cache=True,
)
def _label_row(
    line: npt.NDArray[np.float32],
    filled: npt.NDArray[np.int64],
    threshold: np.float32,
    corner: int,
    before: npt.NDArray[np.int64],
    n_before: int,
    now: npt.NDArray[np.int64],
    parent: npt.NDArray[np.int64],
    size: npt.NDArray[np.int64],
    n_runs: int,
) -> int:
    """Find the runs of pixels above a threshold in a row, and join them with the row before.

    They are among the columns `filled`. A run is a column of `before` and `now`: first pixel, the
    one after the last, number. `parent` and `size` of all runs have room for as many as a row can
    have. Returns the number of runs in this row.
    """
    n_now, first_before, index = 0, 0, 0
    while index < filled.size:
        start = filled[index]
        end = start
        while index < filled.size and filled[index] == end and line[end] > threshold:
            end, index = end + 1, index + 1
        if end == start:
            index += 1
            continue
        run = n_runs + n_now
        parent[run], size[run] = run, end - start
        while first_before < n_before and before[1, first_before] < start + 1 - corner:
            first_before += 1
        other = first_before
        while other < n_before and before[0, other] < end + corner:
            _join(parent, size, run, before[2, other])
            other += 1
        now[0, n_now], now[1, n_now], now[2, n_now] = start, end, run
        n_now += 1
    return n_now


@njit(
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
    # The rows y - 1, y and y + 1, at these modulo 3.
    lines = np.full((3, nx), np.nan, np.float32)
    runs, most_runs = np.empty((2, 3, nx // 2 + 1), np.int64), nx // 2 + 1
    found = np.empty((2, nx), np.int64)
    threshold = np.float32(analysis_threshold_sigma)
    detection = np.float32(detection_threshold_sigma)
    starts, bounds, until = segment_starts(nx, mean.shape[1]), np.empty(nx, np.float32), 0
    filled, n_filled = np.empty((3, nx), np.int64), np.zeros(3, np.int64)
    for under in range(ny + 1):
        if under < ny:
            if under == until:
                until = band_bounds(mean, rms, under, ny, analysis_threshold_sigma, starts, bounds)
            n_filled[under % 3] = significance_row(
                pixels, mean, rms, under, starts, bounds, filled[under % 3],
                n_filled[under % 3], lines[under % 3],
            )  # fmt: skip
        else:
            lines[under % 3] = np.nan
        y = under - 1
        if y < 0 or n_filled[y % 3] == 0:
            n_before = 0
            continue
        if n_runs + most_runs > parent.size:
            parent, size = _grown(parent, n_runs + most_runs), _grown(size, n_runs + most_runs)
        n_now = _label_row(
            lines[y % 3], filled[y % 3, : n_filled[y % 3]], threshold, 1 if diagonal else 0,
            runs[1 - y % 2], n_before, runs[y % 2], parent, size, n_runs,
        )  # fmt: skip
        n_runs, n_before = n_runs + n_now, n_now
        if n_now > 0 and searched_rows_px[0] <= y < searched_rows_px[1]:
            n_found = _peaks_of_row(
                lines[(y + 2) % 3], lines[y % 3], lines[under % 3], runs[y % 2], n_now, detection,
                searched_columns_px, found,
            )  # fmt: skip
            n_after = n_peaks + n_found
            if n_after > peak_y.size:
                peak_y, peak_x = _grown(peak_y, n_after), _grown(peak_x, n_after)
                peak_run = _grown(peak_run, n_after)
            peak_y[n_peaks:n_after] = y
            peak_x[n_peaks:n_after] = found[0, :n_found]
            peak_run[n_peaks:n_after] = found[1, :n_found]
            n_peaks = n_after
    island = np.empty(n_peaks, np.int64)
    for peak in range(n_peaks):
        island[peak] = _root(parent, peak_run[peak])
    return peak_y[:n_peaks].copy(), peak_x[:n_peaks].copy(), island, size[island]
