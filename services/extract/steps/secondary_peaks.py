"""Remove secondary peaks of one elongated source, and move those that a flank has displaced."""

import numpy as np
import numpy.typing as npt

from services.extract.kernels.beams import fit_beside, fit_each_alone
from services.extract.kernels.neighbours import pairs_within
from services.extract.models import BeamShape
from sky.elementary_functions import exp

__all__ = ["settle_secondary_peaks"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

# Half of the exponent at which the highest source of an image is below its noise: exp(-7) = 1e-3.
_LARGEST_EXPONENT = 7.0
# What must remain of a peak after its neighbours' beams are subtracted: a fraction of the
# detection threshold, and of what was subtracted, as no beam fits better than that.
_THRESHOLD_FRACTION = 0.6
_MODEL_FRACTION = 0.1
# A fit from the peak finds a centre that is nearer by itself [px].
_LEAST_MOVE_PX = 1.5


def settle_secondary_peaks(
    pixels: npt.NDArray[np.float32],
    y: IntArray,
    x: IntArray,
    background: FloatArray,
    rms: FloatArray,
    *,
    beam: BeamShape,
    threshold_sigma: float,
) -> tuple[BoolArray, IntArray, IntArray] | None:
    """Return which peaks remain sources after subtraction of higher ones, and where they are.

    None if no two are so near that one could change.

    A narrow beam that lies oblique to the pixels has several local maxima along its ridge, where
    the ridge passes near the centre of a pixel. On the flank of a brighter source the highest of
    them may be half a beam from the centre.

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
    (n,) int64
        Rows of the pixels that are nearest to the sources [px].
    (n,) int64
        Their columns [px].
    """
    if y.size < 2:
        return None
    quadratics = beam.quadratics(x, y)
    pairs = pairs_within(y, x, _widest(quadratics, beam), _LARGEST_EXPONENT)
    if not pairs.size:
        return None
    keep, at_y, at_x = np.ones(y.size, np.bool_), y.copy(), x.copy()
    height = pixels[y, x] - background
    members = np.unique(pairs)
    models = np.column_stack([np.full((y.size, 3), np.nan), quadratics])
    alone = np.empty((members.size, 3))
    fit_each_alone(pixels, y[members], x[members], background[members], quadratics[members], alone)
    models[members, :3] = alone
    both = np.concatenate([pairs, pairs[:, ::-1]])
    higher = both[_is_higher(height, both[:, 1], both[:, 0])]
    higher = higher[np.argsort(higher[:, 0], kind="stable")]
    first = np.searchsorted(higher[:, 0], np.arange(y.size + 1))
    for peak in members[np.argsort(-height[members], kind="stable")]:
        others = higher[first[peak] : first[peak + 1], 1]
        others = others[keep[others]]
        if not others.size:
            continue
        model = _value_at(models[others], x[peak], y[peak])
        least = _THRESHOLD_FRACTION * threshold_sigma * rms[peak] + _MODEL_FRACTION * model
        keep[peak] = height[peak] - model >= least
        if keep[peak]:
            # On the flank of a brighter one a fit alone would miss what is left along the ridge.
            a, b, c = quadratics[peak]
            start = height[peak] - model, float(x[peak]), float(y[peak])
            models[peak, :3] = fit_beside(
                pixels, background[peak], start, (a, b, c), models[others]
            )
            at_y[peak], at_x[peak] = _settled(pixels, (int(y[peak]), int(x[peak])), models[peak])
    return keep, at_y, at_x


def _settled(
    pixels: npt.NDArray[np.float32], peak: tuple[int, int], model: FloatArray
) -> tuple[int, int]:
    """Return the pixel at the centre of a model if it is far from the peak and in its beam."""
    amplitude, centre_x, centre_y, a, b, c = model
    dx, dy = centre_x - peak[1], centre_y - peak[0]
    exponent = a * dx * dx + 2 * b * dx * dy + c * dy * dy
    if not (amplitude > 0 and exponent < _LARGEST_EXPONENT):
        return peak
    y, x = round(centre_y), round(centre_x)
    is_inside = 0 <= y < pixels.shape[0] and 0 <= x < pixels.shape[1]
    if max(abs(dx), abs(dy)) < _LEAST_MOVE_PX or not is_inside or not np.isfinite(pixels[y, x]):
        return peak
    return y, x


def _widest(quadratics: FloatArray, beam: BeamShape) -> tuple[float, float, float]:
    """Return a beam that contains all of them: they, or a round one where they differ."""
    if beam.local is None:
        return beam.quadratic
    a, b, c = quadratics.T
    least = float(np.min((a + c) / 2 - np.hypot((a - c) / 2, b)))
    return least, 0.0, least


def _is_higher(height: FloatArray, other: IntArray, peak: IntArray) -> BoolArray:
    """Return whether `other` is the higher peak; the first of two equal ones is."""
    is_equal = height[other] == height[peak]
    return np.asarray((height[other] > height[peak]) | (is_equal & (other < peak)), np.bool_)


def _value_at(models: FloatArray, x: int, y: int) -> float:
    """Return the sum of beams at a pixel."""
    amplitude, centre_x, centre_y, a, b, c = models.T
    dx, dy = x - centre_x, y - centre_y
    return float(np.sum(amplitude * exp(-(a * dx * dx + 2 * b * dx * dy + c * dy * dy))))
