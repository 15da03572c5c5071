"""The bias of fitted peaks: noise moves a fit to where source and noise together are highest."""

from dataclasses import replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from services.extract.kernels.peak_bias import peak_biases
from services.extract.models import BeamShape
from services.extract.steps.points import FIT_CUTOFF
from services.extract.steps.sampling import is_coarse, pixel_weights, position_covariance
from sky.elementary_functions import exp

__all__ = ["bias_of_beams", "bias_of_free_shapes"]

FloatArray = npt.NDArray[np.float64]

# More pixels across or along a beam change nothing, and a header may have any beam that fits into
# half of its image.
_MOST_MINOR_PX, _MOST_MAJOR_PX = 8.0, 64.0
# Sources lie anywhere in their pixels: so many places along each axis.
_PLACES = 5


def bias_of_beams(beam: BeamShape, x: FloatArray, y: FloatArray) -> FloatArray:
    """Return by how much the fitted peaks are too high, times their S/N [rms].

    It is 1 for the best possible fit of a finely sampled beam: the slope of the noise has the
    covariance rms^2 C and the source the curvature A C, C the beam's, so the maximum of both is
    higher by half the trace of (rms^2 C) / (A C). A fit that gives the same weight to the pixels
    near the peak has less of it, one of few pixels more, depending on the place in the pixel.

    Parameters
    ----------
    beam : BeamShape
        The beam that was fitted.
    x, y : (n,) float64
        Fitted positions [px].
    """
    if not is_coarse(beam):
        return np.full(x.size, _mean_bias(replace(beam, local=None)))
    places = np.stack([x - np.round(x), y - np.round(y)], axis=1)
    return _biases(beam, places)


def bias_of_free_shapes(beam: BeamShape, x: FloatArray, y: FloatArray) -> FloatArray:
    """Return the same of fits of free shapes: to first order, of the best possible fit."""
    if not is_coarse(beam):
        return np.ones(x.size)
    a, b, c = beam.quadratic
    position = position_covariance(beam, x, y)[1]
    return np.asarray(np.einsum("nij,ij->n", position, np.array([[a, b], [b, c]])))


# The images of a stream have the same few beams.
@lru_cache(maxsize=64)
def _mean_bias(beam: BeamShape) -> float:
    """Return the bias of a beam of many pixels, of the places that a source may have in one."""
    scale = min(1.0, _MOST_MINOR_PX / beam.minor_px)
    major_px = min(scale * beam.major_px, _MOST_MAJOR_PX)
    beam = BeamShape(major_px, scale * beam.minor_px, beam.angle_rad)
    steps = (np.arange(_PLACES) + 0.5) / _PLACES - 0.5
    places = np.stack([np.repeat(steps, _PLACES), np.tile(steps, _PLACES)], axis=1)
    return float(sum(_biases(beam, places).tolist()) / len(places))


def _biases(beam: BeamShape, places: FloatArray) -> FloatArray:
    result = np.empty(len(places))
    peak_biases(beam.quadratic, _pixels_of_fit(beam), pixel_weights(beam), places, result)
    return result


def _pixels_of_fit(beam: BeamShape) -> FloatArray:
    """Return (n, 2) x, y of the pixels that enter a fit, from the peak pixel, in raster order."""
    radius = 1 if is_coarse(beam) else max(1, int(beam.major_px))
    side = np.arange(-radius, radius + 1.0)
    dx, dy = np.tile(side, side.size), np.repeat(side, side.size)
    a, b, c = beam.quadratic
    is_near = (np.abs(dx) <= 1) & (np.abs(dy) <= 1)
    is_used = is_near | (exp(-(a * dx * dx + 2 * b * dx * dy + c * dy * dy)) >= FIT_CUTOFF)
    return np.stack([dx[is_used], dy[is_used]], axis=1)
