"""Sources that are no peak of an image: what remains when those beside them are subtracted."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.extract.kernels.peak_lists import highest_of_each_beam, joined_with
from services.extract.kernels.residual_peaks import find_residual_peaks, least_residuals
from services.extract.models import BeamShape, FinderParameters
from services.extract.steps.free_shapes import fit_free_shapes
from services.extract.steps.one_or_several import parts_of_extended
from services.extract.steps.peaks import Peaks, is_searched, merge_peaks, neighbours_within
from services.extract.steps.points import (
    AROUND_BEAMS,
    Points,
    compare,
    exceeds_beam,
    fit_points,
    with_fits,
)

__all__ = ["with_residual_sources"]

FloatArray = npt.NDArray[np.float64]
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
# Each pass finds one beside each source.
_MOST_PASSES = 3


@dataclass(frozen=True, slots=True)
class _Merged:
    """All n peaks, which are new, and those fitted again: what chains join with a new one."""

    peaks: Peaks
    is_new: BoolArray
    is_joined: BoolArray
    again: Points


def with_residual_sources(
    pixels: npt.NDArray[np.float32],
    points: Points,
    beam: BeamShape,
    parameters: FinderParameters,
    *,
    n_passes: int = _MOST_PASSES,
) -> tuple[Points, FloatArray]:
    """Return the sources with those that they hide, until nothing remains, and their residuals.

    Two beams nearer than about 1.3 beams have one maximum unless they are equal. An extended
    source hides nothing if its own shape describes the pixels better than beams do. Only those
    are fitted again that a chain of neighbours or an island joins with a new one: the fits of the
    others do not depend on it.

    Parameters
    ----------
    pixels : (ny, nx) float32
        Image [Jy/beam]; NaN is blank.
    points : Points
        The sources that are peaks.
    beam : BeamShape
        The restoring beam.
    parameters : FinderParameters
        Detection threshold, margin, radius.
    n_passes : int
        How often to search.

    Returns
    -------
    Points
        All sources.
    (n, 4) float64
        What `compare` returns for their models.
    """
    residuals = compare(pixels, points, points.models)
    may_be_extended = exceeds_beam(points, residuals)
    found = _find_peaks(pixels, points, beam, parameters, may_be_extended)
    if found is None:
        return points, residuals
    merged = _without_parts(
        pixels, points, _merge(pixels, points, found, beam), beam, parameters, may_be_extended
    )
    if merged is None:
        return points, residuals
    again = merged.again
    if n_passes > 1:
        again, _ = with_residual_sources(pixels, again, beam, parameters, n_passes=n_passes - 1)
    kept = ~merged.is_joined[~merged.is_new]
    peaks, is_again = merge_peaks(points.peaks.select(kept), again.peaks)
    fits = np.empty((peaks.y.size, 6))
    fits[is_again], fits[~is_again] = again.fits, points.fits[kept]
    everything = with_fits(peaks, fits, beam)
    return everything, compare(pixels, everything, everything.models)


def _without_parts(
    pixels: npt.NDArray[np.float32],
    points: Points,
    merged: _Merged,
    beam: BeamShape,
    parameters: FinderParameters,
    may_be_extended: BoolArray,
) -> _Merged | None:
    """Return the merged peaks without new ones in extended sources; None if none is new."""
    if not may_be_extended.any():
        return merged
    is_near = np.isin(points.peaks.island, merged.peaks.island[merged.is_new])
    shapes = fit_free_shapes(
        pixels, points.peaks, points.models, beam, is_candidate=may_be_extended & is_near,
        threshold_sigma=parameters.detection_threshold_sigma, only_extended=True,
    )  # fmt: skip
    is_source = merged.is_new.copy()
    is_source[merged.is_joined] &= ~parts_of_extended(
        pixels, points.peaks, shapes, merged.again.peaks, merged.again.models
    )
    if np.array_equal(is_source, merged.is_new):
        return merged
    if not is_source.any():
        return None
    return _merge(pixels, points, merged.peaks.select(is_source), beam)


def _merge(
    pixels: npt.NDArray[np.float32], points: Points, found: Peaks, beam: BeamShape
) -> _Merged:
    peaks, is_new = merge_peaks(points.peaks, found)
    around = neighbours_within(peaks.x, peaks.y, AROUND_BEAMS * beam.major_px)
    is_joined = joined_with(is_new, around, peaks.island)
    return _Merged(peaks, is_new, is_joined, fit_points(pixels, peaks.select(is_joined), beam))


def _find_peaks(
    pixels: npt.NDArray[np.float32],
    points: Points,
    beam: BeamShape,
    parameters: FinderParameters,
    may_be_extended: BoolArray,
) -> Peaks | None:
    """Return the highest residual beside each source; what an extended one hides is higher."""
    peaks = points.peaks
    highest, least = np.empty((peaks.y.size, 3)), np.empty(peaks.y.size)
    least_residuals(
        peaks.rms, points.fits, may_be_extended, parameters.detection_threshold_sigma,
        _EXTENDED_FACTOR, least,
    )  # fmt: skip
    n_found = find_residual_peaks(
        pixels, peaks.background, least, points.models, points.around, _EXPONENTS, _FRACTIONS,
        highest,
    )  # fmt: skip
    if n_found == 0:
        return None
    owner = np.flatnonzero(highest[:, 0] > 0)
    x, y = highest[owner, 1].astype(np.int64), highest[owner, 2].astype(np.int64)
    inside = is_searched(y, x, (pixels.shape[0], pixels.shape[1]), parameters)
    if not inside.any():
        return None
    owner, x, y = owner[inside], x[inside], y[inside]
    chosen = highest_of_each_beam(y, x, highest[owner, 0], beam.quadratics(x, y), _EXPONENTS[0])
    owner = owner[chosen]
    return Peaks(
        y[chosen], x[chosen], peaks.island[owner], peaks.background[owner], peaks.rms[owner]
    )
