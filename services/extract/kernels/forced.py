"""Forced photometry: generalised least squares with the beam as the covariance of the noise."""

import math

import numpy as np
import numpy.typing as npt
from numba import njit

from services.extract.kernels.measure import gaussian

__all__ = ["BLANK", "CONFUSED", "MEASURED", "NUGGET", "OUTSIDE", "SIDE", "measure_forced"]

MEASURED, OUTSIDE, BLANK, CONFUSED = 0, 1, 2, 3

# Pixels on a side of the sampled patch, and the fraction of white noise that is added to the
# covariance: that of oversampled noise alone is singular within rounding.
SIDE = 5
NUGGET = 1e-3
_LN2 = math.log(2.0)
# Below this fraction of the information of a complete patch a position counts as blank.
_MIN_INFORMATION = 0.5
# Largest error, in units of that of an isolated source, at which a flux is reported.
_MAX_ERROR_GROWTH = 5.0


@njit("boolean(float64[:, ::1], int64)", nogil=True, error_model="numpy", cache=True)
def _factorise(matrix: npt.NDArray[np.float64], n: int) -> bool:
    """Replace a symmetric positive matrix by its Cholesky factor; False if it has none."""
    for i in range(n):
        for j in range(i + 1):
            total = matrix[i, j]
            for k in range(j):
                total -= matrix[i, k] * matrix[j, k]
            if i == j:
                if not total > 0.0:
                    return False
                matrix[i, i] = math.sqrt(total)
            else:
                matrix[i, j] = total / matrix[j, j]
    return True


@njit("void(float64[:, ::1], int64, float64[::1])", nogil=True, error_model="numpy", cache=True)
def _solve_factorised(
    factor: npt.NDArray[np.float64], n: int, vector: npt.NDArray[np.float64]
) -> None:
    """Solve in place, with a Cholesky factor that `_factorise` made."""
    for i in range(n):
        for k in range(i):
            vector[i] -= factor[i, k] * vector[k]
        vector[i] /= factor[i, i]
    for i in range(n - 1, -1, -1):
        for k in range(i + 1, n):
            vector[i] -= factor[k, i] * vector[k]
        vector[i] /= factor[i, i]


@njit("boolean(float64[:, ::1], int64, float64[::1])", nogil=True, error_model="numpy", cache=True)
def _solve(matrix: npt.NDArray[np.float64], n: int, vector: npt.NDArray[np.float64]) -> bool:
    """Solve in place by elimination with row exchange; False if the matrix is singular."""
    for column in range(n):
        pivot = column
        for row in range(column + 1, n):
            if abs(matrix[row, column]) > abs(matrix[pivot, column]):
                pivot = row
        if abs(matrix[pivot, column]) < 1e-12:
            return False
        if pivot != column:
            for k in range(n):
                matrix[column, k], matrix[pivot, k] = matrix[pivot, k], matrix[column, k]
            vector[column], vector[pivot] = vector[pivot], vector[column]
        for row in range(column + 1, n):
            factor = matrix[row, column] / matrix[column, column]
            for k in range(column, n):
                matrix[row, k] -= factor * matrix[column, k]
            vector[row] -= factor * vector[column]
    for row in range(n - 1, -1, -1):
        for k in range(row + 1, n):
            vector[row] -= matrix[row, k] * vector[k]
        vector[row] /= matrix[row, row]
    return True


@njit(
    "void(float32[:, ::1], float64[::1], float64[::1], float64[::1], float64[::1],"
    " int64[:, ::1], int64, float64, float64, float64, float64[::1], float64[::1], int64[::1])",
    nogil=True,
    error_model="numpy",
    cache=True,
)
def measure_forced(
    pixels: npt.NDArray[np.float32],
    x: npt.NDArray[np.float64],
    y: npt.NDArray[np.float64],
    background: npt.NDArray[np.float64],
    rms: npt.NDArray[np.float64],
    neighbours: npt.NDArray[np.int64],
    n_positions: int,
    beam_a: float,
    beam_b: float,
    beam_c: float,
    flux: npt.NDArray[np.float64],
    flux_err: npt.NDArray[np.float64],
    status: npt.NDArray[np.int64],
) -> None:
    """Estimate the peak flux of a beam-shaped source at each position; it may be negative.

    Each position gets the generalised least-squares estimate from a patch of 5 x 5 pixels,
    spaced so that they lie within the beam, with the beam as the covariance of the noise. How
    neighbours contribute to each other's estimates is known, and a small linear system
    separates them.

    Parameters
    ----------
    pixels : (ny, nx) float32
        Image [Jy/beam]; NaN is blank.
    x, y : (n,) float64
        Positions, 0-based [px]: first those to measure, then the other sources near them.
    background, rms : (n,) float64
        At the positions [Jy/beam].
    neighbours : (n, m) int64
        Positions that are measured together with each; -1 ends the list.
    n_positions : int
        Number of positions to measure.
    beam_a, beam_b, beam_c : float
        The beam is exp(-(a dx^2 + 2 b dx dy + c dy^2)) [1/px^2].
    flux, flux_err : (n_positions,) float64
        Out: peak flux and its error [Jy/beam]; NaN unless measured.
    status : (n_positions,) int64
        Out: `MEASURED`, `OUTSIDE`, `BLANK`, or `CONFUSED` with a neighbour.

    References
    ----------
    Aitken (1935), Proc. R. Soc. Edinburgh 55, 42: generalised least squares.
    """
    ny, nx = pixels.shape
    n = x.size
    size = SIDE * SIDE
    half = SIDE // 2
    # Smallest FWHM of the beam's ellipse: limits the spacing of the patch's pixels.
    middle = (beam_a + beam_c) / 2
    steepest = middle + math.hypot((beam_a - beam_c) / 2, beam_b)
    stride = max(1, int(math.sqrt(4 * _LN2 / steepest) / 4))

    whole = np.empty((size, size))
    for i in range(size):
        for j in range(size):
            whole[i, j] = gaussian(
                (i % SIDE - j % SIDE) * stride,
                (i // SIDE - j // SIDE) * stride,
                beam_a,
                beam_b,
                beam_c,
            )
        whole[i, i] += NUGGET
    whole_factor = whole.copy()
    _factorise(whole_factor, size)

    weights = np.zeros((n, size))
    corner_x = np.empty(n, np.int64)
    corner_y = np.empty(n, np.int64)
    value = np.empty(n)
    variance = np.empty(n)
    outcome = np.full(n, MEASURED)
    used = np.empty(size, np.int64)
    part = np.empty((size, size))
    solution = np.empty(size)
    for source in range(n):
        if not (-0.5 <= x[source] <= nx - 0.5 and -0.5 <= y[source] <= ny - 0.5):
            outcome[source] = OUTSIDE
            continue
        corner_x[source] = round(x[source]) - half * stride
        corner_y[source] = round(y[source]) - half * stride
        n_used = 0
        for i in range(size):
            column = corner_x[source] + (i % SIDE) * stride
            row = corner_y[source] + (i // SIDE) * stride
            if 0 <= column < nx and 0 <= row < ny and not math.isnan(pixels[row, column]):
                used[n_used] = i
                n_used += 1
        for k in range(n_used):
            i = used[k]
            solution[k] = gaussian(
                corner_x[source] + (i % SIDE) * stride - x[source],
                corner_y[source] + (i // SIDE) * stride - y[source],
                beam_a,
                beam_b,
                beam_c,
            )
        if n_used == size:
            _solve_factorised(whole_factor, size, solution)
        else:
            for k in range(n_used):
                for other in range(n_used):
                    part[k, other] = whole[used[k], used[other]]
            if n_used == 0 or not _factorise(part, n_used):
                outcome[source] = BLANK
                continue
            _solve_factorised(part, n_used, solution)
        information = 0.0
        for k in range(n_used):
            i = used[k]
            information += solution[k] * gaussian(
                corner_x[source] + (i % SIDE) * stride - x[source],
                corner_y[source] + (i // SIDE) * stride - y[source],
                beam_a,
                beam_b,
                beam_c,
            )
        if not information > _MIN_INFORMATION:
            outcome[source] = BLANK
            continue
        total, spread = 0.0, 0.0
        for k in range(n_used):
            i = used[k]
            weights[source, i] = solution[k] / information
            row = corner_y[source] + (i // SIDE) * stride
            column = corner_x[source] + (i % SIDE) * stride
            total += weights[source, i] * (float(pixels[row, column]) - background[source])
        for k in range(n_used):
            for other in range(n_used):
                spread += (
                    weights[source, used[k]]
                    * weights[source, used[other]]
                    * whole[used[k], used[other]]
                )
        value[source] = total
        variance[source] = spread

    n_members_max = neighbours.shape[1] + 1
    members = np.empty(n_members_max, np.int64)
    mixing = np.empty((n_members_max, n_members_max))
    row_of_inverse = np.empty(n_members_max)
    for source in range(n_positions):
        status[source] = outcome[source]
        flux[source], flux_err[source] = np.nan, np.nan
        if outcome[source] != MEASURED:
            continue
        members[0] = source
        n_members = 1
        for index in range(neighbours.shape[1]):
            other = neighbours[source, index]
            if other < 0:
                break
            if outcome[other] == MEASURED:
                members[n_members] = other
                n_members += 1
        # mixing[i, j]: contribution to estimate i of a unit source at j. Solving with its
        # transpose gives the row of its inverse that turns all estimates into this flux.
        for i in range(n_members):
            a = members[i]
            for j in range(n_members):
                b = members[j]
                response = 0.0
                for k in range(size):
                    if weights[a, k] != 0.0:
                        response += weights[a, k] * gaussian(
                            corner_x[a] + (k % SIDE) * stride - x[b],
                            corner_y[a] + (k // SIDE) * stride - y[b],
                            beam_a,
                            beam_b,
                            beam_c,
                        )
                mixing[j, i] = response
            row_of_inverse[i] = 0.0
        row_of_inverse[0] = 1.0
        if not _solve(mixing, n_members, row_of_inverse):
            status[source] = CONFUSED
            continue
        estimate, square = 0.0, 0.0
        for i in range(n_members):
            a = members[i]
            estimate += row_of_inverse[i] * value[a]
            for j in range(n_members):
                b = members[j]
                shared = variance[a]
                if i != j:
                    shared = gaussian(x[a] - x[b], y[a] - y[b], beam_a, beam_b, beam_c)
                square += row_of_inverse[i] * row_of_inverse[j] * shared
        if square > _MAX_ERROR_GROWTH**2:
            status[source] = CONFUSED
            continue
        flux[source] = estimate
        flux_err[source] = rms[source] * math.sqrt(square)
