"""Peaks and the fits of the beam's shape to them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.extract.kernels.measure import fit_beam
from services.extract.kernels.neighbours import nearest_two_ways
from services.extract.kernels.residuals import compare_with_models, exceed_models
from services.extract.models import BeamShape
from services.extract.steps.peaks import MAX_NEIGHBOURS, Peaks
from services.extract.steps.sampling import pixel_weights

__all__ = [
    "AROUND_BEAMS",
    "FIT_CUTOFF",
    "Points",
    "compare",
    "exceeds_beam",
    "fit_points",
    "with_fits",
]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

AROUND_BEAMS = 3.0
# Pixels within the 60 % contour of the beam, and at least 3 x 3, enter the fit.
FIT_CUTOFF = 0.6
_BLEND_SWEEPS = 8
_BLEND_BEAMS = 1.5
# The shape is compared with the beam within its 20 % contour.
_SHAPE_CUTOFF = 0.2
# The error of the flux in it over that of the fitted beam is half the relative error of the peak:
# the noise of both is mostly the same. A free shape must confirm it.
_LEAST_GROWTH, _GROWTH_ERR, _GROWTH_SIGMA = 1.05, 0.5, 3.5


@dataclass(frozen=True, slots=True)
class Points:
    """Peaks with fits of the beam's shape, as the kernels take and return them; all of length n.

    `around` are the others within 3 beams, nearest first; `neighbours` those within 1.5 beams;
    -1 ends both lists. `fits` are as `fit_beam` returns them, `models` as `compare_with_models`
    takes them.
    """

    peaks: Peaks
    around: IntArray
    neighbours: IntArray
    fits: FloatArray
    models: FloatArray


def fit_points(pixels: npt.NDArray[np.float32], peaks: Peaks, beam: BeamShape) -> Points:
    """Fit the beam's shape to all peaks.

    Parameters
    ----------
    pixels : (ny, nx) float32
        Image [Jy/beam]; NaN is blank.
    peaks : Peaks
        The n peaks.
    beam : BeamShape
        The restoring beam.
    """
    points = with_fits(peaks, np.empty((peaks.y.size, 6)), beam)
    fit_beam(
        pixels, peaks.y, peaks.x, peaks.background, points.neighbours,
        np.ascontiguousarray(points.models[:, 3:]), FIT_CUTOFF, pixel_weights(beam),
        _BLEND_SWEEPS, points.fits,
    )  # fmt: skip
    points.models[:, :3] = points.fits[:, :3]
    return points


def with_fits(peaks: Peaks, fits: FloatArray, beam: BeamShape) -> Points:
    """Return peaks and their fits, with their neighbours.

    Parameters
    ----------
    peaks : Peaks
        The n peaks.
    fits : (n, 6) float64
        Their fits.
    beam : BeamShape
        The restoring beam.
    """
    around, neighbours = np.empty((2, peaks.y.size, MAX_NEIGHBOURS), np.int64)
    radii_px = AROUND_BEAMS * beam.major_px, _BLEND_BEAMS * beam.major_px
    nearest_two_ways(peaks.y, peaks.x, radii_px, around, neighbours)
    models = np.empty((peaks.y.size, 6))
    models[:, :3], models[:, 3:] = fits[:, :3], beam.quadratics(peaks.x, peaks.y)
    return Points(peaks, around, neighbours, fits, models)


def compare(pixels: npt.NDArray[np.float32], points: Points, models: FloatArray) -> FloatArray:
    """Return what remains around each peak of n models, (n, 4), as `compare_with_models` does.

    Parameters
    ----------
    pixels : (ny, nx) float32
        Image [Jy/beam]; NaN is blank.
    points : Points
        The n peaks.
    models : (n, 6) float64
        Their models, as `compare_with_models` takes them.
    """
    peaks = points.peaks
    residuals = np.empty((peaks.y.size, 4))
    compare_with_models(
        pixels, peaks.background, peaks.rms, models, points.neighbours, _SHAPE_CUTOFF, residuals
    )
    return residuals


def exceeds_beam(points: Points, residuals: FloatArray) -> BoolArray:
    """Return whether the flux around each peak exceeds that of the beam's shape.

    Parameters
    ----------
    points : Points
        The n peaks.
    residuals : (n, 4) float64
        What `compare` returned for their fits.
    """
    result = np.empty(points.peaks.rms.size, np.bool_)
    exceed_models(
        residuals, points.models, points.peaks.rms, _LEAST_GROWTH, _GROWTH_ERR * _GROWTH_SIGMA,
        result,
    )  # fmt: skip
    return result
