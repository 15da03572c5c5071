"""Beams of few pixels: weights of their fits, and what the pixel grid hides from them."""

import numpy as np
import numpy.typing as npt

from services.extract.kernels.linear import factorise, solve_factorised
from services.extract.models import BeamShape
from sky.elementary_functions import exp
from sky.small_matrices import inverses, transformed

__all__ = ["is_coarse", "pixel_weights", "position_covariance"]

FloatArray = npt.NDArray[np.float64]

# Beams whose fits use the 3 x 3 pixels around the peak, and of these the ones that a grid of
# pixels samples so coarsely that errors depend on where the source lies within its pixel.
_LARGEST_MAJOR_PX, _LARGEST_MINOR_PX = 4.6, 3.0
# Noise that no beam correlates, of the variance: it keeps the weights finite.
_WHITE_NOISE = 1e-3
_ROWS, _COLUMNS = (each.ravel() for each in np.mgrid[-1.0:2.0, -1.0:2.0])


def is_coarse(beam: BeamShape) -> bool:
    """Return whether fits of this beam must know the covariance of its few pixels."""
    return beam.major_px < _LARGEST_MAJOR_PX and beam.minor_px < _LARGEST_MINOR_PX


def pixel_weights(beam: BeamShape) -> FloatArray:
    """Return the inverse covariance of the 3 x 3 pixels around a peak, in raster order.

    Parameters
    ----------
    beam : BeamShape
        The autocorrelation of the noise.

    Returns
    -------
    (9, 9) float64
        Of noise of unit rms; (0, 0) for a beam that is not coarse.
    """
    if not is_coarse(beam):
        return np.empty((0, 0))
    factor = _beam(beam, _COLUMNS[:, None] - _COLUMNS, _ROWS[:, None] - _ROWS)
    factor += _WHITE_NOISE * np.eye(_ROWS.size)
    factorise(factor, _ROWS.size)
    inverse = np.eye(_ROWS.size)
    for column in inverse:
        solve_factorised(factor, _ROWS.size, column)
    return inverse


def position_covariance(
    beam: BeamShape, x: FloatArray, y: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return the errors of weighted fits of a coarse beam, for sources of S/N 1.

    Parameters
    ----------
    beam : BeamShape
        The beam.
    x, y : (n,) float64
        Fitted positions [px].

    Returns
    -------
    peak : (n,) float64
        Error of the peak [rms].
    position : (n, 2, 2) float64
        Covariance of x and y, times the square of the S/N [px^2].

    References
    ----------
    Aitken (1935), Proc. R. Soc. Edinburgh 55, 42: generalised least squares.
    """
    a, b, c = beam.quadratic
    dx = _COLUMNS - (x - np.round(x))[:, None]
    dy = _ROWS - (y - np.round(y))[:, None]
    shape = _beam(beam, dx, dy)
    slopes = np.stack(
        [shape, 2 * shape * (a * dx + b * dy), 2 * shape * (b * dx + c * dy)], axis=2
    )
    information = transformed(pixel_weights(beam), slopes.transpose(0, 2, 1))
    covariance = inverses(information)
    return np.sqrt(covariance[:, 0, 0]), covariance[:, 1:, 1:]


def _beam(beam: BeamShape, dx: FloatArray, dy: FloatArray) -> FloatArray:
    a, b, c = beam.quadratic
    return exp(-(a * dx * dx + 2 * b * dx * dy + c * dy * dy))
