"""Which splits inherit the light curve of the source that they were split from; arrays only.

Where several detections claim one source, the nearest has it and each other one creates a
source. It is a part of the old one (a blend that is resolved now, a position that scatters) if
the fluxes say so; else it is a new source near a known one.
"""

from dataclasses import dataclass

import numpy as np

from schemas.messages import BoolArray, FloatArray, IntArray

__all__ = ["Claims", "find_heirs"]

# Fluxes that differ by more are not the same [sigma].
_LIMIT_SIGMA = 5.0
# Calibration errors from image to image, relative to the flux of the known source [-].
_RELATIVE_ERR = 0.05


@dataclass(frozen=True, slots=True)
class Claims:
    """Detections and the sources that they claim, one pair each; (k,) each, any unit of flux.

    Parameters
    ----------
    source : (k,) int64
        The source that is claimed.
    flux, flux_err : (k,) float64
        Peak flux of the detection, and 1 sigma.
    """

    source: IntArray
    flux: FloatArray
    flux_err: FloatArray


def find_heirs(
    split: Claims, nearest: Claims, *, known_flux: FloatArray, known_err: FloatArray
) -> BoolArray:
    """Return which splits inherit from the source that they lost.

    Parameters
    ----------
    split : Claims
        Detections that lost their source to a nearer one, (k,).
    nearest : Claims
        The detections that have these sources; of others too.
    known_flux, known_err : (n,) float64
        Mean peak flux of every source before, by its number, and 1 sigma; NaN: never measured.

    Returns
    -------
    (k,) bool
        True where the detection alone has the flux of the source, where all detections that
        claim it have no more together, and where the source was never measured.
    """
    mean, mean_err = known_flux[split.source], known_err[split.source]
    total, variance = np.zeros(known_flux.size), np.zeros(known_flux.size)
    for claims in (nearest, split):
        np.add.at(total, claims.source, claims.flux)
        np.add.at(variance, claims.source, claims.flux_err**2)
    floor = mean_err**2 + (_RELATIVE_ERR * mean) ** 2
    is_same = np.abs(split.flux - mean) <= _LIMIT_SIGMA * np.sqrt(split.flux_err**2 + floor)
    excess = total[split.source] - mean
    is_part = excess <= _LIMIT_SIGMA * np.sqrt(variance[split.source] + floor)
    return np.asarray(~np.isfinite(mean) | is_same | is_part, np.bool_)
