"""Whether one extended source describes pixels better than several beams."""

import math

import numpy as np
import numpy.typing as npt

from services.extract.kernels.residuals import compare_with_models
from services.extract.steps.free_shapes import FreeShapes
from services.extract.steps.peaks import Peaks

__all__ = ["parts_of_extended"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

# Both are compared within this contour of the extended source; what lies in it is part of it.
_CONTOUR = 0.2


def parts_of_extended(
    pixels: npt.NDArray[np.float32],
    peaks: Peaks,
    shapes: FreeShapes,
    split: Peaks,
    beams: FloatArray,
) -> BoolArray:
    """Return which peaks lie in an extended source that describes its pixels better than beams.

    A free Gaussian has as many parameters as two beams, and fewer than more of them: where it
    leaves smaller residuals, the beams are no sources.

    Parameters
    ----------
    pixels : (ny, nx) float32
        Image [Jy/beam]; NaN is blank.
    peaks : Peaks
        The n sources before others were found beside them.
    shapes : FreeShapes
        Their shapes.
    split : Peaks
        All m peaks of the same islands, with those found beside them.
    beams : (m, 6) float64
        Their fits with the beam's shape, as `compare_with_models` takes them.

    Returns
    -------
    (m,) bool
        Of `split`.
    """
    is_inside = np.zeros(split.y.size, np.bool_)
    remaining = ~shapes.is_part
    for source in np.flatnonzero(shapes.is_extended):
        island = peaks.island[source]
        others = np.flatnonzero((peaks.island == island) & remaining)
        one = shapes.models[others[others != source]]
        several = beams[split.island == island]
        model = shapes.models[source]
        level = float(peaks.background[source])
        if _squares(pixels, level, model, one) <= _squares(
            pixels, level, model * [0, 1, 1, 1, 1, 1], several
        ):
            is_inside |= (split.island == island) & _within(model, split)
    return is_inside


def _squares(
    pixels: npt.NDArray[np.float32], background: float, model: FloatArray, others: FloatArray
) -> float:
    """Return the sum of squared residuals of a model and others in its contour [(Jy/beam)^2]."""
    models = np.vstack([model[None], others])
    n = models.shape[0]
    neighbours = np.full((n, max(1, n - 1)), -1, np.int64)
    neighbours[0, : n - 1] = np.arange(1, n)
    out = np.empty((n, 4))
    compare_with_models(
        pixels, np.full(n, background), np.ones(n), models, neighbours, _CONTOUR, out
    )
    return float(out[0, 0])


def _within(model: FloatArray, peaks: Peaks) -> BoolArray:
    dx, dy = peaks.x - model[1], peaks.y - model[2]
    exponent = model[3] * dx * dx + 2 * model[4] * dx * dy + model[5] * dy * dy
    return np.asarray(exponent <= -math.log(_CONTOUR), np.bool_)
