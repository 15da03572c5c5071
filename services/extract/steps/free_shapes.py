"""Free shapes: of all sources, or of those that the beam does not describe."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.extract.kernels.free_shapes import fit_shapes
from services.extract.models import BeamShape
from services.extract.steps.peaks import Peaks

__all__ = ["FreeShapes", "fit_free_shapes"]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

# Largest half-maximum radius of a fit [beams].
_MOST_BEAMS = 10.0


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
    result, marks = np.empty_like(models), np.empty((4, peaks.y.size), np.bool_)
    fit_shapes(
        pixels, peaks.y, peaks.x, peaks.island, peaks.background, peaks.rms, models, is_candidate,
        threshold_sigma, math.ceil(_MOST_BEAMS * beam.major_px), only_extended, result, marks,
    )  # fmt: skip
    is_free, is_extended, is_part, is_failed = marks
    return FreeShapes(result, is_free, is_extended, is_part, is_failed)
