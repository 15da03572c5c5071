"""What is doubtful about fitted sources: their places, and what the fits leave."""

import math

import numpy as np
import numpy.typing as npt
from numba import njit

__all__ = ["are_poor_fits", "flag_places", "mark_near_bright"]

# Reduced chi-square of a point source within the 20 % contour for noise whose autocorrelation is
# the beam: the eigenvalues of the covariance of its residuals give mean and degrees of freedom.
_CHI2_MEAN, _CHI2_FREEDOM, _CHI2_FREEDOM_PER_AREA = 0.342, 6.4, 3.2
_ONE_IN_A_MILLION_SIGMA = 4.75
# Of the peak: no real beam is a Gaussian exactly.
_MODEL_ERR = 0.01
# A fit so near to the border of an image may miss pixels of the source.
_EDGE_PX = 2


@njit("boolean(float64, float64, UniTuple(int64, 2))", nogil=True, error_model="numpy", cache=True)
def _is_at_edge(y: float, x: float, shape: tuple[int, int]) -> bool:
    """Return whether a place is near the border of an image."""
    is_low = x < _EDGE_PX or y < _EDGE_PX
    return is_low or x >= shape[1] - _EDGE_PX or y >= shape[0] - _EDGE_PX


@njit(
    "void(UniTuple(int64, 2), int64[::1], int64[::1], int64[::1], float64[:, ::1],"
    " int64[:, ::1], UniTuple(int64, 4), int64[::1])",
    nogil=True,
    error_model="numpy",
    cache=True,
)
def flag_places(
    shape: tuple[int, int],
    y: npt.NDArray[np.int64],
    x: npt.NDArray[np.int64],
    island: npt.NDArray[np.int64],
    fits: npt.NDArray[np.float64],
    neighbours: npt.NDArray[np.int64],
    bits: tuple[int, int, int, int],
    out: npt.NDArray[np.int64],
) -> None:
    """Flag sources at the border, beside others, with blank pixels, or whose fit failed.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns of the image [px].
    y, x, island : (n,) int64
        Peaks [px], and the number of the island of each.
    fits : (n, 6) float64
        As `fit_beam` wrote them.
    neighbours : (n, m) int64
        As it took them.
    bits : four int
        What marks each of the four.
    out : (n,) int64
        Out: the sum of the marks of each source.
    """
    edge, blended, blank, failed = bits
    in_order = np.sort(island)
    for source in range(y.size):
        fit = fits[source]
        is_edge = _is_at_edge(y[source], x[source], shape) or _is_at_edge(fit[2], fit[1], shape)
        first = np.searchsorted(in_order, island[source])
        is_blended = neighbours[source, 0] >= 0 or (
            first + 1 < in_order.size and in_order[first + 1] == island[source]
        )
        out[source] = (edge if is_edge else 0) + (blended if is_blended else 0)
        out[source] += (blank if fit[4] > 0.0 else 0) + (failed if fit[5] == 0.0 else 0)


@njit(
    "void(int64[::1], int64[::1], float64[:, ::1], float64, float64, int64, int64[::1])",
    nogil=True,
    error_model="numpy",
    cache=True,
)
def mark_near_bright(
    y: npt.NDArray[np.int64],
    x: npt.NDArray[np.int64],
    fits: npt.NDArray[np.float64],
    ratio: float,
    radius_px: float,
    bit: int,
    out: npt.NDArray[np.int64],
) -> None:
    """Mark sources near one that is many times brighter, whose side lobes may be detected.

    Parameters
    ----------
    y, x : (n,) int64
        Peaks in raster order [px].
    fits : (n, 6) float64
        As `fit_beam` wrote them.
    ratio : float
        How many times brighter.
    radius_px : float
        How near [px].
    bit : int
        The mark.
    out : (n,) int64
        Out: with the mark in addition.
    """
    faintest = np.inf
    for source in range(y.size):
        faintest = min(faintest, fits[source, 0])
    for bright in range(y.size):
        if not fits[bright, 0] > ratio * faintest:
            continue
        first = np.searchsorted(y, y[bright] - math.ceil(radius_px))
        for source in range(first, y.size):
            dy, dx = float(y[source] - y[bright]), float(x[source] - x[bright])
            if dy > radius_px:
                break
            is_near = dx * dx + dy * dy <= radius_px * radius_px
            if is_near and fits[source, 0] * ratio < fits[bright, 0]:
                out[source] |= bit


@njit(
    "void(float64[:, ::1], float64[::1], float64[::1], float64[:, ::1], float64[:, ::1],"
    " boolean[::1], float64[::1], boolean[::1])",
    nogil=True,
    error_model="numpy",
    cache=True,
)
def are_poor_fits(
    residuals: npt.NDArray[np.float64],
    amplitude: npt.NDArray[np.float64],
    rms: npt.NDArray[np.float64],
    axes_px: npt.NDArray[np.float64],
    beam_axes_px: npt.NDArray[np.float64],
    is_free: npt.NDArray[np.bool_],
    chi2_reduced: npt.NDArray[np.float64],
    out: npt.NDArray[np.bool_],
) -> None:
    """Tell fits whose chi-square would be exceeded by chance once in a million.

    In noise that the beam correlates it is distributed like `_CHI2_MEAN` times a chi-square over
    its degrees of freedom, for a source of the beam's shape; for a larger one the mean tends to 1,
    and the degrees of freedom grow with the area.

    Parameters
    ----------
    residuals : (n, 4) float64
        As `compare_with_models` wrote them.
    amplitude, rms : (n,) float64
        Of each source [Jy/beam].
    axes_px, beam_axes_px : (3, n) float64
        Major and minor axis [px], and angle, of each source and of the beam at its place.
    is_free : (n,) bool
        Whether its shape was fitted.
    chi2_reduced : (n,) float64
        Out: the chi-square over the number of pixels.
    out : (n,) bool
        Out: whether the fit is poor.

    References
    ----------
    Wilson & Hilferty (1931), PNAS 17, 684.
    """
    for source in range(amplitude.size):
        chi2_reduced[source] = residuals[source, 0] / max(residuals[source, 1], 1.0)
        area = axes_px[0, source] * axes_px[1, source]
        area /= beam_axes_px[0, source] * beam_axes_px[1, source]
        freedom = max(_CHI2_FREEDOM, _CHI2_FREEDOM_PER_AREA * area)
        spread = 2.0 / (9.0 * freedom)
        root = 1.0 - spread + _ONE_IN_A_MILLION_SIGMA * math.sqrt(spread)
        mean = 1.0 if is_free[source] else _CHI2_MEAN
        of_model = _MODEL_ERR * (abs(amplitude[source]) / rms[source])
        limit = mean * (root * root * root) + of_model * of_model
        out[source] = chi2_reduced[source] > limit
