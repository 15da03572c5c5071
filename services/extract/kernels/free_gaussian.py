"""Least-squares fits of free elliptical Gaussians."""

import math

import numpy as np
import numpy.typing as npt
from numba import njit

from services.extract.kernels.linear import factorise, solve_factorised
from services.extract.kernels.measure import gaussian

__all__ = ["fit_gaussian"]

# Where noise is correlated by the beam, pixels below half of the maximum add more noise to the
# axes than knowledge.
_FOOTPRINT = 0.5
_MAX_STEPS, _MAX_ROUNDS = 40, 12
_SAME_AREA = 1e-4


@njit(nogil=True, error_model="numpy", cache=True)
def _value(parameters: npt.NDArray[np.float64], x: int, y: int) -> float:
    """Return a Gaussian, given as `fit_gaussian` returns it, at a pixel."""
    return float(
        parameters[0]
        * gaussian(
            x - parameters[1], y - parameters[2], parameters[3], parameters[4], parameters[5]
        )
    )


@njit(
    "Tuple((float64[:, ::1], float64[::1], float64, int64))(float32[:, ::1], UniTuple(int64, 3),"
    " float64, float64[::1], float64[:, ::1], float64[::1])",
    nogil=True,
    error_model="numpy",
    cache=True,
)
def _linearise(
    pixels: npt.NDArray[np.float32],
    box: tuple[int, int, int],
    background: float,
    footprint: npt.NDArray[np.float64],
    others: npt.NDArray[np.float64],
    trial: npt.NDArray[np.float64],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], float, int]:
    """Return the normal equations (matrix, gradient), the sum of squares and the pixels used.

    `box` is a central pixel y, x and half the side; used are pixels where the Gaussian
    `footprint` exceeds half of its maximum. The arrays are new ones: LLVM then knows that they
    overlap no other.
    """
    centre_y, centre_x, half_px = box
    amplitude, x_fit, y_fit = trial[0], trial[1], trial[2]
    a, b, c = trial[3], trial[4], trial[5]
    matrix, gradient, derivative = np.zeros((6, 6)), np.zeros(6), np.empty(6)
    cost, used = 0.0, 0
    for y in range(max(0, centre_y - half_px), min(pixels.shape[0], centre_y + half_px + 1)):
        for x in range(max(0, centre_x - half_px), min(pixels.shape[1], centre_x + half_px + 1)):
            near = abs(x - centre_x) <= 1 and abs(y - centre_y) <= 1
            if not near and _value(footprint, x, y) < _FOOTPRINT * footprint[0]:
                continue
            value = float(pixels[y, x]) - background
            if math.isnan(value):
                continue
            for other in range(others.shape[0]):
                value -= _value(others[other], x, y)
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


@njit(nogil=True, error_model="numpy", cache=True)
def _is_ellipse(parameters: npt.NDArray[np.float64]) -> bool:
    """Return whether the parameters are those of a positive elliptical Gaussian."""
    determinant = parameters[3] * parameters[5] - parameters[4] * parameters[4]
    return bool(parameters[0] > 0.0 and parameters[3] > 0.0 and determinant > 0.0)


@njit(
    "boolean(float32[:, ::1], UniTuple(int64, 3), float64, float64[::1], float64[:, ::1],"
    " float64[::1])",
    nogil=True,
    error_model="numpy",
    cache=True,
)
def _fit_in_footprint(
    pixels: npt.NDArray[np.float32],
    box: tuple[int, int, int],
    background: float,
    footprint: npt.NDArray[np.float64],
    others: npt.NDArray[np.float64],
    parameters: npt.NDArray[np.float64],
) -> bool:
    """Improve the parameters by Levenberg-Marquardt; return whether that ends in an ellipse."""
    step = np.empty(6)
    trial = parameters.copy()
    damping = 1e-3
    best = np.inf
    for _ in range(_MAX_STEPS):
        matrix, gradient, cost, used = _linearise(
            pixels, box, background, footprint, others, trial
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
            matrix, gradient, _, _ = _linearise(
                pixels, box, background, footprint, others, parameters
            )
        for i in range(6):
            matrix[i, i] *= 1.0 + damping
            step[i] = gradient[i]
        if not factorise(matrix, 6):
            return False
        solve_factorised(matrix, 6, step)
        for i in range(6):
            trial[i] = parameters[i] + step[i]
    return _is_ellipse(parameters)


@njit(
    "boolean(float32[:, ::1], int64, int64, float64, float64[:, ::1], int64, float64[::1])",
    nogil=True,
    error_model="numpy",
    cache=True,
)
def fit_gaussian(
    pixels: npt.NDArray[np.float32],
    peak_y: int,
    peak_x: int,
    background: float,
    others: npt.NDArray[np.float64],
    max_half_px: int,
    parameters: npt.NDArray[np.float64],
) -> bool:
    """Fit a free elliptical Gaussian by Levenberg-Marquardt.

    The pixels are those within the half-maximum ellipse of the fit itself, whatever their values:
    fit and ellipse are repeated until they agree. To leave out faint pixels instead would keep
    those that noise has raised.

    Parameters
    ----------
    pixels : (ny, nx) float32
        Image [Jy/beam]; NaN is blank.
    peak_y, peak_x : int
        Peak pixel.
    background : float
        Background at the peak [Jy/beam].
    others : (m, 6) float64
        Gaussians, as `parameters`, that are subtracted from the pixels.
    max_half_px : int
        Largest extent of the ellipse from its centre [px].
    parameters : (6,) float64
        In: start; out: amplitude [Jy/beam], x, y [px], a, b, c [1/px^2] of
        exp(-(a dx^2 + 2 b dx dy + c dy^2)).

    Returns
    -------
    bool
        Whether it converged to an ellipse around the peak.

    References
    ----------
    Marquardt (1963), J. SIAM 11, 431; Condon (1997), PASP 109, 166.
    """
    footprint = parameters.copy()
    for _ in range(_MAX_ROUNDS):
        determinant = footprint[3] * footprint[5] - footprint[4] * footprint[4]
        widest = max(footprint[3], footprint[5])
        half_px = math.ceil(math.sqrt(-math.log(_FOOTPRINT) * widest / determinant))
        box = (round(footprint[2]), round(footprint[1]), max(1, half_px))
        if half_px > max_half_px or not _fit_in_footprint(
            pixels, box, background, footprint, others, parameters
        ):
            return False
        area = parameters[3] * parameters[5] - parameters[4] * parameters[4]
        footprint[:] = parameters
        if abs(area / determinant - 1.0) < _SAME_AREA:
            break
    # A peak of noise on a large source may lie away from its centre, but inside.
    is_inside = _value(parameters, peak_x, peak_y) > _FOOTPRINT * parameters[0]
    is_near = abs(parameters[1] - peak_x) < 2.0 and abs(parameters[2] - peak_y) < 2.0
    return bool(is_inside or is_near)
