"""The peaks around each peak."""

import math

import numpy as np
import numpy.typing as npt
from numba import njit

__all__ = ["nearest_neighbours", "nearest_two_ways", "pairs_within", "those_within"]


@njit(inline="always")
def _insert(
    nearest: npt.NDArray[np.int64], distances: npt.NDArray[np.int64], other: int, distance: int
) -> None:
    """Put a peak in its place among the nearest; of equally near ones the first is nearer."""
    last = nearest.size - 1
    if nearest[last] >= 0 and distances[last] <= distance:
        return
    at = last
    while at > 0 and (nearest[at - 1] < 0 or distances[at - 1] > distance):
        nearest[at], distances[at] = nearest[at - 1], distances[at - 1]
        at -= 1
    nearest[at], distances[at] = other, distance


@njit(
    "void(int64[::1], int64[::1], float64, int64[:, ::1])",
    nogil=True,
    error_model="numpy",
    cache=True,
)
def nearest_neighbours(
    y: npt.NDArray[np.int64],
    x: npt.NDArray[np.int64],
    radius_px: float,
    nearest: npt.NDArray[np.int64],
) -> None:
    """Find the nearest other peaks within a radius of each.

    The time grows with the number of peaks and of rows within the radius, not with that of the
    peaks in these rows.

    Parameters
    ----------
    y, x : (n,) int64
        Peaks in raster order: by y, then by x [px].
    radius_px : float
        Search radius [px].
    nearest : (n, m) int64
        Out: indices of at most m peaks, nearest first, of equally near ones the first in raster
        order; -1 ends the list.
    """
    nearest[:] = -1
    if y.size == 0:
        return
    # First peak of each row, and one beyond the last.
    top = y[0]
    first = np.searchsorted(y, np.arange(top, y[-1] + 2))
    reach = math.floor(radius_px)
    most = radius_px * radius_px
    distances = np.zeros(nearest.shape[1], np.int64)
    for peak in range(y.size):
        for row in range(max(y[peak] - reach, top), min(y[peak] + reach, y[-1]) + 1):
            dy = row - y[peak]
            start, end = first[row - top], first[row - top + 1]
            if start == end:
                continue
            start += np.searchsorted(x[start:end], x[peak] - reach)
            for other in range(start, end):
                dx = x[other] - x[peak]
                if dx > reach:
                    break
                distance = dx * dx + dy * dy
                if other != peak and distance <= most:
                    _insert(nearest[peak], distances, other, distance)


@njit(
    "void(int64[::1], int64[::1], int64[:, ::1], float64, int64[:, ::1])",
    nogil=True,
    error_model="numpy",
    cache=True,
)
def those_within(
    y: npt.NDArray[np.int64],
    x: npt.NDArray[np.int64],
    nearest: npt.NDArray[np.int64],
    radius_px: float,
    out: npt.NDArray[np.int64],
) -> None:
    """Keep the neighbours within a smaller radius.

    Parameters
    ----------
    y, x : (n,) int64
        Peaks [px].
    nearest : (n, m) int64
        As `nearest_neighbours` wrote it.
    radius_px : float
        The radius [px].
    out : (n, m) int64
        Out: those of `nearest` within the radius; then -1.
    """
    out[:] = -1
    for peak in range(y.size):
        for index in range(nearest.shape[1]):
            other = nearest[peak, index]
            if other < 0 or math.hypot(x[other] - x[peak], y[other] - y[peak]) > radius_px:
                break
            out[peak, index] = other


@njit(
    "void(int64[::1], int64[::1], UniTuple(float64, 2), int64[:, ::1], int64[:, ::1])",
    nogil=True,
    error_model="numpy",
    cache=True,
)
def nearest_two_ways(
    y: npt.NDArray[np.int64],
    x: npt.NDArray[np.int64],
    radii_px: tuple[float, float],
    around: npt.NDArray[np.int64],
    near: npt.NDArray[np.int64],
) -> None:
    """Find the nearest other peaks within a radius, and of these the ones within a smaller one.

    Parameters
    ----------
    y, x : (n,) int64
        Peaks in raster order [px].
    radii_px : two float
        The larger radius first [px].
    around, near : (n, m) int64
        Out: as `nearest_neighbours` and `those_within` write them.
    """
    nearest_neighbours(y, x, radii_px[0], around)
    those_within(y, x, around, radii_px[1], near)


@njit(
    "int64[:, ::1](int64[::1], int64[::1], UniTuple(float64, 3), float64)",
    nogil=True,
    error_model="numpy",
    cache=True,
)
def pairs_within(
    y: npt.NDArray[np.int64],
    x: npt.NDArray[np.int64],
    quadratic: tuple[float, float, float],
    largest_exponent: float,
) -> npt.NDArray[np.int64]:
    """Return the pairs of peaks that lie within each other's beam.

    Parameters
    ----------
    y, x : (n,) int64
        Peaks in raster order: by y, then by x [px].
    quadratic : three float
        a, b, c of the beam exp(-(a dx^2 + 2 b dx dy + c dy^2)) [1/px^2].
    largest_exponent : float
        The beam ends at this exponent.

    Returns
    -------
    (m, 2) int64
        Indices, the first peak of each pair first; in raster order.
    """
    a, b, c = quadratic
    reach = math.floor(math.sqrt(largest_exponent * a / (a * c - b * b)))
    pairs, n_pairs = np.empty((max(64, 2 * y.size), 2), np.int64), 0
    for peak in range(y.size):
        for other in range(peak + 1, y.size):
            dx, dy = x[other] - x[peak], y[other] - y[peak]
            if dy > reach:
                break
            if a * dx * dx + 2.0 * b * dx * dy + c * dy * dy > largest_exponent:
                continue
            if n_pairs == pairs.shape[0]:
                more = np.empty((2 * n_pairs, 2), np.int64)
                more[:n_pairs] = pairs
                pairs = more
            pairs[n_pairs, 0], pairs[n_pairs, 1] = peak, other
            n_pairs += 1
    return pairs[:n_pairs].copy()
