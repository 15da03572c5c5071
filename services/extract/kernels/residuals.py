"""Residuals from the beam's shape around each source."""

import math

import numpy as np
import numpy.typing as npt
from numba import njit

from services.extract.kernels.measure import gaussian

__all__ = ["compare_with_beam"]


@njit(
    "void(float32[:, ::1], float64[::1], float64[::1], float64[:, ::1], int64[:, ::1],"
    " float64, float64, float64, float64, float64[:, ::1])",
    nogil=True,
    error_model="numpy",
    cache=True,
)
def compare_with_beam(
    pixels: npt.NDArray[np.float32],
    background: npt.NDArray[np.float64],
    rms: npt.NDArray[np.float64],
    fits: npt.NDArray[np.float64],
    neighbours: npt.NDArray[np.int64],
    beam_a: float,
    beam_b: float,
    beam_c: float,
    cutoff: float,
    out: npt.NDArray[np.float64],
) -> None:
    """Compare the pixels in the footprint of each source with the beam's shape.

    The sum of squared residuals over the number of pixels is the reduced chi-square against a
    point source; the measured flux over that of the model exceeds 1 for an extended source.

    Parameters
    ----------
    pixels : (ny, nx) float32
        Image [Jy/beam]; NaN is blank.
    background, rms : (n,) float64
        At the peaks [Jy/beam].
    fits : (n, 6) float64
        As `fit_beam` returned them.
    neighbours : (n, m) int64
        As given to `fit_beam`: their models are subtracted.
    beam_a, beam_b, beam_c : float
        The beam is exp(-(a dx^2 + 2 b dx dy + c dy^2)) [1/px^2].
    cutoff : float
        The footprint is where the beam exceeds this.
    out : (n, 4) float64
        Out: sum of squared residuals [rms^2], number of pixels, measured flux over flux of the
        model, and sum of the beam over the footprint.
    """
    ny, nx = pixels.shape
    determinant = beam_a * beam_c - beam_b * beam_b
    reach = -math.log(cutoff)
    half_x = int(math.sqrt(reach * beam_c / determinant)) + 1
    half_y = int(math.sqrt(reach * beam_a / determinant)) + 1
    for source in range(fits.shape[0]):
        amplitude, x_fit, y_fit = fits[source, 0], fits[source, 1], fits[source, 2]
        y0, x0 = round(y_fit), round(x_fit)
        squares, measured, expected, used = 0.0, 0.0, 0.0, 0
        for y in range(max(0, y0 - half_y), min(ny, y0 + half_y + 1)):
            for x in range(max(0, x0 - half_x), min(nx, x0 + half_x + 1)):
                shape = gaussian(x - x_fit, y - y_fit, beam_a, beam_b, beam_c)
                if shape < cutoff:
                    continue
                value = float(pixels[y, x]) - background[source]
                if math.isnan(value):
                    continue
                for index in range(neighbours.shape[1]):
                    other = neighbours[source, index]
                    if other < 0:
                        break
                    value -= fits[other, 0] * gaussian(
                        x - fits[other, 1], y - fits[other, 2], beam_a, beam_b, beam_c
                    )
                residual = (value - amplitude * shape) / rms[source]
                squares += residual * residual
                measured += value
                expected += shape
                used += 1
        out[source, 0] = squares
        out[source, 1] = used
        out[source, 2] = measured / (amplitude * expected) if used > 0 else np.nan
        out[source, 3] = expected
