"""Peaks that are part of a higher one nearby, and those that its flank has displaced."""

import math

import numpy as np
import numpy.typing as npt
from numba import njit

from services.extract.kernels.beams import fit_beside
from services.extract.kernels.measure import gaussian

__all__ = ["settle_peaks"]

_Ints = npt.NDArray[np.int64]
_Floats = npt.NDArray[np.float64]

# What must remain of a peak after its neighbours' beams are subtracted: a fraction of the
# detection threshold, and of what was subtracted, as no beam fits better than that.
_THRESHOLD_FRACTION = 0.6
_MODEL_FRACTION = 0.1
# A fit from the peak finds a centre that is nearer by itself [px].
_LEAST_MOVE_PX = 1.5


@njit(
    nogil=True,
    error_model="numpy",
    cache=True,
)
def _higher_ones(height: _Floats, pairs: _Ints, first: _Ints) -> _Ints:
    """Return the higher peaks beside each one, one list behind the other.

    That of a peak is from `first` of it (n + 1,) to `first` of the next. The first of two equal
    peaks counts as the higher one.
    """
    first[:] = 0
    for pair in pairs:
        lower = pair[0] if height[pair[1]] > height[pair[0]] else pair[1]
        first[lower + 1] += 1
    for peak in range(height.size):
        first[peak + 1] += first[peak]
    higher, place = np.empty(pairs.shape[0], np.int64), first.copy()
    # Those behind a peak in raster order come first.
    for side in range(2):
        for pair in pairs:
            lower, upper = pair[side], pair[1 - side]
            is_higher = height[pair[1]] > height[pair[0]]
            if is_higher == (side == 0):
                higher[place[lower]] = upper
                place[lower] += 1
    return higher


@njit(
    nogil=True,
    error_model="numpy",
    cache=True,
)
def _settled(
    pixels: npt.NDArray[np.float32], y: int, x: int, model: _Floats, largest_exponent: float
) -> tuple[int, int]:
    """Return the pixel at the centre of a model if it is far from the peak and in its beam."""
    amplitude, centre_x, centre_y, a, b, c = model
    dx, dy = centre_x - x, centre_y - y
    exponent = a * dx * dx + 2.0 * b * dx * dy + c * dy * dy
    if not (amplitude > 0.0 and exponent < largest_exponent):
        return y, x
    row, column = round(centre_y), round(centre_x)
    is_inside = 0 <= row < pixels.shape[0] and 0 <= column < pixels.shape[1]
    if max(abs(dx), abs(dy)) < _LEAST_MOVE_PX or not is_inside:
        return y, x
    return (row, column) if math.isfinite(pixels[row, column]) else (y, x)


@njit(
    "void(float32[:, ::1], int64[::1], int64[::1], float64[::1], float64[::1],"
    " float64[:, ::1], int64[:, ::1], float64, float64, boolean[::1], int64[:, ::1])",
    nogil=True,
    error_model="numpy",
    cache=True,
)
def settle_peaks(
    pixels: npt.NDArray[np.float32],
    y: _Ints,
    x: _Ints,
    background: _Floats,
    rms: _Floats,
    beams: _Floats,
    pairs: _Ints,
    threshold_sigma: float,
    largest_exponent: float,
    keep: npt.NDArray[np.bool_],
    at: _Ints,
) -> None:
    """Tell which peaks remain sources after subtraction of higher ones, and where they are.

    Parameters
    ----------
    pixels : (ny, nx) float32
        Image [Jy/beam]; NaN is blank.
    y, x : (n,) int64
        Peaks in raster order [px].
    background, rms : (n,) float64
        There [Jy/beam].
    beams : (n, 3) float64
        a, b, c of the beam exp(-(a dx^2 + 2 b dx dy + c dy^2)) at each peak [1/px^2].
    pairs : (m, 2) int64
        Peaks in each other's beam, as `pairs_within` returned them.
    threshold_sigma : float
        Detection threshold [local rms].
    largest_exponent : float
        A source lies within this exponent of its beam about the peak.
    keep : (n,) bool
        Out: false for a peak that is part of another source.
    at : (2, n) int64
        Out: row and column of the pixel that is nearest to each source [px].
    """
    n = y.size
    height, models, is_paired = np.empty(n), np.empty((n, 6)), np.zeros(n, np.bool_)
    for peak in range(n):
        keep[peak], at[0, peak], at[1, peak] = True, y[peak], x[peak]
        height[peak] = pixels[y[peak], x[peak]] - background[peak]
        models[peak, 3:] = beams[peak]
    for pair in pairs:
        is_paired[pair[0]], is_paired[pair[1]] = True, True
    nothing, first = np.empty((0, 6)), np.empty(n + 1, np.int64)
    higher = _higher_ones(height, pairs, first)
    for peak in range(n):
        if is_paired[peak]:
            start = height[peak], float(x[peak]), float(y[peak])
            beam = beams[peak, 0], beams[peak, 1], beams[peak, 2]
            models[peak, :3] = fit_beside(pixels, background[peak], start, beam, nothing)
    for peak in np.argsort(-height, kind="mergesort"):
        others = higher[first[peak] : first[peak + 1]]
        others = others[keep[others]]
        if others.size == 0:
            continue
        total = 0.0
        for other in others:
            model = models[other]
            total += model[0] * gaussian(
                x[peak] - model[1], y[peak] - model[2], model[3], model[4], model[5]
            )
        least = _THRESHOLD_FRACTION * threshold_sigma * rms[peak] + _MODEL_FRACTION * total
        keep[peak] = height[peak] - total >= least
        if keep[peak]:
            # On the flank of a brighter one a fit alone would miss what is left along the ridge.
            start = height[peak] - total, float(x[peak]), float(y[peak])
            beam = beams[peak, 0], beams[peak, 1], beams[peak, 2]
            models[peak, :3] = fit_beside(pixels, background[peak], start, beam, models[others])
            at[0, peak], at[1, peak] = _settled(
                pixels, y[peak], x[peak], models[peak], largest_exponent
            )
