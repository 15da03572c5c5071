"""Remove secondary peaks of one elongated source, and move those that a flank has displaced."""

import numpy as np
import numpy.typing as npt

from services.extract.kernels.neighbours import pairs_within
from services.extract.kernels.secondary_peaks import settle_peaks
from services.extract.models import BeamShape

__all__ = ["settle_secondary_peaks"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

# Half of the exponent at which the highest source of an image is below its noise: exp(-7) = 1e-3.
_LARGEST_EXPONENT = 7.0


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
    keep, at = np.empty(y.size, np.bool_), np.empty((2, y.size), np.int64)
    settle_peaks(
        pixels, y, x, background, rms, quadratics, pairs, threshold_sigma, _LARGEST_EXPONENT,
        keep, at,
    )  # fmt: skip
    return keep, at[0], at[1]


def _widest(quadratics: FloatArray, beam: BeamShape) -> tuple[float, float, float]:
    """Return a beam that contains all of them: they, or a round one where they differ."""
    if beam.local is None:
        return beam.quadratic
    a, b, c = quadratics.T
    least = float(np.min((a + c) / 2 - np.hypot((a - c) / 2, b)))
    return least, 0.0, least
