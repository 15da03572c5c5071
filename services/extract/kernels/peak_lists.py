"""Lists of peaks: two made one, those that neighbours join, and those that are no repeats."""

import numpy as np
import numpy.typing as npt
from numba import njit

__all__ = ["highest_of_each_beam", "joined_with", "merged_lists"]

_Ints = npt.NDArray[np.int64]
_Floats = npt.NDArray[np.float64]
_LIST = "int64[::1], int64[::1], int64[::1], float64[::1], float64[::1]"


@njit(
    f"Tuple(({_LIST}, boolean[::1]))({_LIST}, {_LIST})",
    nogil=True,
    error_model="numpy",
    cache=True,
)
def merged_lists(
    y: _Ints,
    x: _Ints,
    island: _Ints,
    background: _Floats,
    rms: _Floats,
    other_y: _Ints,
    other_x: _Ints,
    other_island: _Ints,
    other_background: _Floats,
    other_rms: _Floats,
) -> tuple[_Ints, _Ints, _Ints, _Floats, _Floats, npt.NDArray[np.bool_]]:
    """Make one list of two.

    Parameters
    ----------
    y, x, island, background, rms : (n,) arrays
        Peaks: row and column [px], number of the island, background and noise [Jy/beam].
    other_y, other_x, other_island, other_background, other_rms : (m,) arrays
        Others.

    Returns
    -------
    five (n + m,) arrays
        All peaks by row, then by column; of two in one pixel the other one is the second.
    (n + m,) bool
        Whether each is one of the others.
    """
    rows, columns = np.concatenate((y, other_y)), np.concatenate((x, other_x))
    order = np.empty(0, np.int64)
    if rows.size > 0:
        order = np.argsort(rows * (columns.max() + 1) + columns, kind="mergesort")
    return (
        rows[order],
        columns[order],
        np.concatenate((island, other_island))[order],
        np.concatenate((background, other_background))[order],
        np.concatenate((rms, other_rms))[order],
        order >= y.size,
    )


@njit(
    "boolean[::1](boolean[::1], int64[:, ::1], int64[::1])",
    nogil=True,
    error_model="numpy",
    cache=True,
)
def joined_with(
    chosen: npt.NDArray[np.bool_], around: _Ints, island: _Ints
) -> npt.NDArray[np.bool_]:
    """Return the peaks that chains of neighbours or islands join with some.

    Parameters
    ----------
    chosen : (n,) bool
        The peaks to begin with.
    around : (n, m) int64
        Neighbours of each; -1 ends the list.
    island : (n,) int64
        Number of the island of each.

    Returns
    -------
    (n,) bool
        The chosen ones included.
    """
    numbers = np.unique(island)
    label = np.searchsorted(numbers, island)
    joined, is_joined_island = chosen.copy(), np.zeros(numbers.size, np.bool_)
    has_changed = True
    while has_changed:
        has_changed = False
        for peak in range(chosen.size):
            is_joined = joined[peak] or is_joined_island[label[peak]]
            for index in range(around.shape[1]):
                if around[peak, index] < 0:
                    break
                is_joined |= joined[around[peak, index]]
            if not is_joined:
                continue
            has_changed |= not (joined[peak] and is_joined_island[label[peak]])
            joined[peak], is_joined_island[label[peak]] = True, True
            for index in range(around.shape[1]):
                if around[peak, index] < 0:
                    break
                has_changed |= not joined[around[peak, index]]
                joined[around[peak, index]] = True
    return joined


@njit(
    "int64[::1](int64[::1], int64[::1], float64[::1], float64[:, ::1], float64)",
    nogil=True,
    error_model="numpy",
    cache=True,
)
def highest_of_each_beam(
    y: _Ints, x: _Ints, height: _Floats, beams: _Floats, least_exponent: float
) -> _Ints:
    """Return the peaks that are in the beam of no higher one.

    Parameters
    ----------
    y, x : (n,) int64
        Peaks [px].
    height : (n,) float64
        Of equal ones the first is the higher one.
    beams : (n, 3) float64
        a, b, c of the beam exp(-(a dx^2 + 2 b dx dy + c dy^2)) at each [1/px^2].
    least_exponent : float
        Where the beam ends.

    Returns
    -------
    (m,) int64
        Their indices, the highest first.
    """
    chosen, n_chosen = np.empty(y.size, np.int64), 0
    for peak in np.argsort(-height, kind="mergesort"):
        a, b, c = beams[peak, 0], beams[peak, 1], beams[peak, 2]
        is_repeat = False
        for index in range(n_chosen):
            dx, dy = x[chosen[index]] - x[peak], y[chosen[index]] - y[peak]
            is_repeat |= a * dx * dx + 2.0 * b * dx * dy + c * dy * dy < least_exponent
        if not is_repeat:
            chosen[n_chosen] = peak
            n_chosen += 1
    return chosen[:n_chosen].copy()
