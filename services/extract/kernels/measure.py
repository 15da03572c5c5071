"""Least-squares fits of the beam's shape."""

import math

import numpy as np
import numpy.typing as npt
from numba import njit

from services.extract.kernels.linear import factorise, solve_factorised

__all__ = ["fit_beam", "gaussian"]

_MAX_STEPS = 30
# A fit within so much of the centre of its pixels, in both directions, leaves them as they are.
_FARTHEST_PX = 1.5


@njit(
    "float64(float64, float64, float64, float64, float64)",
    nogil=True,
    error_model="numpy",
    cache=True,
)
def gaussian(dx: float, dy: float, a: float, b: float, c: float) -> float:
    """Return exp(-(a dx^2 + 2 b dx dy + c dy^2))."""
    return math.exp(-(a * dx * dx + 2.0 * b * dx * dy + c * dy * dy))


@njit(
    nogil=True,
    error_model="numpy",
    cache=True,
)
def _model_at(
    x: int, y: int, fit: npt.NDArray[np.float64], beam: npt.NDArray[np.float64]
) -> float:
    """Return the fitted beam of a source at a pixel [Jy/beam]."""
    return float(fit[0]) * gaussian(x - fit[1], y - fit[2], beam[0], beam[1], beam[2])


@njit(nogil=True, error_model="numpy", cache=True)
def _vertex(before: float, middle: float, after: float) -> float:
    """Return where a Gaussian through three pixels peaks, from the middle one, at most 0.5 px.

    The logarithm of a Gaussian is a parabola; 0 if a pixel is blank or not positive.
    """
    if not (before > 0.0 and middle > 0.0 and after > 0.0):
        return 0.0
    low, peak, high = math.log(before), math.log(middle), math.log(after)
    bend = 2.0 * peak - low - high
    if not bend > 0.0:
        return 0.0
    return min(max(0.5 * (high - low) / bend, -0.5), 0.5)


@njit(
    nogil=True,
    error_model="numpy",
    cache=True,
)
def _peak_of_pixels(
    pixels: npt.NDArray[np.float32], y0: int, x0: int, background: float
) -> tuple[float, float]:
    """Return x, y of a peak from its pixel and the four beside it [px]."""
    ny, nx = pixels.shape
    x, y = float(x0), float(y0)
    middle = pixels[y0, x0] - background
    if 0 < x0 < nx - 1:
        before, after = pixels[y0, x0 - 1] - background, pixels[y0, x0 + 1] - background
        x += _vertex(before, middle, after)
    if 0 < y0 < ny - 1:
        before, after = pixels[y0 - 1, x0] - background, pixels[y0 + 1, x0] - background
        y += _vertex(before, middle, after)
    return x, y


@njit(
    "UniTuple(int64, 2)(float32[:, ::1], UniTuple(int64, 4), float64, float64, int64[::1],"
    " float64[:, ::1], UniTuple(float64, 3), UniTuple(float64, 3), float64[:, ::1],"
    " float64[:, ::1], float64[::1])",
    nogil=True,
    error_model="numpy",
    cache=True,
)
def _linearise(
    pixels: npt.NDArray[np.float32],
    box: tuple[int, int, int, int],
    background: float,
    cutoff: float,
    neighbours: npt.NDArray[np.int64],
    fits: npt.NDArray[np.float64],
    model: tuple[float, float, float],
    beam: tuple[float, float, float],
    beams: npt.NDArray[np.float64],
    matrix: npt.NDArray[np.float64],
    step: npt.NDArray[np.float64],
) -> tuple[int, int]:
    """Set up the normal equations of one source; return the numbers of used and blank pixels.

    `box` is the peak pixel y, x and half the sides; `model` is amplitude, x and y. The sums are
    scalars until the end: in registers, and no call for a pixel, this takes half the time.
    """
    y0, x0, half_y, half_x = box
    m00, m10, m20, m11, m21, m22 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    s0, s1, s2 = 0.0, 0.0, 0.0
    used, blank = 0, 0
    for y in range(max(0, y0 - half_y), min(pixels.shape[0], y0 + half_y + 1)):
        for x in range(max(0, x0 - half_x), min(pixels.shape[1], x0 + half_x + 1)):
            near = abs(x - x0) <= 1 and abs(y - y0) <= 1
            if not near and gaussian(x - x0, y - y0, *beam) < cutoff:
                continue
            value = float(pixels[y, x]) - background
            if math.isnan(value):
                blank += 1
                continue
            for index in range(neighbours.size):
                other = neighbours[index]
                if other < 0:
                    break
                value -= _model_at(x, y, fits[other], beams[other])
            dx, dy = x - model[1], y - model[2]
            shape = gaussian(dx, dy, *beam)
            residual = value - model[0] * shape
            d_x = model[0] * shape * 2.0 * (beam[0] * dx + beam[1] * dy)
            d_y = model[0] * shape * 2.0 * (beam[1] * dx + beam[2] * dy)
            m00, m10, m20 = m00 + shape * shape, m10 + d_x * shape, m20 + d_y * shape
            m11, m21, m22 = m11 + d_x * d_x, m21 + d_y * d_x, m22 + d_y * d_y
            s0, s1, s2 = s0 + shape * residual, s1 + d_x * residual, s2 + d_y * residual
            used += 1
    matrix[0, 0], matrix[1, 0], matrix[2, 0] = m00, m10, m20
    matrix[1, 1], matrix[2, 1], matrix[2, 2] = m11, m21, m22
    step[0], step[1], step[2] = s0, s1, s2
    return used, blank


@njit(
    "UniTuple(int64, 2)(float32[:, ::1], UniTuple(int64, 4), float64, int64[::1],"
    " float64[:, ::1], UniTuple(float64, 3), UniTuple(float64, 3), float64[:, ::1],"
    " float64[:, ::1], float64[:, ::1], float64[::1])",
    nogil=True,
    error_model="numpy",
    cache=True,
)
def _linearise_weighted(
    pixels: npt.NDArray[np.float32],
    box: tuple[int, int, int, int],
    background: float,
    neighbours: npt.NDArray[np.int64],
    fits: npt.NDArray[np.float64],
    model: tuple[float, float, float],
    beam: tuple[float, float, float],
    beams: npt.NDArray[np.float64],
    weights: npt.NDArray[np.float64],
    matrix: npt.NDArray[np.float64],
    step: npt.NDArray[np.float64],
) -> tuple[int, int]:
    """Set up the normal equations of 3 x 3 pixels with weights; return used and blank pixels.

    If one of them is blank or beyond the image, none is used.
    """
    y0, x0 = box[0], box[1]
    if not (0 < y0 < pixels.shape[0] - 1 and 0 < x0 < pixels.shape[1] - 1):
        return 0, 0
    slopes, residual = np.empty((9, 3)), np.empty(9)
    for k in range(9):
        y, x = y0 + k // 3 - 1, x0 + k % 3 - 1
        value = float(pixels[y, x]) - background
        for index in range(neighbours.size):
            other = neighbours[index]
            if other < 0:
                break
            value -= _model_at(x, y, fits[other], beams[other])
        if math.isnan(value):
            return 0, 1
        dx, dy = x - model[1], y - model[2]
        shape = gaussian(dx, dy, *beam)
        residual[k] = value - model[0] * shape
        slopes[k, 0] = shape
        slopes[k, 1] = model[0] * shape * 2.0 * (beam[0] * dx + beam[1] * dy)
        slopes[k, 2] = model[0] * shape * 2.0 * (beam[1] * dx + beam[2] * dy)
    for i in range(3):
        step[i] = 0.0
        for j in range(i + 1):
            matrix[i, j] = 0.0
        for k in range(9):
            for other in range(9):
                weighted = slopes[k, i] * weights[k, other]
                step[i] += weighted * residual[other]
                for j in range(i + 1):
                    matrix[i, j] += weighted * slopes[other, j]
    return 9, 0


@njit(
    "void(float32[:, ::1], UniTuple(int64, 4), float64, float64, int64[::1], float64[:, ::1],"
    " UniTuple(float64, 3), float64[:, ::1], float64[:, ::1], float64[:, ::1], float64[::1],"
    " float64[::1])",
    nogil=True,
    error_model="numpy",
    cache=True,
)
def _fit_source(
    pixels: npt.NDArray[np.float32],
    box: tuple[int, int, int, int],
    background: float,
    cutoff: float,
    neighbours: npt.NDArray[np.int64],
    fits: npt.NDArray[np.float64],
    beam: tuple[float, float, float],
    beams: npt.NDArray[np.float64],
    weights: npt.NDArray[np.float64],
    matrix: npt.NDArray[np.float64],
    step: npt.NDArray[np.float64],
    out: npt.NDArray[np.float64],
) -> None:
    """Fit one source from the start in its row `out` of the table `fits`, by Gauss-Newton.

    Along the ridge of a narrow beam the centre may lie pixels away from the peak: the box follows
    it there, as far as the beam falls within one pixel across.
    """
    y0, x0 = box[0], box[1]
    middle, half = (beam[0] + beam[2]) / 2.0, (beam[0] - beam[2]) / 2.0
    farthest = middle + math.sqrt(half * half + beam[1] * beam[1])
    amplitude, x_fit, y_fit = out[0], out[1], out[2]
    converged = False
    used, blank = 0, 0
    for _ in range(_MAX_STEPS):
        model = (amplitude, x_fit, y_fit)
        used = 0
        if weights.size > 0:
            used, blank = _linearise_weighted(
                pixels, box, background, neighbours, fits, model, beam, beams, weights, matrix,
                step,
            )  # fmt: skip
        if used == 0:
            used, blank = _linearise(
                pixels, box, background, cutoff, neighbours, fits, model, beam, beams, matrix,
                step,
            )  # fmt: skip
        if used < 4 or not factorise(matrix, 3):
            break
        solve_factorised(matrix, 3, step)
        amplitude += step[0]
        x_fit += min(max(step[1], -1.0), 1.0)
        y_fit += min(max(step[2], -1.0), 1.0)
        if not amplitude > 0.0:
            break
        if abs(x_fit - box[1]) > _FARTHEST_PX or abs(y_fit - box[0]) > _FARTHEST_PX:
            dx, dy = x_fit - x0, y_fit - y0
            exponent = beam[0] * dx * dx + 2.0 * beam[1] * dx * dy + beam[2] * dy * dy
            if exponent > farthest or weights.size > 0:
                break
            box = (round(y_fit), round(x_fit), box[2], box[3])
            continue
        if abs(step[1]) < 1e-6 and abs(step[2]) < 1e-6:
            converged = True
            break
    if not converged:
        x_fit, y_fit = _peak_of_pixels(pixels, y0, x0, background)
        # Correct for the drop of the beam between the peak and the centre of its pixel.
        drop = gaussian(x0 - x_fit, y0 - y_fit, *beam)
        amplitude = (pixels[y0, x0] - background) / drop
    out[0], out[1], out[2] = amplitude, x_fit, y_fit
    out[3], out[4], out[5] = used, blank, 1.0 if converged else 0.0


@njit(
    nogil=True,
    error_model="numpy",
    cache=True,
)
def _start(
    pixels: npt.NDArray[np.float32],
    y: int,
    x: int,
    background: float,
    out: npt.NDArray[np.float64],
) -> None:
    """Write amplitude, x and y of the peak pixel."""
    out[0], out[1], out[2] = pixels[y, x] - background, x, y


@njit(
    "void(float32[:, ::1], int64[::1], int64[::1], float64[::1], int64[:, ::1],"
    " float64[:, ::1], float64, float64[:, ::1], int64, float64[:, ::1])",
    nogil=True,
    error_model="numpy",
    cache=True,
)
def fit_beam(
    pixels: npt.NDArray[np.float32],
    peak_y: npt.NDArray[np.int64],
    peak_x: npt.NDArray[np.int64],
    background: npt.NDArray[np.float64],
    neighbours: npt.NDArray[np.int64],
    beams: npt.NDArray[np.float64],
    cutoff: float,
    weights: npt.NDArray[np.float64],
    sweeps: int,
    out: npt.NDArray[np.float64],
) -> None:
    """Fit amplitude and position of the beam's shape at each peak.

    Where noise has the beam's own correlation the best estimate of the amplitude is the value
    of the band-limited image at its maximum (generalised least squares with the beam as the
    covariance); so the fit uses only the pixels near the peak.

    Parameters
    ----------
    pixels : (ny, nx) float32
        Image [Jy/beam]; NaN is blank.
    peak_y, peak_x : (n,) int64
        Peak pixels.
    background : (n,) float64
        Background at the peaks [Jy/beam].
    neighbours : (n, m) int64
        Peaks whose flux contributes to the pixels of this one; -1 ends the list. Their current
        models are subtracted before each fit.
    beams : (n, 3) float64
        a, b, c of the beam exp(-(a dx^2 + 2 b dx dy + c dy^2)) at each peak [1/px^2].
    cutoff : float
        Pixels where the beam around the peak pixel exceeds this are used.
    weights : (9, 9) float64
        Inverse covariance of the 3 x 3 pixels around a peak, which are then used; (0, 0): all
        used pixels count the same.
    sweeps : int
        Passes over all sources; only blended ones need more than 1.
    out : (n, 6) float64
        Out: amplitude [Jy/beam], x, y [px], pixels used, blank pixels skipped, converged (1 or 0).

    References
    ----------
    Condon (1997), PASP 109, 166: fits in noise that the beam correlates.
    """
    reach = -math.log(cutoff)
    matrix, step, unweighted = np.empty((3, 3)), np.empty(3), np.empty((0, 0))
    for source in range(peak_y.size):
        _start(pixels, peak_y[source], peak_x[source], background[source], out[source])
    for sweep in range(sweeps):
        for source in range(peak_y.size):
            if sweep > 0 and neighbours[source, 0] < 0:
                continue
            beam = (beams[source, 0], beams[source, 1], beams[source, 2])
            determinant = beam[0] * beam[2] - beam[1] * beam[1]
            half_x = max(1, int(math.sqrt(reach * beam[2] / determinant)))
            half_y = max(1, int(math.sqrt(reach * beam[0] / determinant)))
            box = (peak_y[source], peak_x[source], half_y, half_x)
            level, near, row = background[source], neighbours[source], out[source]
            _fit_source(
                pixels, box, level, cutoff, near, out, beam, beams, weights, matrix, step, row
            )
            if weights.size > 0 and row[5] == 0.0:
                # Weights make faint sources diverge more often.
                _start(pixels, peak_y[source], peak_x[source], level, row)
                _fit_source(
                    pixels, box, level, cutoff, near, out, beam, beams, unweighted, matrix, step,
                    row,
                )  # fmt: skip
