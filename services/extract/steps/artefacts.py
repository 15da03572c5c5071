"""How likely the sources around a very bright one are false: side lobes have both signs."""

import numpy as np
import numpy.typing as npt

from services.extract.models import BeamShape, FinderParameters
from services.extract.steps.peaks import Peaks, find_source_peaks
from sky.neighbours import nearest_within, pairs_within

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
        distance, nearest = nearest_within(points, points[bright], reach)
        brightness = np.append(significance[bright], 0.0)  # the last: none is near
        is_near |= (distance < reach) & (brightness[nearest] > BRIGHT_RATIO * significance)
    if not is_near.any():
        return result
    negated = -pixels
    negative = find_source_peaks(negated, -background_grid, rms_grid, beam, parameters)
    if not negative.y.size:
        return result
    height = (negated[negative.y, negative.x] - negative.background) / negative.rms
    near, reach = np.flatnonzero(is_near), _LOCAL_BEAMS * beam.major_px
    limit = _COMPARABLE * significance[near]
    n_negative = _count_within(points[near], limit, _points(negative), height, reach)
    n_positive = _count_within(points[near], limit, points, significance, reach)
    result[near] = np.minimum(1.0, n_negative / n_positive)
    return result


def _count_within(
    points: FloatArray, limit: FloatArray, others: FloatArray, height: FloatArray, radius_px: float
) -> npt.NDArray[np.int64]:
    """Return (n,) how many of the others near each point are as high as its limit."""
    point, other = pairs_within(points, others, radius_px)
    return np.bincount(point[height[other] >= limit[point]], minlength=len(points))


def is_within(peaks: Peaks, places: FloatArray, radius_px: float) -> BoolArray:
    """Return (n,) whether each of the peaks is near one of (m, 2) places x, y [px]."""
    if not (places.size and peaks.y.size):
        return np.zeros(peaks.y.size, np.bool_)
    distance, _ = nearest_within(_points(peaks), places, radius_px)
    return np.isfinite(distance)


def without_detected(places: FloatArray, peaks: Peaks, beam: BeamShape) -> FloatArray:
    """Return the (m, 2) places x, y [px] without those at which a source is detected."""
    if not (places.size and peaks.y.size):
        return places
    distance, _ = nearest_within(places, _points(peaks), beam.major_px)
    return np.asarray(places[np.isinf(distance)])


def _points(peaks: Peaks) -> FloatArray:
    return np.stack([peaks.x, peaks.y], axis=1).astype(np.float64)
