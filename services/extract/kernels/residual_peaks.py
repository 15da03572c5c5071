"""Sources that are no peak of an image, on the flank of a brighter one."""

import math

import numpy as np
import numpy.typing as npt
from numba import njit

from services.extract.kernels.measure import gaussian

__all__ = ["find_residual_peaks", "least_residuals"]


@njit(
    nogil=True,
    error_model="numpy",
    cache=True,
)
def _residual_at(
    pixels: npt.NDArray[np.float32],
    x: int,
    y: int,
    source: int,
    background: float,
    models: npt.NDArray[np.float64],
    neighbours: npt.NDArray[np.int64],
) -> float:
    """Return what remains in a pixel without a source and its neighbours [Jy/beam]."""
    model = models[source]
    rest: float = float(pixels[y, x]) - background
    rest -= model[0] * gaussian(x - model[1], y - model[2], model[3], model[4], model[5])
    for index in range(neighbours.shape[1]):
        other = neighbours[source, index]
        if other < 0:
            break
        model = models[other]
        rest -= model[0] * gaussian(x - model[1], y - model[2], model[3], model[4], model[5])
    return rest


@njit(
    nogil=True,
    error_model="numpy",
    cache=True,
)
def _mirrored(
    pixels: npt.NDArray[np.float32],
    x: int,
    y: int,
    source: int,
    background: float,
    models: npt.NDArray[np.float64],
    neighbours: npt.NDArray[np.int64],
) -> float:
    """Return the highest residual of 3 x 3 pixels on the opposite side of a source [Jy/beam].

    Infinite beyond the image and where it is blank.
    """
    ny, nx = pixels.shape
    x0, y0 = round(2.0 * models[source, 1] - x), round(2.0 * models[source, 2] - y)
    if x0 < 1 or y0 < 1 or x0 > nx - 2 or y0 > ny - 2:
        return np.inf
    highest = -np.inf
    for row in range(y0 - 1, y0 + 2):
        for column in range(x0 - 1, x0 + 2):
            rest = _residual_at(pixels, column, row, source, background, models, neighbours)
            if math.isnan(rest):
                return np.inf
            highest = max(highest, rest)
    return highest


@njit(
    "void(float64[::1], float64[:, ::1], boolean[::1], float64, float64, float64[::1])",
    nogil=True,
    error_model="numpy",
    cache=True,
)
def least_residuals(
    rms: npt.NDArray[np.float64],
    fits: npt.NDArray[np.float64],
    may_be_extended: npt.NDArray[np.bool_],
    threshold_sigma: float,
    extended_factor: float,
    out: npt.NDArray[np.float64],
) -> None:
    """Compute what a residual beside each source exceeds at least.

    Parameters
    ----------
    rms : (n,) float64
        At the peaks [Jy/beam].
    fits : (n, 6) float64
        As `fit_beam` wrote them.
    may_be_extended : (n,) bool
        Sources of which noise may have made several peaks.
    threshold_sigma : float
        Detection threshold [rms].
    extended_factor : float
        So many thresholds beside these.
    out : (n,) float64
        Out: the least residual [Jy/beam]; infinite beside a source whose fit failed.
    """
    for source in range(rms.size):
        factor = extended_factor if may_be_extended[source] else 1.0
        is_fitted = fits[source, 5] != 0.0
        out[source] = threshold_sigma * rms[source] * factor if is_fitted else np.inf


@njit(
    "int64(float32[:, ::1], float64[::1], float64[::1], float64[:, ::1], int64[:, ::1],"
    " UniTuple(float64, 2), UniTuple(float64, 2), float64[:, ::1])",
    nogil=True,
    error_model="numpy",
    cache=True,
)
def find_residual_peaks(
    pixels: npt.NDArray[np.float32],
    background: npt.NDArray[np.float64],
    least: npt.NDArray[np.float64],
    models: npt.NDArray[np.float64],
    neighbours: npt.NDArray[np.int64],
    exponents: tuple[float, float],
    fractions: tuple[float, float],
    out: npt.NDArray[np.float64],
) -> int:
    """Find the highest residual beside each source.

    Parameters
    ----------
    pixels : (ny, nx) float32
        Image [Jy/beam]; NaN is blank.
    background : (n,) float64
        At the peaks [Jy/beam].
    least : (n,) float64
        Least residual; infinite where none is searched [Jy/beam].
    models : (n, 6) float64
        Amplitude [Jy/beam], x, y [px], a, b, c [1/px^2] of exp(-(a dx^2 + 2 b dx dy + c dy^2)).
    neighbours : (n, m) int64
        Sources whose models are subtracted, too; -1 ends the list.
    exponents : (float, float)
        A residual is beside a source between these exponents of its model.
    fractions : (float, float)
        A residual exceeds `least` by the first fraction of the root of the model (the amplitude
        times that of a Gaussian of twice the area); that on the opposite side of the source is
        below the second fraction of it.
    out : (n, 3) float64
        Out: residual [Jy/beam], x, y [px] of the highest; 0 where there is none.

    Returns
    -------
    int
        Beside how many sources there is one.
    """
    (ny, nx), n_found = pixels.shape, 0
    nearest, farthest = exponents
    model_fraction, mirror_fraction = fractions
    for source in range(models.shape[0]):
        out[source, 0] = 0.0
        amplitude, x_fit, y_fit = models[source, 0], models[source, 1], models[source, 2]
        a, b, c = models[source, 3], models[source, 4], models[source, 5]
        determinant = a * c - b * b
        half_x = int(math.sqrt(farthest * c / determinant)) + 1
        half_y = int(math.sqrt(farthest * a / determinant)) + 1
        y0, x0 = round(y_fit), round(x_fit)
        limit = least[source]
        if limit == np.inf:
            continue
        for y in range(max(0, y0 - half_y), min(ny, y0 + half_y + 1)):
            for x in range(max(0, x0 - half_x), min(nx, x0 + half_x + 1)):
                value = float(pixels[y, x]) - background[source]
                # Most pixels are below the limit before anything is subtracted; NaN is.
                if not value > max(limit, out[source, 0]):
                    continue
                dx, dy = x - x_fit, y - y_fit
                exponent = a * dx * dx + 2.0 * b * dx * dy + c * dy * dy
                if exponent < nearest or exponent > farthest:
                    continue
                root = math.exp(-0.5 * exponent)
                lowest = max(limit + model_fraction * amplitude * root, out[source, 0])
                if value - amplitude * root * root < lowest:
                    continue
                rest = _residual_at(pixels, x, y, source, background[source], models, neighbours)
                if rest > lowest:
                    out[source, 0], out[source, 1], out[source, 2] = rest, x, y
        if out[source, 0] > 0.0:
            at_x, at_y = int(out[source, 1]), int(out[source, 2])
            opposite = _mirrored(
                pixels, at_x, at_y, source, background[source], models, neighbours
            )
            if opposite >= mirror_fraction * out[source, 0]:
                out[source, 0] = 0.0
            else:
                n_found += 1
    return n_found
