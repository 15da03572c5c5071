"""How likely the sources around a very bright one are false: side lobes have both signs."""

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from services.extract.models import BeamShape, FinderParameters
from services.extract.steps.peaks import Peaks, find_source_peaks

__all__ = ["ARM_BEAMS", "BRIGHT_RATIO", "false_probability", "is_within", "without_detected"]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

# A source this many times brighter may make side lobes that are detected, as far as the arms of
# an array reach [beams].
BRIGHT_RATIO, ARM_BEAMS = 100.0, 50.0
# Around a source, negative and positive peaks are compared that are not much fainter.
_LOCAL_BEAMS, _COMPARABLE = 12.0, 0.6


def false_probability(
    pixels: npt.NDArray[np.float32],
    background_grid: FloatArray,
    rms_grid: FloatArray,
    beam: BeamShape,
    parameters: FinderParameters,
    *,
    peaks: Peaks,
    significance: FloatArray,
    bright_px: FloatArray,
) -> FloatArray:
    """Return the share of comparable peaks around each source that artefacts explain.

    Around a bright source, artefacts of calibration and deconvolution are as often negative as
    positive, and sources are positive: the number of negative peaks is that of false sources.

    Parameters
    ----------
    pixels : (ny, nx) float32
        Image [Jy/beam]; NaN is blank.
    background_grid, rms_grid : (rows, columns) float64
        Without NaN [Jy/beam].
    beam : BeamShape
        The restoring beam.
    parameters : FinderParameters
        As the sources were detected with.
    peaks : Peaks
        The sources.
    significance : (n,) float64
        Their peaks over the local rms.
    bright_px : (m, 2) float64
        x, y of other bright sources, outside the image or not detected.

    Returns
    -------
    (n,) float64
        From 0 to 1; 0 for a source that is neither near one 100 times brighter nor near one of
        `bright_px`.
    """
    result = np.zeros(peaks.y.size)
    least = parameters.detection_threshold_sigma
    bright = np.flatnonzero(significance > BRIGHT_RATIO * least)
    if not (bright.size or bright_px.size):
        return result
    points, reach = _points(peaks), ARM_BEAMS * beam.major_px
    is_near = is_within(peaks, bright_px, reach)
    if bright.size:
        distance, nearest = cKDTree(points[bright]).query(points)
        is_brighter = significance[bright[nearest]] > BRIGHT_RATIO * significance
        is_near |= (distance < reach) & is_brighter
    if not is_near.any():
        return result
    negated = -pixels
    negative = find_source_peaks(negated, -background_grid, rms_grid, beam, parameters)
    if not negative.y.size:
        return result
    height = (negated[negative.y, negative.x] - negative.background) / negative.rms
    near, reach = np.flatnonzero(is_near), _LOCAL_BEAMS * beam.major_px
    below = cKDTree(_points(negative)).query_ball_point(points[near], reach)
    above = cKDTree(points).query_ball_point(points[near], reach)
    for source, negatives, positives in zip(near, below, above, strict=True):
        limit = _COMPARABLE * significance[source]
        n_negative = np.count_nonzero(height[negatives] >= limit)
        n_positive = np.count_nonzero(significance[positives] >= limit)
        result[source] = min(1.0, n_negative / n_positive)
    return result


def is_within(peaks: Peaks, places: FloatArray, radius_px: float) -> BoolArray:
    """Return (n,) whether each of the peaks is near one of (m, 2) places x, y [px]."""
    if not (places.size and peaks.y.size):
        return np.zeros(peaks.y.size, np.bool_)
    distance, _ = cKDTree(places).query(_points(peaks), distance_upper_bound=radius_px)
    return np.asarray(np.isfinite(distance), np.bool_)


def without_detected(places: FloatArray, peaks: Peaks, beam: BeamShape) -> FloatArray:
    """Return the (m, 2) places x, y [px] without those at which a source is detected."""
    if not (places.size and peaks.y.size):
        return places
    distance, _ = cKDTree(_points(peaks)).query(places)
    return np.asarray(places[distance > beam.major_px])


def _points(peaks: Peaks) -> FloatArray:
    return np.stack([peaks.x, peaks.y], axis=1).astype(np.float64)
