"""Which points of two lists are near each other, in any number of dimensions."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

__all__ = ["nearest_within", "pairs_within"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

# Candidates that are compared at once: their arrays stay in the cache of a core.
_BLOCK = 2**16
# Wider than the radius by more than rounding can move a point.
_WIDER = 1 + 1e-12


def pairs_within(
    points: FloatArray, others: FloatArray, radius: float
) -> tuple[IntArray, IntArray]:
    """Return all pairs of points that are no farther apart than a radius.

    Parameters
    ----------
    points, others : (n, d) and (m, d) float64
        Cartesian coordinates; a point that is not finite is in no pair.
    radius : float
        Largest distance, inclusive; in the unit of the coordinates.

    Returns
    -------
    point, other : (k,) int64
        Indices into both lists, sorted by the first, then the second.

    Notes
    -----
    The others are sorted along the axis on which they spread most: what is near a point is in a
    slice of that list. Up to some thousands of points this is as fast as the k-d tree of
    scipy.spatial, whose import takes half a second of each start of a service and 14 MB.
    """
    usable, columns = _finite(points)
    usable_others, columns_of_others = _finite(others)
    if not usable.size or not usable_others.size:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    spread = [float(values.max() - values.min()) for values in columns_of_others]
    axes = np.argsort([-each for each in spread])
    order = np.argsort(columns_of_others[axes[0]])
    by_axis = [(columns[axis], columns_of_others[axis][order]) for axis in axes]
    near = [
        _select_near(by_axis, *candidates, radius)
        for candidates in _find_candidates(*by_axis[0], radius)
    ]
    point, other = (
        usable[np.concatenate([p for p, _ in near])],
        usable_others[order[np.concatenate([q for _, q in near])]],
    )
    by_index = np.argsort(point * len(others) + other)
    return point[by_index], other[by_index]


def nearest_within(
    points: FloatArray, others: FloatArray, radius: float
) -> tuple[FloatArray, IntArray]:
    """Return the nearest of the others to each point, no farther away than a radius.

    Parameters
    ----------
    points, others : (n, d) and (m, d) float64
        Cartesian coordinates; a point that is not finite is near none.
    radius : float
        Largest distance, inclusive; in the unit of the coordinates.

    Returns
    -------
    distance : (n,) float64
        Infinite where none is near.
    other : (n,) int64
        Its index, the least of those at one distance; m where none is near.
    """
    distance = np.full(len(points), np.inf)
    nearest = np.full(len(points), len(others), np.int64)
    point, other = pairs_within(points, others, radius)
    apart = np.sqrt(np.square(points[point] - others[other]).sum(axis=1))
    order = np.lexsort((other, apart, point))
    found, first = np.unique(point[order], return_index=True)
    distance[found], nearest[found] = apart[order[first]], other[order[first]]
    return distance, nearest


def _finite(points: FloatArray) -> tuple[IntArray, list[FloatArray]]:
    """Return which points are finite, and their coordinates axis by axis."""
    columns = [np.ascontiguousarray(column) for column in points.T]
    is_finite = np.isfinite(columns[0])
    for column in columns[1:]:
        is_finite &= np.isfinite(column)
    usable = np.flatnonzero(is_finite)
    if usable.size < len(points):
        columns = [column[usable] for column in columns]
    return usable, columns


def _find_candidates(
    value: FloatArray, in_order: FloatArray, radius: float
) -> Iterator[tuple[IntArray, IntArray]]:
    """Yield, in blocks, the pairs of indices whose values differ by no more than the radius."""
    reach = radius * _WIDER
    low, high = np.nextafter(value - reach, -np.inf), np.nextafter(value + reach, np.inf)
    by_value = np.argsort(value)  # sorted needles are found faster
    first, last = np.empty((2, value.size), np.int64)
    first[by_value] = np.searchsorted(in_order, low[by_value], side="left")
    last[by_value] = np.searchsorted(in_order, high[by_value], side="right")
    count = last - first
    ends = np.cumsum(count)
    blocks = np.split(np.arange(value.size), np.flatnonzero(np.diff(ends // _BLOCK)) + 1)
    for block in blocks:
        shift = first[block] - (ends[block] - count[block] - (ends[block[0]] - count[block[0]]))
        point = np.repeat(block, count[block])
        yield point, np.repeat(shift, count[block]) + np.arange(point.size)


def _select_near(
    columns: list[tuple[FloatArray, FloatArray]], point: IntArray, other: IntArray, radius: float
) -> tuple[IntArray, IntArray]:
    """Return the candidates whose distance in all columns is within the radius."""
    squares = np.zeros(point.size)
    for axis, (values, values_of_others) in enumerate(columns):
        squares += (values[point] - values_of_others[other]) ** 2
        if axis == 0 and len(columns) > 1:
            continue  # candidates are near along this one
        near = np.flatnonzero(squares <= radius * radius)
        point, other, squares = point[near], other[near], squares[near]
    return point, other
