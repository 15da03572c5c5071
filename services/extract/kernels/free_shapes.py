"""Free shapes of the sources of an image, the brightest first."""

import math

import numpy as np
import numpy.typing as npt
from numba import njit

from services.extract.kernels.free_gaussian import fit_gaussian
from services.extract.kernels.measure import gaussian

__all__ = ["fit_shapes"]

_Floats = npt.NDArray[np.float64]
_Ints = npt.NDArray[np.int64]
_Bools = npt.NDArray[np.bool_]

# Sizes to start from [beams]: within a beam, noise may make a large source look hollow.
_STARTS = (1.0, 2.0, 4.0)
# A source is extended if its area exceeds the beam's by this factor, and by this many errors.
_LEAST_GROWTH, _LEAST_SIGMA = 1.1, 3.0
# What must remain of a peak of the same island after an extended source is subtracted, beyond the
# detection threshold: a fraction of what was subtracted, as no Gaussian fits better than that.
_MODEL_FRACTION = 0.1


@njit(
    nogil=True,
    error_model="numpy",
    cache=True,
)
def _fit_with(
    pixels: npt.NDArray[np.float32],
    y: int,
    x: int,
    background: float,
    models: _Floats,
    others: _Ints,
    max_half_px: int,
    is_candidate: bool,  # noqa: FBT001  (kernels take their arguments in order)
    source: int,
    out: _Floats,
) -> bool:
    """Write the Gaussian of a source when the models of others are subtracted; False: none."""
    for start in range(len(_STARTS) if is_candidate else 1):
        out[:] = models[source]
        out[3:] /= _STARTS[start] * _STARTS[start]
        if fit_gaussian(pixels, y, x, background, models[others], max_half_px, out):
            return True
    return False


@njit(nogil=True, error_model="numpy", cache=True)
def _is_larger(model: _Floats, beam: _Floats, rms: float) -> bool:
    """Return whether a Gaussian is larger than the beam's."""
    of_beam = beam[3] * beam[5] - beam[4] * beam[4]
    growth = math.sqrt(of_beam / (model[3] * model[5] - model[4] * model[4]))
    # The relative error of the area is about that of the peak.
    growth_err = growth * rms / model[0]
    return bool(growth > max(_LEAST_GROWTH, 1.0 + _LEAST_SIGMA * growth_err))


@njit(
    nogil=True,
    error_model="numpy",
    cache=True,
)
def _find_parts(
    pixels: npt.NDArray[np.float32],
    y: _Ints,
    x: _Ints,
    background: _Floats,
    rms: _Floats,
    model: _Floats,
    others: _Ints,
    threshold_sigma: float,
    out: _Bools,
) -> None:
    """Write which other peaks do not remain when a model is subtracted."""
    for index in range(others.size):
        other = others[index]
        height = pixels[y[other], x[other]] - background[other]
        at_peak = model[0] * gaussian(
            x[other] - model[1], y[other] - model[2], model[3], model[4], model[5]
        )
        least = threshold_sigma * rms[other] + _MODEL_FRACTION * at_peak
        out[index] = height - at_peak < least


@njit(
    "void(float32[:, ::1], int64[::1], int64[::1], int64[::1], float64[::1], float64[::1],"
    " float64[:, ::1], boolean[::1], float64, int64, boolean, float64[:, ::1],"
    " boolean[:, ::1])",
    nogil=True,
    error_model="numpy",
    cache=True,
)
def fit_shapes(
    pixels: npt.NDArray[np.float32],
    y: _Ints,
    x: _Ints,
    island: _Ints,
    background: _Floats,
    rms: _Floats,
    beams: _Floats,
    is_candidate: _Bools,
    threshold_sigma: float,
    max_half_px: int,
    only_extended: bool,  # noqa: FBT001  (kernels take their arguments in order)
    models: _Floats,
    out: _Bools,
) -> None:
    """Fit elliptical Gaussians; peaks of noise on an extended source become parts of it.

    Parameters
    ----------
    pixels : (ny, nx) float32
        Image [Jy/beam]; NaN is blank.
    y, x, island : (n,) int64
        Peaks [px], and the number of the island of each.
    background, rms : (n,) float64
        There [Jy/beam].
    beams : (n, 6) float64
        The fitted beams: amplitude [Jy/beam], x, y [px], a, b, c [1/px^2] of
        exp(-(a dx^2 + 2 b dx dy + c dy^2)).
    is_candidate : (n,) bool
        Sources whose flux exceeds that of the beam's shape.
    threshold_sigma : float
        Detection threshold [local rms].
    max_half_px : int
        As of `fit_gaussian`.
    only_extended : bool
        Fit only the candidates, and keep the beam where the fit is not larger.
    models : (n, 6) float64
        Out: the Gaussians; the beam where it is kept.
    out : (4, n) bool
        Out: whether a shape is free, is extended, is part of another source, has failed.
    """
    is_free, is_extended, is_part, is_failed = out[0], out[1], out[2], out[3]
    models[:], out[:] = beams, False
    order = np.argsort(island, kind="mergesort")
    islands = island[order]
    model = np.empty(6)
    for source in np.argsort(-beams[:, 0], kind="mergesort"):
        if is_part[source] or (only_extended and not is_candidate[source]):
            continue
        first = np.searchsorted(islands, island[source])
        last = np.searchsorted(islands, island[source] + 1)
        others = order[first:last]
        others = others[(others != source) & ~is_part[others]]
        # Fainter candidates may be noise on this source: at first they are not subtracted.
        certain = others[~is_candidate[others] | is_free[others]]
        at_y, at_x, level = y[source], x[source], background[source]
        if not _fit_with(
            pixels, at_y, at_x, level, models, certain, max_half_px, is_candidate[source], source,
            model,
        ):  # fmt: skip
            is_failed[source] = not only_extended
            continue
        is_larger = _is_larger(model, beams[source], rms[source])
        if is_larger and others.size > 0:
            parts = np.empty(others.size, np.bool_)
            _find_parts(pixels, y, x, background, rms, model, others, threshold_sigma, parts)
            rest = others[~parts]
            if rest.size > certain.size:
                is_fit = _fit_with(
                    pixels, at_y, at_x, level, models, rest, max_half_px, is_candidate[source],
                    source, model,
                )  # fmt: skip
                if not is_fit or not _is_larger(model, beams[source], rms[source]):
                    continue
                _find_parts(pixels, y, x, background, rms, model, others, threshold_sigma, parts)
            is_part[others[parts]] = True
        if is_larger or not only_extended:
            models[source] = model
            is_free[source], is_extended[source] = True, is_larger
