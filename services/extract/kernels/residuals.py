"""Residuals from the model of each source."""

import math

import numpy as np
import numpy.typing as npt
from numba import njit

from services.extract.kernels.measure import gaussian

__all__ = ["compare_with_models", "exceed_models"]


@njit(
    "void(float32[:, ::1], float64[::1], float64[::1], float64[:, ::1], int64[:, ::1],"
    " float64, float64[:, ::1])",
    nogil=True,
    error_model="numpy",
    cache=True,
)
def compare_with_models(
    pixels: npt.NDArray[np.float32],
    background: npt.NDArray[np.float64],
    rms: npt.NDArray[np.float64],
    models: npt.NDArray[np.float64],
    neighbours: npt.NDArray[np.int64],
    cutoff: float,
    out: npt.NDArray[np.float64],
) -> None:
    """Compare the pixels in the footprint of each source with its model.

    The sum of squared residuals over the number of pixels is the reduced chi-square; if the
    model is the beam, the measured flux over that of the model exceeds 1 for an extended source.

    Parameters
    ----------
    pixels : (ny, nx) float32
        Image [Jy/beam]; NaN is blank.
    background, rms : (n,) float64
        At the peaks [Jy/beam].
    models : (n, 6) float64
        Amplitude [Jy/beam], x, y [px], a, b, c [1/px^2] of exp(-(a dx^2 + 2 b dx dy + c dy^2)).
    neighbours : (n, m) int64
        As given to `fit_beam`: their models are subtracted.
    cutoff : float
        The footprint is where the model exceeds this fraction of its peak.
    out : (n, 4) float64
        Out: sum of squared residuals [rms^2], number of pixels, measured flux over flux of the
        model (NaN if it has none), and sum of the model over the footprint and the amplitude.
    """
    ny, nx = pixels.shape
    reach = -math.log(cutoff)
    for source in range(models.shape[0]):
        amplitude, x_fit, y_fit = models[source, 0], models[source, 1], models[source, 2]
        a, b, c = models[source, 3], models[source, 4], models[source, 5]
        determinant = a * c - b * b
        half_x = int(math.sqrt(reach * c / determinant)) + 1
        half_y = int(math.sqrt(reach * a / determinant)) + 1
        y0, x0 = round(y_fit), round(x_fit)
        squares, measured, expected, used = 0.0, 0.0, 0.0, 0
        for y in range(max(0, y0 - half_y), min(ny, y0 + half_y + 1)):
            for x in range(max(0, x0 - half_x), min(nx, x0 + half_x + 1)):
                shape = gaussian(x - x_fit, y - y_fit, a, b, c)
                if shape < cutoff:
                    continue
                value = float(pixels[y, x]) - background[source]
                if math.isnan(value):
                    continue
                for index in range(neighbours.shape[1]):
                    other = neighbours[source, index]
                    if other < 0:
                        break
                    value -= models[other, 0] * gaussian(
                        x - models[other, 1],
                        y - models[other, 2],
                        models[other, 3],
                        models[other, 4],
                        models[other, 5],
                    )
                residual = (value - amplitude * shape) / rms[source]
                squares += residual * residual
                measured += value
                expected += shape
                used += 1
        out[source, 0] = squares
        out[source, 1] = used
        # A model without flux, as fits of blends may leave one, is compared with nothing.
        flux = amplitude * expected
        out[source, 2] = measured / flux if flux != 0.0 else np.nan
        out[source, 3] = expected


@njit(
    "void(float64[:, ::1], float64[:, ::1], float64[::1], float64, float64, boolean[::1])",
    nogil=True,
    error_model="numpy",
    cache=True,
)
def exceed_models(
    residuals: npt.NDArray[np.float64],
    models: npt.NDArray[np.float64],
    rms: npt.NDArray[np.float64],
    least_growth: float,
    growth_sigma: float,
    out: npt.NDArray[np.bool_],
) -> None:
    """Tell sources whose flux exceeds that of their model.

    Parameters
    ----------
    residuals : (n, 4) float64
        As `compare_with_models` wrote them.
    models : (n, 6) float64
        As it took them.
    rms : (n,) float64
        At the peaks [Jy/beam].
    least_growth : float
        Measured flux over that of the model, at least.
    growth_sigma : float
        By so many relative errors of the peak it exceeds 1.
    out : (n,) bool
        Out: whether each does.
    """
    for source in range(rms.size):
        growth_err = rms[source] / max(models[source, 0], rms[source])
        limit = 1.0 + max(growth_sigma * growth_err, least_growth - 1.0)
        out[source] = residuals[source, 2] > limit
