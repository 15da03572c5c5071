"""Sources that are no peak of an image: what remains when those beside them are subtracted."""

import numpy as np
import numpy.typing as npt

from services.extract.kernels.hidden import find_hidden
from services.extract.models import BeamShape, FinderParameters
from services.extract.steps.peaks import Peaks, is_searched

__all__ = ["find_hidden_peaks"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

# Beyond 1.5 beams a source is a peak of its own; within half a beam it is part of another. These
# are the exponents of the beam there.
_EXPONENTS = 0.7, 6.3
# A residual exceeds this fraction of the root of the model: more than what remains of a source
# whose area is 10 % larger than the beam's. A beam that is not that of the image, and an extended
# source, leave as much on the opposite side: that has less than the second fraction.
_FRACTIONS = 0.08, 0.5
# Noise makes a faint extended source uneven.
_EXTENDED_FACTOR = 1.6


def find_hidden_peaks(
    pixels: npt.NDArray[np.float32],
    peaks: Peaks,
    models: FloatArray,
    around: IntArray,
    beam: BeamShape,
    parameters: FinderParameters,
    *,
    is_fitted: BoolArray,
    may_be_extended: BoolArray,
) -> Peaks:
    """Return the peaks that are hidden by their neighbours, with what these have.

    Two beams nearer than about 1.3 beams have one maximum unless they are equal.

    Parameters
    ----------
    pixels : (ny, nx) float32
        Image [Jy/beam]; NaN is blank.
    peaks : Peaks
        The sources.
    models : (n, 6) float64
        Their fits with the beam's shape, as `compare_with_models` takes them.
    around : (n, m) int64
        Other sources within three beams; -1 ends the list.
    beam : BeamShape
        The restoring beam.
    parameters : FinderParameters
        Detection threshold, margin, radius.
    is_fitted : (n,) bool
        Sources beside which others are searched.
    may_be_extended : (n,) bool
        Sources whose flux exceeds that of the beam's shape: what is hidden by them is higher.
    """
    highest = np.zeros((peaks.y.size, 3))
    least = parameters.detection_threshold_sigma * peaks.rms
    least[may_be_extended] *= _EXTENDED_FACTOR
    least[~is_fitted] = np.inf
    find_hidden(pixels, peaks.background, least, models, around, _EXPONENTS, _FRACTIONS, highest)
    owner = np.flatnonzero(highest[:, 0] > 0)
    x, y = highest[owner, 1].astype(np.int64), highest[owner, 2].astype(np.int64)
    inside = is_searched(y, x, (pixels.shape[0], pixels.shape[1]), parameters)
    owner, x, y = owner[inside], x[inside], y[inside]
    chosen = _without_repeats(x, y, highest[owner, 0], beam)
    owner = owner[chosen]
    return Peaks(
        y[chosen], x[chosen], peaks.island[owner], peaks.background[owner], peaks.rms[owner]
    )


def _without_repeats(x: IntArray, y: IntArray, height: FloatArray, beam: BeamShape) -> IntArray:
    """Return the indices of the highest within each beam: two sources may hide the same one."""
    a, b, c = beam.quadratic
    chosen: list[int] = []
    for index in np.argsort(-height, kind="stable"):
        dx, dy = x[chosen] - x[index], y[chosen] - y[index]
        if not np.any(a * dx * dx + 2 * b * dx * dy + c * dy * dy < _EXPONENTS[0]):
            chosen.append(int(index))
    return np.array(chosen, np.int64)
