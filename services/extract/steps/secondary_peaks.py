"""Remove secondary peaks that the pixel grid makes of one elongated source."""

import math

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from services.extract.kernels.beams import fit_each_alone
from services.extract.models import BeamShape
from sky.elementary_functions import exp

__all__ = ["drop_secondary_peaks"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

# Half of the exponent at which the highest source of an image is below its noise: exp(-7) = 1e-3.
_LARGEST_EXPONENT = 7.0
# What must remain of a peak after its neighbours' beams are subtracted: a fraction of the
# detection threshold, and of what was subtracted, as no beam fits better than that.
_THRESHOLD_FRACTION = 0.6
_MODEL_FRACTION = 0.1


def drop_secondary_peaks(
    pixels: npt.NDArray[np.float32],
    y: IntArray,
    x: IntArray,
    background: FloatArray,
    rms: FloatArray,
    *,
    beam: BeamShape,
    threshold_sigma: float,
) -> BoolArray:
    """Return which peaks remain sources after subtraction of their higher neighbours' beams.

    A narrow beam that lies oblique to the pixels has several local maxima along its ridge, where
    the ridge passes near the centre of a pixel.

    Parameters
    ----------
    pixels : (ny, nx) float32
        Image [Jy/beam]; NaN is blank.
    y, x : (n,) int64
        Peak pixels.
    background, rms : (n,) float64
        At the peaks [Jy/beam].
    beam : BeamShape
        The restoring beam.
    threshold_sigma : float
        Detection threshold [local rms].

    Returns
    -------
    (n,) bool
        False for a peak that is part of another source.
    """
    keep = np.ones(y.size, np.bool_)
    if y.size < 2:
        return keep
    quadratics = beam.quadratics(x, y)
    pairs = _pairs(y, x, _widest(quadratics, beam))
    if not pairs.size:
        return keep
    height = pixels[y, x] - background
    members = np.unique(pairs)
    fits = np.full((y.size, 3), np.nan)
    alone = np.empty((members.size, 3))
    fit_each_alone(pixels, y[members], x[members], background[members], quadratics[members], alone)
    fits[members] = alone
    amplitude, centre_x, centre_y = fits.T
    both = np.concatenate([pairs, pairs[:, ::-1]])
    higher = both[_is_higher(height, both[:, 1], both[:, 0])]
    higher = higher[np.argsort(higher[:, 0], kind="stable")]
    first = np.searchsorted(higher[:, 0], np.arange(y.size + 1))
    for peak in members[np.argsort(-height[members], kind="stable")]:
        others = higher[first[peak] : first[peak + 1], 1]
        others = others[keep[others]]
        beams = amplitude[others] * _beam(
            x[peak] - centre_x[others], y[peak] - centre_y[others], quadratics[others]
        )
        model = float(np.sum(beams))
        least = _THRESHOLD_FRACTION * threshold_sigma * rms[peak] + _MODEL_FRACTION * model
        keep[peak] = others.size == 0 or height[peak] - model >= least
    return keep


def _widest(quadratics: FloatArray, beam: BeamShape) -> tuple[float, float, float]:
    """Return a beam that contains all of them: they, or a round one where they differ."""
    if beam.local is None:
        return beam.quadratic
    a, b, c = quadratics.T
    least = float(np.min((a + c) / 2 - np.hypot((a - c) / 2, b)))
    return least, 0.0, least


def _pairs(y: IntArray, x: IntArray, quadratic: tuple[float, float, float]) -> IntArray:
    """Return (m, 2) indices of peaks that lie within each other's beam."""
    a, b, c = quadratic
    # The beam's exponent is the squared distance in these coordinates.
    root = math.sqrt(a)
    points = np.stack([root * x + b / root * y, math.sqrt(c - b * b / a) * y], axis=1)
    pairs = cKDTree(points).query_pairs(_LARGEST_EXPONENT**0.5, output_type="ndarray")
    return np.asarray(pairs, np.int64).reshape(-1, 2)


def _is_higher(height: FloatArray, other: IntArray, peak: IntArray) -> BoolArray:
    """Return whether `other` is the higher peak; the first of two equal ones is."""
    is_equal = height[other] == height[peak]
    return np.asarray((height[other] > height[peak]) | (is_equal & (other < peak)), np.bool_)


def _beam(dx: FloatArray, dy: FloatArray, quadratics: FloatArray) -> FloatArray:
    a, b, c = quadratics.T
    return exp(-(a * dx * dx + 2 * b * dx * dy + c * dy * dy))
