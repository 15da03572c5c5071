"""Fluxes and their errors, corrected for what is known of calibration and deconvolution."""

import math

import numpy as np
import numpy.typing as npt
from numba import njit

__all__ = ["correct_fluxes"]


@njit(
    "void(float64[::1], float64[::1], float64[::1], float64[::1], UniTuple(float64, 2), float64,"
    " float64[:, ::1])",
    nogil=True,
    error_model="numpy",
    cache=True,
)
def correct_fluxes(
    amplitude: npt.NDArray[np.float64],
    area: npt.NDArray[np.float64],
    peak_err: npt.NDArray[np.float64],
    flux_err: npt.NDArray[np.float64],
    clean_bias_jy_beam: tuple[float, float],
    calibration_error: float,
    out: npt.NDArray[np.float64],
) -> None:
    """Write peak and integrated fluxes with their errors.

    Parameters
    ----------
    amplitude : (n,) float64
        Fitted peaks, of either sign [Jy/beam].
    area : (n,) float64
        Solid angle of each source over that of its beam.
    peak_err, flux_err : (n,) float64
        Relative errors of the fit.
    clean_bias_jy_beam : two float
        What deconvolution took from each peak, and its error [Jy/beam].
    calibration_error : float
        Relative error of the flux scale.
    out : (4, n) float64
        Out: peak flux and its error [Jy/beam], integrated flux and its error [Jy].
    """
    bias, bias_err = clean_bias_jy_beam
    for source in range(amplitude.size):
        peak = amplitude[source] + bias * np.sign(amplitude[source])
        size = abs(peak)
        scale_err = math.hypot(calibration_error, bias_err / size)
        out[0, source] = peak
        out[1, source] = size * math.hypot(peak_err[source], scale_err)
        out[2, source] = peak * area[source]
        out[3, source] = size * area[source] * math.hypot(flux_err[source], scale_err)
