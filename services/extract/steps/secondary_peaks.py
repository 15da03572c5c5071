"""Remove secondary peaks that the pixel grid makes of one elongated source."""

import math

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

__all__ = ["drop_secondary_peaks"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

# Half of the exponent at which the highest source of an image is below its noise: exp(-7) = 1e-3.
_LARGEST_EXPONENT = 7.0
_MOST_STEPS = 20
_LONGEST_STEP = 0.5  # of the distance at which the beam falls to 1/e
_CONVERGED = 1e-3
# What must remain of a peak after its neighbours' beams are subtracted: a fraction of the
# detection threshold, and of what was subtracted, as no beam fits better than that.
_THRESHOLD_FRACTION = 0.6
_MODEL_FRACTION = 0.1


def drop_secondary_peaks(
    pixels: npt.NDArray[np.float32],
    y: IntArray,
    x: IntArray,
    background: FloatArray,
    rms: FloatArray,
    *,
    quadratic: tuple[float, float, float],
    threshold_sigma: float,
) -> BoolArray:
    """Return which peaks remain sources after subtraction of their higher neighbours' beams.

    A narrow beam that lies oblique to the pixels has several local maxima along its ridge, where
    the ridge passes near the centre of a pixel.

    Parameters
    ----------
    pixels : (ny, nx) float32
        Image [Jy/beam]; NaN is blank.
    y, x : (n,) int64
        Peak pixels.
    background, rms : (n,) float64
        At the peaks [Jy/beam].
    quadratic : (float, float, float)
        a, b, c of the beam exp(-(a dx^2 + 2 b dx dy + c dy^2)) [1/px^2].
    threshold_sigma : float
        Detection threshold [local rms].

    Returns
    -------
    (n,) bool
        False for a peak that is part of another source.
    """
    keep = np.ones(y.size, np.bool_)
    pairs = _pairs(y, x, quadratic)
    if not pairs.size:
        return keep
    height = pixels[y, x] - background
    members = np.unique(pairs)
    amplitude, centre_x, centre_y = np.full((3, y.size), np.nan)
    for peak in members:
        fit = _fit_alone(pixels, int(y[peak]), int(x[peak]), float(background[peak]), quadratic)
        amplitude[peak], centre_x[peak], centre_y[peak] = fit
    both = np.concatenate([pairs, pairs[:, ::-1]])
    higher = both[_is_higher(height, both[:, 1], both[:, 0])]
    higher = higher[np.argsort(higher[:, 0], kind="stable")]
    first = np.searchsorted(higher[:, 0], np.arange(y.size + 1))
    for peak in members[np.argsort(-height[members], kind="stable")]:
        others = higher[first[peak] : first[peak + 1], 1]
        others = others[keep[others]]
        beams = amplitude[others] * _beam(
            x[peak] - centre_x[others], y[peak] - centre_y[others], quadratic
        )
        model = float(np.sum(beams))
        least = _THRESHOLD_FRACTION * threshold_sigma * rms[peak] + _MODEL_FRACTION * model
        keep[peak] = others.size == 0 or height[peak] - model >= least
    return keep


def _pairs(y: IntArray, x: IntArray, quadratic: tuple[float, float, float]) -> IntArray:
    """Return (m, 2) indices of peaks that lie within each other's beam."""
    if y.size < 2:
        return np.empty((0, 2), np.int64)
    a, b, c = quadratic
    # The beam's exponent is the squared distance in these coordinates.
    root = np.linalg.cholesky(np.array([[a, b], [b, c]]))
    points = np.stack([x, y], axis=1).astype(np.float64) @ root
    pairs = cKDTree(points).query_pairs(_LARGEST_EXPONENT**0.5, output_type="ndarray")
    return np.asarray(pairs, np.int64).reshape(-1, 2)


def _is_higher(height: FloatArray, other: IntArray, peak: IntArray) -> BoolArray:
    """Return whether `other` is the higher peak; the first of two equal ones is."""
    is_equal = height[other] == height[peak]
    return np.asarray((height[other] > height[peak]) | (is_equal & (other < peak)), np.bool_)


def _fit_alone(
    pixels: npt.NDArray[np.float32],
    y: int,
    x: int,
    background: float,
    quadratic: tuple[float, float, float],
) -> tuple[float, float, float]:
    """Return amplitude [Jy/beam] and centre x, y [px] of the beam that fits around a peak.

    Gauss-Newton on the pixels above half of the beam's maximum; the centre may move far along
    the ridge of a narrow beam, which the measurement of a single source must not allow.
    """
    a, b, c = quadratic
    determinant = a * c - b * b
    half_x = max(1.0, math.sqrt(c * math.log(2) / determinant))
    half_y = max(1.0, math.sqrt(a * math.log(2) / determinant))
    amplitude, centre_x, centre_y = float(pixels[y, x]) - background, float(x), float(y)
    for _ in range(_MOST_STEPS):
        rows = slice(max(0, math.ceil(centre_y - half_y)), math.floor(centre_y + half_y) + 1)
        columns = slice(max(0, math.ceil(centre_x - half_x)), math.floor(centre_x + half_x) + 1)
        data = pixels[rows, columns] - background
        if not data.size:
            break
        dy = np.arange(data.shape[0], dtype=np.float64)[:, None] + rows.start - centre_y
        dx = np.arange(data.shape[1], dtype=np.float64)[None, :] + columns.start - centre_x
        beam = _beam(dx, dy, quadratic)
        used = (beam >= 0.5) & np.isfinite(data) | (dx * dx + dy * dy < 2) & np.isfinite(data)
        slope_x = 2 * amplitude * beam * (a * dx + b * dy)
        slope_y = 2 * amplitude * beam * (b * dx + c * dy)
        matrix = np.stack([beam[used], slope_x[used], slope_y[used]], axis=1)
        step = np.linalg.lstsq(matrix, (data - amplitude * beam)[used], rcond=None)[0]
        length = math.sqrt(float(_exponent(step[1], step[2], quadratic)))
        step *= min(1.0, _LONGEST_STEP / max(length, _CONVERGED))
        amplitude, centre_x, centre_y = (
            amplitude + float(step[0]), centre_x + float(step[1]), centre_y + float(step[2])
        )  # fmt: skip
        if length < _CONVERGED:
            break
    return amplitude, centre_x, centre_y


def _exponent(
    dx: FloatArray | float, dy: FloatArray | float, quadratic: tuple[float, float, float]
) -> FloatArray:
    a, b, c = quadratic
    return np.asarray(a * dx * dx + 2 * b * dx * dy + c * dy * dy, np.float64)


def _beam(dx: FloatArray, dy: FloatArray, quadratic: tuple[float, float, float]) -> FloatArray:
    return np.exp(-_exponent(dx, dy, quadratic))
