"""Least-squares fits of free elliptical Gaussians."""

import numpy as np
import numpy.typing as npt
from numba import njit

from services.extract.kernels.linear import factorise, solve_factorised
from services.extract.kernels.measure import gaussian

__all__ = ["fit_gaussian"]


@njit(
    "Tuple((float64[:, ::1], float64[::1], float64, int64))(float32[:, ::1], UniTuple(int64, 3),"
    " float64, float64, float64[::1])",
    nogil=True,
    error_model="numpy",
    cache=True,
)
def _linearise(
    pixels: npt.NDArray[np.float32],
    box: tuple[int, int, int],
    background: float,
    floor: float,
    trial: npt.NDArray[np.float64],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], float, int]:
    """Return the normal equations (matrix, gradient), the sum of squares and the pixels used.

    `box` is the peak pixel y, x and half the side. The arrays are new ones: LLVM then knows that
    they overlap no other.
    """
    peak_y, peak_x, half_px = box
    amplitude, x_fit, y_fit = trial[0], trial[1], trial[2]
    a, b, c = trial[3], trial[4], trial[5]
    matrix, gradient, derivative = np.zeros((6, 6)), np.zeros(6), np.empty(6)
    cost, used = 0.0, 0
    for y in range(max(0, peak_y - half_px), min(pixels.shape[0], peak_y + half_px + 1)):
        for x in range(max(0, peak_x - half_px), min(pixels.shape[1], peak_x + half_px + 1)):
            value = float(pixels[y, x]) - background
            if not value > floor:
                continue
            dx, dy = x - x_fit, y - y_fit
            shape = gaussian(dx, dy, a, b, c)
            model = amplitude * shape
            residual = value - model
            cost += residual * residual
            used += 1
            derivative[0] = shape
            derivative[1] = model * 2.0 * (a * dx + b * dy)
            derivative[2] = model * 2.0 * (b * dx + c * dy)
            derivative[3] = -model * dx * dx
            derivative[4] = -model * 2.0 * dx * dy
            derivative[5] = -model * dy * dy
            for i in range(6):
                gradient[i] += derivative[i] * residual
                for j in range(i + 1):
                    matrix[i, j] += derivative[i] * derivative[j]
    return matrix, gradient, cost, used


@njit("boolean(float64[::1], int64, int64)", nogil=True, error_model="numpy", cache=True)
def _is_ellipse_around(parameters: npt.NDArray[np.float64], y: int, x: int) -> bool:
    """Return whether a fit is a positive ellipse within 2 px of its peak pixel."""
    inside = abs(parameters[1] - x) < 2.0 and abs(parameters[2] - y) < 2.0
    ellipse = parameters[3] > 0.0 and (
        parameters[3] * parameters[5] - parameters[4] * parameters[4] > 0.0
    )
    return bool(inside and ellipse and parameters[0] > 0.0)


@njit(
    "boolean(float32[:, ::1], int64, int64, float64, float64, int64, float64[::1])",
    nogil=True,
    error_model="numpy",
    cache=True,
)
def fit_gaussian(
    pixels: npt.NDArray[np.float32],
    peak_y: int,
    peak_x: int,
    background: float,
    floor: float,
    half_px: int,
    parameters: npt.NDArray[np.float64],
) -> bool:
    """Fit a free elliptical Gaussian by Levenberg-Marquardt.

    Parameters
    ----------
    pixels : (ny, nx) float32
        Image [Jy/beam]; NaN is blank.
    peak_y, peak_x : int
        Peak pixel.
    background : float
        Background at the peak [Jy/beam].
    floor : float
        Least height above the background of a pixel that is used [Jy/beam].
    half_px : int
        Half the side of the box around the peak [px].
    parameters : (6,) float64
        In: start; out: amplitude [Jy/beam], x, y [px], a, b, c [1/px^2] of
        exp(-(a dx^2 + 2 b dx dy + c dy^2)).

    Returns
    -------
    bool
        Whether it converged to an ellipse around the peak.

    References
    ----------
    Marquardt (1963), J. SIAM 11, 431.
    """
    step = np.empty(6)
    trial = parameters.copy()
    damping = 1e-3
    best = np.inf
    box = (peak_y, peak_x, half_px)
    for _ in range(60):
        matrix, gradient, cost, used = _linearise(pixels, box, background, floor, trial)
        if used < 7:
            return False
        if cost <= best:
            improved = best - cost
            best = cost
            parameters[:] = trial
            damping *= 0.3
            if improved < 1e-10 * max(best, 1e-30):
                break
        else:
            damping *= 10.0
            if damping > 1e8:
                break
        for i in range(6):
            matrix[i, i] *= 1.0 + damping
            step[i] = gradient[i]
        if not factorise(matrix, 6):
            return False
        solve_factorised(matrix, 6, step)
        for i in range(6):
            trial[i] = parameters[i] + step[i]
    return _is_ellipse_around(parameters, peak_y, peak_x)
