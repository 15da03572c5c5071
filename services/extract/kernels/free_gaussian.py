"""Least-squares fits of free elliptical Gaussians."""

import numpy as np
import numpy.typing as npt
from numba import njit

from services.extract.kernels.linear import factorise, solve_factorised
from services.extract.kernels.measure import gaussian

__all__ = ["fit_gaussian"]


@njit(
    "void(float64, float64, float64, float64[::1], float64[:, ::1], float64[::1], float64[::1])",
    nogil=True,
    error_model="numpy",
    cache=True,
)
def _add_derivatives(
    residual: float,
    dx: float,
    dy: float,
    trial: npt.NDArray[np.float64],
    matrix: npt.NDArray[np.float64],
    gradient: npt.NDArray[np.float64],
    derivative: npt.NDArray[np.float64],
) -> None:
    """Add a pixel to the normal equations of a free Gaussian; `derivative` is scratch."""
    shape = derivative[0]
    model = trial[0] * shape
    derivative[1] = model * 2.0 * (trial[3] * dx + trial[4] * dy)
    derivative[2] = model * 2.0 * (trial[4] * dx + trial[5] * dy)
    derivative[3] = -model * dx * dx
    derivative[4] = -model * 2.0 * dx * dy
    derivative[5] = -model * dy * dy
    for i in range(6):
        gradient[i] += derivative[i] * residual
        for j in range(i + 1):
            matrix[i, j] += derivative[i] * derivative[j]


@njit(
    "Tuple((float64, int64))(float32[:, ::1], UniTuple(int64, 3), float64, float64, float64[::1],"
    " float64[:, ::1], float64[::1], float64[::1])",
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
    matrix: npt.NDArray[np.float64],
    gradient: npt.NDArray[np.float64],
    derivative: npt.NDArray[np.float64],
) -> tuple[float, int]:
    """Set up the normal equations at `trial`; return the sum of squares and the pixels used.

    `box` is the peak pixel y, x and half the side.
    """
    ny, nx = pixels.shape
    peak_y, peak_x, half_px = box
    matrix[:, :] = 0.0
    gradient[:] = 0.0
    cost, used = 0.0, 0
    for y in range(max(0, peak_y - half_px), min(ny, peak_y + half_px + 1)):
        for x in range(max(0, peak_x - half_px), min(nx, peak_x + half_px + 1)):
            value = float(pixels[y, x]) - background
            if not value > floor:
                continue
            dx, dy = x - trial[1], y - trial[2]
            derivative[0] = gaussian(dx, dy, trial[3], trial[4], trial[5])
            residual = value - trial[0] * derivative[0]
            cost += residual * residual
            used += 1
            _add_derivatives(residual, dx, dy, trial, matrix, gradient, derivative)
    return cost, used


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
    matrix, trial_matrix = np.empty((6, 6)), np.empty((6, 6))
    gradient, step, derivative = np.empty(6), np.empty(6), np.empty(6)
    trial = parameters.copy()
    damping = 1e-3
    best = np.inf
    box = (peak_y, peak_x, half_px)
    for _ in range(60):
        cost, used = _linearise(
            pixels, box, background, floor, trial, matrix, gradient, derivative
        )
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
        trial_matrix[:, :] = matrix
        for i in range(6):
            trial_matrix[i, i] *= 1.0 + damping
            step[i] = gradient[i]
        if not factorise(trial_matrix, 6):
            return False
        solve_factorised(trial_matrix, 6, step)
        for i in range(6):
            trial[i] = parameters[i] + step[i]
    return _is_ellipse_around(parameters, peak_y, peak_x)
