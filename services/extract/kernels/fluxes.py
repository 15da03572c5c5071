"""Fluxes and their errors, corrected for what is known of calibration and deconvolution."""

import math

import numpy as np
import numpy.typing as npt
from numba import njit

__all__ = ["correct_fluxes", "correct_peaks"]

# Images are cleaned to about three times their noise. What is brighter loses a constant flux,
# what is fainter a constant part of it (White et al. 2007, ApJ 654, 99).
_CLEAN_LIMIT_SIGMA = 3.0


@njit(
    nogil=True,
    error_model="numpy",
    cache=True,
)
def _restore(peak: float, err: float, bias: float) -> tuple[float, float, float]:
    """Return a peak with what CLEAN took, the share of the bias in it, and the stretch of `err`.

    A negative bias never turns a sign: fluxes up to twice it lose half of them.
    """
    limit = max(_CLEAN_LIMIT_SIGMA * err, -2.0 * bias)
    if abs(peak) >= limit:
        return peak + bias * np.sign(peak), 1.0, 1.0
    stretch = 1.0 + bias / limit
    return peak * stretch, abs(peak) / limit, stretch


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
        Relative errors of the fit; the second one includes the first one.
    clean_bias_jy_beam : two float
        What deconvolution took from each peak, and its error [Jy/beam].
    calibration_error : float
        Relative error of the flux scale.
    out : (4, n) float64
        Out: peak flux and its error [Jy/beam], integrated flux and its error [Jy].
    """
    bias, bias_err = clean_bias_jy_beam
    for source in range(amplitude.size):
        fitted = abs(amplitude[source])
        peak, share, stretch = _restore(amplitude[source], fitted * peak_err[source], bias)
        size = abs(peak)
        scale_err = math.hypot(calibration_error, bias_err * share / size)
        # What is added has no noise: that of the fitted peak is a smaller part of the sum.
        part = stretch * (fitted / size)
        less = peak_err[source] * peak_err[source] * (1.0 - part * part)
        whole_err = math.sqrt(flux_err[source] * flux_err[source] - less)
        out[0, source] = peak
        out[1, source] = size * math.hypot(peak_err[source] * part, scale_err)
        out[2, source] = peak * area[source]
        out[3, source] = size * area[source] * math.hypot(whole_err, scale_err)


@njit(
    "void(float64[::1], float64[::1], UniTuple(float64, 2), float64, float64[:, ::1])",
    nogil=True,
    error_model="numpy",
    cache=True,
)
def correct_peaks(
    peak: npt.NDArray[np.float64],
    peak_err: npt.NDArray[np.float64],
    clean_bias_jy_beam: tuple[float, float],
    calibration_error: float,
    out: npt.NDArray[np.float64],
) -> None:
    """Write the peak fluxes of positions with their errors, as `correct_fluxes` does of sources.

    Parameters
    ----------
    peak, peak_err : (n,) float64
        As measured, of either sign, with the error by noise [Jy/beam]; NaN where unmeasured.
    clean_bias_jy_beam : two float
        What deconvolution took from each source, and its error [Jy/beam].
    calibration_error : float
        Relative error of the flux scale.
    out : (2, n) float64
        Out: peak flux and its error [Jy/beam].
    """
    bias, bias_err = clean_bias_jy_beam
    for position in range(peak.size):
        flux, share, stretch = _restore(peak[position], peak_err[position], bias)
        noise_err = math.hypot(peak_err[position] * stretch, bias_err * share)
        out[0, position] = flux
        out[1, position] = math.hypot(noise_err, calibration_error * flux)
