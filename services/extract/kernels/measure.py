"""Least-squares fits of the beam's shape and of free elliptical Gaussians."""

import math

import numpy as np
import numpy.typing as npt
from numba import njit

__all__ = ["fit_beam", "fit_gaussian", "gaussian"]

_MAX_STEPS = 30


@njit(
    "float64(float64, float64, float64, float64, float64)",
    nogil=True,
    error_model="numpy",
    cache=True,
)
def gaussian(dx: float, dy: float, a: float, b: float, c: float) -> float:
    """Return exp(-(a dx^2 + 2 b dx dy + c dy^2))."""
    return math.exp(-(a * dx * dx + 2.0 * b * dx * dy + c * dy * dy))


@njit("boolean(float64[:, ::1], float64[::1], int64)", nogil=True, error_model="numpy", cache=True)
def _solve(matrix: npt.NDArray[np.float64], vector: npt.NDArray[np.float64], n: int) -> bool:
    """Solve a small symmetric positive system in place by Cholesky; False if it is singular."""
    for i in range(n):
        for j in range(i + 1):
            total = matrix[i, j]
            for k in range(j):
                total -= matrix[i, k] * matrix[j, k]
            if i == j:
                if not total > 0.0:
                    return False
                matrix[i, i] = math.sqrt(total)
            else:
                matrix[i, j] = total / matrix[j, j]
    for i in range(n):
        for k in range(i):
            vector[i] -= matrix[i, k] * vector[k]
        vector[i] /= matrix[i, i]
    for i in range(n - 1, -1, -1):
        for k in range(i + 1, n):
            vector[i] -= matrix[k, i] * vector[k]
        vector[i] /= matrix[i, i]
    return True


@njit("float64(float64, float64, float64)", nogil=True, error_model="numpy", cache=True)
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
    "UniTuple(float64, 2)(float32[:, ::1], int64, int64, float64)",
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
    "void(float32[:, ::1], int64[::1], int64[::1], float64[::1], int64[:, ::1],"
    " float64, float64, float64, float64, int64, float64[:, ::1])",
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
    beam_a: float,
    beam_b: float,
    beam_c: float,
    cutoff: float,
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
    beam_a, beam_b, beam_c : float
        The beam is exp(-(a dx^2 + 2 b dx dy + c dy^2)) [1/px^2].
    cutoff : float
        Pixels where the beam around the peak pixel exceeds this are used.
    sweeps : int
        Passes over all sources; only blended ones need more than 1.
    out : (n, 6) float64
        Out: amplitude [Jy/beam], x, y [px], pixels used, blank pixels skipped, converged (1 or 0).

    References
    ----------
    Condon (1997), PASP 109, 166: fits in noise that the beam correlates.
    """
    ny, nx = pixels.shape
    determinant = beam_a * beam_c - beam_b * beam_b
    reach = -math.log(cutoff)
    half_x = max(1, int(math.sqrt(reach * beam_c / determinant)))
    half_y = max(1, int(math.sqrt(reach * beam_a / determinant)))
    matrix = np.empty((3, 3))
    step = np.empty(3)
    for source in range(peak_y.size):
        out[source, 0] = pixels[peak_y[source], peak_x[source]] - background[source]
        out[source, 1] = peak_x[source]
        out[source, 2] = peak_y[source]
    for sweep in range(sweeps):
        for source in range(peak_y.size):
            if sweep > 0 and neighbours[source, 0] < 0:
                continue
            y0, x0 = peak_y[source], peak_x[source]
            amplitude, x_fit, y_fit = out[source, 0], out[source, 1], out[source, 2]
            converged = False
            used, blank = 0, 0
            for _ in range(_MAX_STEPS):
                matrix[:, :] = 0.0
                step[:] = 0.0
                used, blank = 0, 0
                for y in range(max(0, y0 - half_y), min(ny, y0 + half_y + 1)):
                    for x in range(max(0, x0 - half_x), min(nx, x0 + half_x + 1)):
                        near = abs(x - x0) <= 1 and abs(y - y0) <= 1
                        if not near and (
                            gaussian(x - x0, y - y0, beam_a, beam_b, beam_c) < cutoff
                        ):
                            continue
                        value = float(pixels[y, x]) - background[source]
                        if math.isnan(value):
                            blank += 1
                            continue
                        for index in range(neighbours.shape[1]):
                            other = neighbours[source, index]
                            if other < 0:
                                break
                            value -= out[other, 0] * gaussian(
                                x - out[other, 1], y - out[other, 2], beam_a, beam_b, beam_c
                            )
                        dx, dy = x - x_fit, y - y_fit
                        shape = gaussian(dx, dy, beam_a, beam_b, beam_c)
                        residual = value - amplitude * shape
                        d_x = amplitude * shape * 2.0 * (beam_a * dx + beam_b * dy)
                        d_y = amplitude * shape * 2.0 * (beam_b * dx + beam_c * dy)
                        matrix[0, 0] += shape * shape
                        matrix[1, 0] += d_x * shape
                        matrix[2, 0] += d_y * shape
                        matrix[1, 1] += d_x * d_x
                        matrix[2, 1] += d_y * d_x
                        matrix[2, 2] += d_y * d_y
                        step[0] += shape * residual
                        step[1] += d_x * residual
                        step[2] += d_y * residual
                        used += 1
                if used < 4 or not _solve(matrix, step, 3):
                    break
                amplitude += step[0]
                x_fit += min(max(step[1], -1.0), 1.0)
                y_fit += min(max(step[2], -1.0), 1.0)
                if abs(x_fit - x0) > 1.5 or abs(y_fit - y0) > 1.5 or not amplitude > 0.0:
                    break
                if abs(step[1]) < 1e-6 and abs(step[2]) < 1e-6:
                    converged = True
                    break
            if not converged:
                x_fit, y_fit = _peak_of_pixels(pixels, y0, x0, background[source])
                # Correct for the drop of the beam between the peak and the centre of its pixel.
                drop = gaussian(x0 - x_fit, y0 - y_fit, beam_a, beam_b, beam_c)
                amplitude = (pixels[y0, x0] - background[source]) / drop
            out[source, 0] = amplitude
            out[source, 1] = x_fit
            out[source, 2] = y_fit
            out[source, 3] = used
            out[source, 4] = blank
            out[source, 5] = 1.0 if converged else 0.0


@njit(
    "boolean(float32[:, ::1], int64, int64, float64, float64, int64, float64[::1])",
    nogil=True,
    error_model="numpy",
    cache=True,
)
def fit_gaussian(
    pixels: npt.NDArray[np.float32],
    peak_y: int,
    peak_x: int,
    background: float,
    floor: float,
    half_px: int,
    parameters: npt.NDArray[np.float64],
) -> bool:
    """Fit a free elliptical Gaussian by Levenberg-Marquardt.

    Parameters
    ----------
    pixels : (ny, nx) float32
        Image [Jy/beam]; NaN is blank.
    peak_y, peak_x : int
        Peak pixel.
    background : float
        Background at the peak [Jy/beam].
    floor : float
        Least height above the background of a pixel that is used [Jy/beam].
    half_px : int
        Half the side of the box around the peak [px].
    parameters : (6,) float64
        In: start; out: amplitude [Jy/beam], x, y [px], a, b, c [1/px^2] of
        exp(-(a dx^2 + 2 b dx dy + c dy^2)).

    Returns
    -------
    bool
        Whether it converged to an ellipse around the peak.

    References
    ----------
    Marquardt (1963), J. SIAM 11, 431.
    """
    ny, nx = pixels.shape
    matrix = np.empty((6, 6))
    trial_matrix = np.empty((6, 6))
    gradient = np.empty(6)
    step = np.empty(6)
    derivative = np.empty(6)
    trial = parameters.copy()
    damping = 1e-3
    best = np.inf
    for _ in range(60):
        matrix[:, :] = 0.0
        gradient[:] = 0.0
        cost = 0.0
        used = 0
        for y in range(max(0, peak_y - half_px), min(ny, peak_y + half_px + 1)):
            for x in range(max(0, peak_x - half_px), min(nx, peak_x + half_px + 1)):
                value = float(pixels[y, x]) - background
                if not value > floor:
                    continue
                dx, dy = x - trial[1], y - trial[2]
                shape = gaussian(dx, dy, trial[3], trial[4], trial[5])
                model = trial[0] * shape
                residual = value - model
                cost += residual * residual
                used += 1
                derivative[0] = shape
                derivative[1] = model * 2.0 * (trial[3] * dx + trial[4] * dy)
                derivative[2] = model * 2.0 * (trial[4] * dx + trial[5] * dy)
                derivative[3] = -model * dx * dx
                derivative[4] = -model * 2.0 * dx * dy
                derivative[5] = -model * dy * dy
                for i in range(6):
                    gradient[i] += derivative[i] * residual
                    for j in range(i + 1):
                        matrix[i, j] += derivative[i] * derivative[j]
        if used < 7:
            return False
        if cost <= best:
            improved = best - cost
            best = cost
            parameters[:] = trial
            damping *= 0.3
            if improved < 1e-10 * max(best, 1e-30):
                break
        else:
            damping *= 10.0
            if damping > 1e8:
                break
        trial_matrix[:, :] = matrix
        for i in range(6):
            trial_matrix[i, i] *= 1.0 + damping
            step[i] = gradient[i]
        if not _solve(trial_matrix, step, 6):
            return False
        for i in range(6):
            trial[i] = parameters[i] + step[i]
    inside = abs(parameters[1] - peak_x) < 2.0 and abs(parameters[2] - peak_y) < 2.0
    ellipse = parameters[3] > 0.0 and (
        parameters[3] * parameters[5] - parameters[4] * parameters[4] > 0.0
    )
    return bool(inside and ellipse and parameters[0] > 0.0)
