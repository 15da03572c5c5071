"""A quadratic surface through the logarithm of the noise of cells."""

import math

import numpy as np
import numpy.typing as npt
from numba import njit

from services.extract.kernels.linear import factorise, solve_factorised

__all__ = ["N_TERMS", "fit_surface"]

# Of 1, x, y, x^2, x y, y^2.
N_TERMS = 6
# A surface is known from so many cells.
_LEAST_CELLS = 9
# From weights of residuals beyond so many scales; the median of |normal| times this is its sigma.
_HUBER, _MAD_SCALE, _N_REFITS = 1.5, 1.4826, 2
_LEAST_SCALE = 0.05


@njit(
    nogil=True,
    error_model="numpy",
    cache=True,
)
def _load_cells(
    rms: npt.NDArray[np.float64],
    every: int,
    terms: npt.NDArray[np.float64],
    values: npt.NDArray[np.float64],
) -> int:
    """Write terms and logarithm of the known cells in some rows and columns; return how many."""
    (rows, columns), n_known = rms.shape, 0
    for row in range(0, rows, every):
        for column in range(0, columns, every):
            if not math.isfinite(rms[row, column]):
                continue
            x, y = (2 * column + 1) / columns - 1, (2 * row + 1) / rows - 1
            here = terms[n_known]
            here[0], here[1], here[2], here[3], here[4], here[5] = 1.0, x, y, x * x, x * y, y * y
            values[n_known] = math.log(rms[row, column])
            n_known += 1
    return n_known


@njit(
    nogil=True,
    error_model="numpy",
    cache=True,
)
def _fit_weighted(
    terms: npt.NDArray[np.float64],
    values: npt.NDArray[np.float64],
    weights: npt.NDArray[np.float64],
    coefficients: npt.NDArray[np.float64],
) -> bool:
    """Write the weighted least squares; return False if the cells leave a coefficient open."""
    matrix = np.zeros((N_TERMS, N_TERMS))
    coefficients[:] = 0.0
    for cell in range(values.size):
        for i in range(N_TERMS):
            weighted = weights[cell] * terms[cell, i]
            coefficients[i] += weighted * values[cell]
            for j in range(i + 1):
                matrix[i, j] += weighted * terms[cell, j]
    if not factorise(matrix, N_TERMS):
        return False
    solve_factorised(matrix, N_TERMS, coefficients)
    return True


@njit("float64(float64[:, ::1], int64, float64[::1])", nogil=True, error_model="numpy", cache=True)
def fit_surface(
    rms: npt.NDArray[np.float64], every: int, coefficients: npt.NDArray[np.float64]
) -> float:
    """Fit a surface robustly: cells far from it, full of a source, count less.

    Parameters
    ----------
    rms : (rows, columns) float64
        Noise of each cell, positive; NaN where blank.
    every : int
        Use each cell (1), or those in every second, third ... row and column.
    coefficients : (6,) float64
        Out: of 1, x, y, x^2, x y, y^2, both from -1 to 1 in the image.

    Returns
    -------
    float
        Robust standard deviation of the cells about it; NaN if they are too few.

    References
    ----------
    Huber (1964), Ann. Math. Stat. 35, 73.
    """
    room = np.empty((rms.size, N_TERMS)), np.empty(rms.size)
    n_known = _load_cells(rms, every, room[0], room[1])
    if n_known < _LEAST_CELLS:
        return np.nan
    terms, values, scatter = room[0][:n_known], room[1][:n_known], 0.0
    weights, off = np.ones(n_known), np.empty(n_known)
    for refit in range(_N_REFITS + 1):
        if not _fit_weighted(terms, values, weights, coefficients):
            return np.nan
        if refit == _N_REFITS:
            break
        for cell in range(n_known):
            model = 0.0
            for term in range(N_TERMS):
                model += coefficients[term] * terms[cell, term]
            off[cell] = abs(values[cell] - model)
        ordered = np.sort(off)
        scatter = _MAD_SCALE * (ordered[(n_known - 1) // 2] + ordered[n_known // 2]) / 2.0
        for cell in range(n_known):
            far = max(off[cell], 1e-9)
            weights[cell] = min(1.0, _HUBER * max(scatter, _LEAST_SCALE) / far)
    return scatter
