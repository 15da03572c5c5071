"""Small dense linear systems: Cholesky factors, and elimination with row exchange."""

import math

import numpy as np
import numpy.typing as npt
from numba import njit

__all__ = ["factorise", "solve_by_elimination", "solve_factorised"]


@njit("boolean(float64[:, ::1], int64)", nogil=True, error_model="numpy", cache=True)
def factorise(matrix: npt.NDArray[np.float64], n: int) -> bool:
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
def solve_factorised(
    factor: npt.NDArray[np.float64], n: int, vector: npt.NDArray[np.float64]
) -> None:
    """Solve in place, with a Cholesky factor that `factorise` made."""
    for i in range(n):
        for k in range(i):
            vector[i] -= factor[i, k] * vector[k]
        vector[i] /= factor[i, i]
    for i in range(n - 1, -1, -1):
        for k in range(i + 1, n):
            vector[i] -= factor[k, i] * vector[k]
        vector[i] /= factor[i, i]


@njit(nogil=True, error_model="numpy", cache=True)
def solve_by_elimination(
    matrix: npt.NDArray[np.float64], n: int, vector: npt.NDArray[np.float64]
) -> bool:
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
