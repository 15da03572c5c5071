"""Running light-curve statistics: one pass, stable, for many sources at once."""

import numpy as np
import numpy.typing as npt

from sky.row_arrays import put_rows, take_rows

__all__ = [
    "MOMENT_FIELDS",
    "eta",
    "merge_moments",
    "new_moments",
    "spectral_index",
    "update_moments",
    "v",
]

FloatArray = npt.NDArray[np.float64]
MomentArray = npt.NDArray[np.void]

MOMENT_FIELDS = ("n", "mean", "m2", "weight", "wmean", "wm2")
_DTYPE = np.dtype([("n", np.int64), *[(name, np.float64) for name in MOMENT_FIELDS[1:]]])


def new_moments(size: int) -> MomentArray:
    """Return the statistics of `size` empty light curves.

    Fields: `n` points; `mean` and `m2`, the sum of squared deviations from it (Welford 1962,
    Technometrics 4, 419); the same weighted by 1/err^2 as `weight`, `wmean`, `wm2`
    (West 1979, CACM 22, 532).
    """
    return np.zeros(size, _DTYPE)


def update_moments(
    moments: MomentArray, index: npt.NDArray[np.int64], value: FloatArray, error: FloatArray
) -> None:
    """Add one point to each light curve `index`, in place; indices must be unique.

    Parameters
    ----------
    moments : (n,) structured
        As of `new_moments`.
    index : (k,) int64
        Which light curves.
    value, error : (k,) float64
        Flux and its 1 sigma error, any unit; the error is positive and finite.
    """
    curve = take_rows(moments, index)
    curve["n"] += 1
    delta = value - curve["mean"]
    curve["mean"] += delta / curve["n"]
    curve["m2"] += delta**2 * (curve["n"] - 1) / curve["n"]
    # The old weight times the step: no cancellation, and a first point adds exactly 0.
    weight = 1.0 / error**2
    weight_before = curve["weight"].copy()
    curve["weight"] += weight
    delta = value - curve["wmean"]
    step = delta * (weight / curve["weight"])
    curve["wmean"] += step
    curve["wm2"] += weight_before * delta * step
    put_rows(moments, index, curve)


def merge_moments(one: MomentArray, other: MomentArray) -> MomentArray:
    """Return the statistics of the points of both, light curve by light curve.

    Parameters
    ----------
    one, other : (n,) structured
        As of `new_moments`, of different points.

    References
    ----------
    Chan, Golub & LeVeque (1983), The American Statistician 37, 242, eq. 2.1.
    """
    both = new_moments(one.size)
    both["n"] = one["n"] + other["n"]
    for size, mean, squares in (("n", "mean", "m2"), ("weight", "wmean", "wm2")):
        total = one[size] + other[size]
        share = other[size] / np.where(total > 0, total, 1)
        distance = other[mean] - one[mean]
        both[mean] = one[mean] + distance * share
        both[squares] = one[squares] + other[squares] + distance**2 * one[size] * share
    both["weight"] = one["weight"] + other["weight"]
    return both


def v(moments: MomentArray) -> FloatArray:
    """Return the coefficient of variation, s / mean; 0 for fewer than two points.

    References
    ----------
    Scheers (2011), PhD thesis, eq. 3.27; Swinbank et al. (2015), A&C 11, 25.
    """
    n = np.maximum(moments["n"], 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.sqrt(moments["m2"] / (n - 1)) / moments["mean"]
    return np.where((moments["n"] > 1) & np.isfinite(ratio), ratio, 0.0)


def eta(moments: MomentArray) -> FloatArray:
    """Return the reduced chi-square against a constant flux; 0 for fewer than two points.

    References
    ----------
    Scheers (2011), PhD thesis, eq. 3.32; Swinbank et al. (2015), A&C 11, 25.
    """
    n = np.maximum(moments["n"], 2)
    return np.where(moments["n"] > 1, moments["wm2"] / (n - 1), 0.0)


def spectral_index(
    freq_hz: FloatArray, flux: FloatArray, error: FloatArray
) -> tuple[float, float] | None:
    """Return alpha of S ~ freq^alpha and its 1 sigma error; None without fluxes in two bands.

    A straight line through ln S over ln freq, each weighted by (S / error)^2.

    Parameters
    ----------
    freq_hz, flux, error : (n,) float64
        One a band. Fluxes that are not positive, or have no finite positive error, are ignored:
        they have no logarithm.
    """
    usable = (flux > 0) & np.isfinite(flux) & (error > 0) & np.isfinite(error)
    if np.unique(freq_hz[usable]).size < 2:
        return None
    x, y = np.log(freq_hz[usable]), np.log(flux[usable])
    weight = (flux[usable] / error[usable]) ** 2
    x = x - np.average(x, weights=weight)
    scatter = float(np.sum(weight * x**2))
    return float(np.sum(weight * x * y)) / scatter, scatter**-0.5
