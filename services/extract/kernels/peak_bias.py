"""By how much the peaks of fits are too high: a fit follows the noise to where it is highest."""

import math

import numpy as np
import numpy.typing as npt
from numba import njit

__all__ = ["peak_biases"]


@njit(nogil=True, error_model="numpy", cache=True)
def _shape(dx: float, dy: float, beam: tuple[float, float, float]) -> float:
    return math.exp(-(beam[0] * dx * dx + 2.0 * beam[1] * dx * dy + beam[2] * dy * dy))


@njit(nogil=True, error_model="numpy", cache=True)
def _weighted(
    weights: npt.NDArray[np.float64], columns: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return the product of a matrix and columns; without weights the columns."""
    if weights.size == 0:
        return columns
    result = np.zeros(columns.shape)
    for row in range(columns.shape[0]):
        for k in range(columns.shape[0]):
            for column in range(columns.shape[1]):
                result[row, column] += weights[row, k] * columns[k, column]
    return result


@njit(nogil=True, error_model="numpy", cache=True)
def _product(
    left: npt.NDArray[np.float64], right: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return the product of the transpose of (n, 3) and (n, 3)."""
    result = np.zeros((3, 3))
    for k in range(left.shape[0]):
        for i in range(3):
            for j in range(3):
                result[i, j] += left[k, i] * right[k, j]
    return result


@njit(nogil=True, error_model="numpy", cache=True)
def _inverse(m: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the inverse of a symmetric matrix of three rows, by its minors."""
    result = np.empty((3, 3))
    for i in range(3):
        for j in range(3):
            a, b, c, d = (i + 1) % 3, (i + 2) % 3, (j + 1) % 3, (j + 2) % 3
            result[j, i] = m[a, c] * m[b, d] - m[a, d] * m[b, c]
    determinant = m[0, 0] * result[0, 0] + m[0, 1] * result[1, 0] + m[0, 2] * result[2, 0]
    for i in range(3):
        for j in range(3):
            result[i, j] /= determinant
    return result


@njit(nogil=True, error_model="numpy", cache=True)
def _bias(
    offsets: npt.NDArray[np.float64],
    covariance: npt.NDArray[np.float64],
    beam: tuple[float, float, float],
    weights: npt.NDArray[np.float64],
) -> float:
    """Return the bias of a fit to the pixels at these offsets from the source."""
    n = offsets.shape[0]
    model, second = np.empty((n, 3)), np.empty((n, 3, 3))
    for k in range(n):
        dx, dy = offsets[k]
        shape = _shape(dx, dy, beam)
        slope_x, slope_y = 2.0 * (beam[0] * dx + beam[1] * dy), 2.0 * (beam[1] * dx + beam[2] * dy)
        model[k, 0], model[k, 1], model[k, 2] = shape, shape * slope_x, shape * slope_y
        second[k, 0, 0] = 0.0
        second[k, 0, 1] = second[k, 1, 0] = shape * slope_x
        second[k, 0, 2] = second[k, 2, 0] = shape * slope_y
        second[k, 1, 1] = shape * (slope_x * slope_x - 2.0 * beam[0])
        second[k, 1, 2] = second[k, 2, 1] = shape * (slope_x * slope_y - 2.0 * beam[1])
        second[k, 2, 2] = shape * (slope_y * slope_y - 2.0 * beam[2])
    weighted = _weighted(weights, model)
    inverse = _inverse(_product(weighted, model))
    # First order: the parameters are `gain` times the noise.
    gain = np.zeros((n, 3))
    for k in range(n):
        for i in range(3):
            for j in range(3):
                gain[k, i] += weighted[k, j] * inverse[j, i]
    left = _weighted(covariance, gain)
    errors = _product(gain, left)
    for k in range(n):
        for i in range(3):
            for j in range(3):
                left[k, i] -= model[k, j] * errors[j, i]
    # Second order: slopes that have moved meet the noise that is left, and the model bends.
    left = _weighted(weights, left)
    bias = 0.0
    for k in range(n):
        bend = 0.0
        for i in range(3):
            for j in range(3):
                bend += errors[i, j] * second[k, i, j]
        for i in range(3):
            part = -0.5 * weighted[k, i] * bend
            for j in range(3):
                part += second[k, j, i] * left[k, j]
            bias += inverse[0, i] * part
    return bias


@njit(
    "void(UniTuple(float64, 3), float64[:, ::1], float64[:, ::1], float64[:, ::1], float64[::1])",
    nogil=True,
    error_model="numpy",
    cache=True,
)
def peak_biases(
    beam: tuple[float, float, float],
    pixels: npt.NDArray[np.float64],
    weights: npt.NDArray[np.float64],
    places: npt.NDArray[np.float64],
    out: npt.NDArray[np.float64],
) -> None:
    """Compute the bias of the peak of least-squares fits of the beam, to the second order.

    Parameters
    ----------
    beam : (float, float, float)
        a, b, c of exp(-(a dx^2 + 2 b dx dy + c dy^2)), which the noise has as autocorrelation
        [1/px^2].
    pixels : (m, 2) float64
        x, y of the pixels that enter the fit, from the peak pixel [px].
    weights : (m, m) float64
        Their weights; of no size: all have the same.
    places : (n, 2) float64
        x, y of the sources, from their peak pixels [px].
    out : (n,) float64
        Out: bias of the peak, times its S/N [rms].

    References
    ----------
    Box (1971), J. R. Stat. Soc. B 33, 171: the bias of fits that are not linear; here with noise
    whose covariance need not be the inverse of the weights.
    """
    n_pixels = pixels.shape[0]
    covariance = np.empty((n_pixels, n_pixels))
    for k in range(n_pixels):
        for other in range(n_pixels):
            covariance[k, other] = _shape(
                pixels[k, 0] - pixels[other, 0], pixels[k, 1] - pixels[other, 1], beam
            )
    offsets = np.empty((n_pixels, 2))
    for index in range(places.shape[0]):
        for k in range(n_pixels):
            offsets[k, 0] = pixels[k, 0] - places[index, 0]
            offsets[k, 1] = pixels[k, 1] - places[index, 1]
        out[index] = _bias(offsets, covariance, beam, weights)
