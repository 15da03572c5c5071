"""Fits of a beam whose centre may lie far from a peak."""

import math

import numpy as np
import numpy.typing as npt
from numba import njit

from services.extract.kernels.linear import factorise, solve_factorised
from services.extract.kernels.measure import gaussian

__all__ = ["fit_beside"]

_MAX_STEPS = 20
_LONGEST_STEP = 0.5  # of the distance at which the beam falls to 1/e
_CONVERGED = 1e-3
_FOOTPRINT = 0.5


@njit(
    "void(float32[:, ::1], float64, UniTuple(float64, 3), UniTuple(float64, 3),"
    " float64[:, ::1], float64[:, ::1], float64[::1])",
    nogil=True,
    error_model="numpy",
    cache=True,
)
def _linearise(
    pixels: npt.NDArray[np.float32],
    background: float,
    model: tuple[float, float, float],
    beam: tuple[float, float, float],
    others: npt.NDArray[np.float64],
    matrix: npt.NDArray[np.float64],
    step: npt.NDArray[np.float64],
) -> None:
    """Set up the normal equations of the pixels above half of a beam, and of 3 x 3 at least.

    The models of `others` are subtracted from them.
    """
    ny, nx = pixels.shape
    amplitude, x_fit, y_fit = model
    a, b, c = beam
    reach = -math.log(_FOOTPRINT) / (a * c - b * b)
    half_x, half_y = max(1.0, math.sqrt(reach * c)), max(1.0, math.sqrt(reach * a))
    matrix[:], step[:] = 0.0, 0.0
    slope = np.empty(3)
    for y in range(max(0, math.ceil(y_fit - half_y)), min(ny, math.floor(y_fit + half_y) + 1)):
        for x in range(max(0, math.ceil(x_fit - half_x)), min(nx, math.floor(x_fit + half_x) + 1)):
            dx, dy = x - x_fit, y - y_fit
            shape = gaussian(dx, dy, a, b, c)
            value = float(pixels[y, x]) - background
            if not math.isfinite(value) or (shape < _FOOTPRINT and dx * dx + dy * dy >= 2.0):
                continue
            for other in others:
                value -= other[0] * gaussian(
                    x - other[1], y - other[2], other[3], other[4], other[5]
                )
            slope[0] = shape
            slope[1] = 2.0 * amplitude * shape * (a * dx + b * dy)
            slope[2] = 2.0 * amplitude * shape * (b * dx + c * dy)
            for i in range(3):
                step[i] += slope[i] * (value - amplitude * shape)
                for j in range(i + 1):
                    matrix[i, j] += slope[i] * slope[j]


@njit(
    "UniTuple(float64, 3)(float32[:, ::1], float64, UniTuple(float64, 3), UniTuple(float64, 3),"
    " float64[:, ::1])",
    nogil=True,
    error_model="numpy",
    cache=True,
)
def fit_beside(
    pixels: npt.NDArray[np.float32],
    background: float,
    start: tuple[float, float, float],
    beam: tuple[float, float, float],
    others: npt.NDArray[np.float64],
) -> tuple[float, float, float]:
    """Fit amplitude and centre of one beam where those of others are subtracted.

    Gauss-Newton on the pixels above half of the beam's maximum; the centre may move far along
    the ridge of a narrow beam, which the measurement of a single source must not allow.

    Parameters
    ----------
    pixels : (ny, nx) float32
        Image [Jy/beam]; NaN is blank.
    background : float
        At the peak [Jy/beam].
    start : three float
        Amplitude [Jy/beam], x, y [px] to start from.
    beam : three float
        a, b, c of the beam exp(-(a dx^2 + 2 b dx dy + c dy^2)) [1/px^2].
    others : (k, 6) float64
        Amplitude [Jy/beam], x, y [px], a, b, c [1/px^2] of the other beams.

    Returns
    -------
    three float
        Amplitude [Jy/beam], x, y [px].
    """
    matrix, step = np.empty((3, 3)), np.empty(3)
    amplitude, x_fit, y_fit = start
    for _ in range(_MAX_STEPS):
        _linearise(pixels, background, (amplitude, x_fit, y_fit), beam, others, matrix, step)
        if not factorise(matrix, 3):
            break
        solve_factorised(matrix, 3, step)
        length = math.sqrt(
            beam[0] * step[1] * step[1]
            + 2.0 * beam[1] * step[1] * step[2]
            + beam[2] * step[2] * step[2]
        )
        if not math.isfinite(length):
            break
        share = min(1.0, _LONGEST_STEP / max(length, _CONVERGED))
        amplitude, x_fit, y_fit = (
            amplitude + share * step[0],
            x_fit + share * step[1],
            y_fit + share * step[2],
        )
        if length < _CONVERGED:
            break
    return amplitude, x_fit, y_fit
