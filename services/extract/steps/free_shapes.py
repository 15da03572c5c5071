"""Free shapes: of all sources, or of those that the beam does not describe."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.extract.kernels.free_gaussian import fit_gaussian
from services.extract.models import BeamShape
from services.extract.steps.peaks import Peaks
from sky.elementary_functions import exp

__all__ = ["FreeShapes", "fit_free_shapes"]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

_LN2 = math.log(2.0)
# Largest half-maximum radius of a fit [beams].
_MOST_BEAMS = 10.0
# Sizes to start from [beams]: within a beam, noise may make a large source look hollow.
_STARTS = (1.0, 2.0, 4.0)
# A source is extended if its area exceeds the beam's by this factor, and by this many errors.
_LEAST_GROWTH, _LEAST_SIGMA = 1.1, 3.0
# What must remain of a peak of the same island after an extended source is subtracted, beyond the
# detection threshold: a fraction of what was subtracted, as no Gaussian fits better than that.
_MODEL_FRACTION = 0.1


@dataclass(frozen=True, slots=True)
class FreeShapes:
    """Fitted Gaussians; all of length n.

    `models` (n, 6) has amplitude [Jy/beam], x, y [px], a, b, c [1/px^2]; the beam's where
    `is_free` is false. `is_part` marks peaks that belong to another source, `is_failed` fits that
    did not converge.
    """

    models: FloatArray
    is_free: BoolArray
    is_extended: BoolArray
    is_part: BoolArray
    is_failed: BoolArray


def fit_free_shapes(
    pixels: npt.NDArray[np.float32],
    peaks: Peaks,
    models: FloatArray,
    beam: BeamShape,
    *,
    is_candidate: BoolArray,
    threshold_sigma: float,
    only_extended: bool,
) -> FreeShapes:
    """Fit elliptical Gaussians, the brightest source first.

    Parameters
    ----------
    pixels : (ny, nx) float32
        Image [Jy/beam]; NaN is blank.
    peaks : Peaks
        The sources.
    models : (n, 6) float64
        The fitted beams; not modified.
    beam : BeamShape
        The restoring beam.
    is_candidate : (n,) bool
        Sources whose flux exceeds that of the beam's shape.
    threshold_sigma : float
        Detection threshold [local rms].
    only_extended : bool
        Fit only the candidates, and keep the beam where the fit is not larger.
    """
    n = peaks.y.size
    result = FreeShapes(models.copy(), *(np.zeros(n, np.bool_) for _ in range(4)))
    if only_extended and not is_candidate.any():
        return result
    fitter = _Fitter(pixels, peaks, beam, is_candidate, threshold_sigma, result)
    order = np.argsort(-models[:, 0], kind="stable")
    for source in order[is_candidate[order]] if only_extended else order:
        if not result.is_part[source]:
            fitter.fit(int(source), only_extended=only_extended)
    return result


class _Fitter:
    """Fits one source after the other; the result grows."""

    def __init__(
        self,
        pixels: npt.NDArray[np.float32],
        peaks: Peaks,
        beam: BeamShape,
        is_candidate: BoolArray,
        threshold_sigma: float,
        result: FreeShapes,
    ) -> None:
        self._pixels, self._peaks = pixels, peaks
        self._is_candidate, self._threshold_sigma = is_candidate, threshold_sigma
        self._result = result
        a, b, c = beam.quadratics(peaks.x, peaks.y).T
        self._beam_determinant = a * c - b * b
        self._max_half_px = math.ceil(_MOST_BEAMS * beam.major_px)
        self._order = np.argsort(peaks.island, kind="stable")
        self._islands = peaks.island[self._order]

    def fit(self, source: int, *, only_extended: bool) -> None:
        """Fit one source; peaks of noise on it become parts of it."""
        result = self._result
        others = self._others_of(source)
        # Fainter candidates may be noise on this source: at first they are not subtracted.
        certain = others[~self._is_candidate[others] | result.is_free[others]]
        model = self._fit_with(source, certain)
        if model is None:
            result.is_failed[source] = not only_extended
            return
        is_extended = self._is_extended(source, model)
        if is_extended and others.size:
            parts = self._parts_of(model, others)
            rest = others[~parts]
            if rest.size > certain.size:
                model = self._fit_with(source, rest)
                if model is None or not self._is_extended(source, model):
                    return
                parts = self._parts_of(model, others)
            result.is_part[others[parts]] = True
        if is_extended or not only_extended:
            result.models[source] = model
            result.is_free[source] = True
            result.is_extended[source] = is_extended

    def _others_of(self, source: int) -> npt.NDArray[np.int64]:
        """Return the other sources of the island."""
        island = self._peaks.island[source]
        first, last = np.searchsorted(self._islands, [island, island + 1])
        members = self._order[first:last]
        return np.asarray(members[(members != source) & ~self._result.is_part[members]])

    def _fit_with(self, source: int, others: npt.NDArray[np.int64]) -> FloatArray | None:
        """Return the Gaussian, None if there is none."""
        peaks = self._peaks
        for scale in _STARTS if self._is_candidate[source] else _STARTS[:1]:
            model: FloatArray = self._result.models[source].copy()
            model[3:] /= scale**2
            if fit_gaussian(
                self._pixels, int(peaks.y[source]), int(peaks.x[source]),
                float(peaks.background[source]), self._result.models[others],
                self._max_half_px, model,
            ):  # fmt: skip
                return model
        return None

    def _is_extended(self, source: int, model: FloatArray) -> bool:
        determinant = model[3] * model[5] - model[4] * model[4]
        growth = math.sqrt(self._beam_determinant[source] / determinant)
        # The relative error of the area is about that of the peak.
        growth_err = growth * self._peaks.rms[source] / model[0]
        return bool(growth > max(_LEAST_GROWTH, 1 + _LEAST_SIGMA * growth_err))

    def _parts_of(self, model: FloatArray, others: npt.NDArray[np.int64]) -> BoolArray:
        """Return which fainter peaks of the island do not remain when the model is subtracted."""
        peaks = self._peaks
        y, x = peaks.y[others], peaks.x[others]
        height = self._pixels[y, x] - peaks.background[others]
        dx, dy = x - model[1], y - model[2]
        at_peak = model[0] * exp(-(model[3] * dx**2 + 2 * model[4] * dx * dy + model[5] * dy**2))
        least = self._threshold_sigma * peaks.rms[others]
        return np.asarray(height - at_peak < least + _MODEL_FRACTION * at_peak)
