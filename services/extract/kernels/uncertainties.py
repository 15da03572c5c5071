"""Errors of Gaussian fits where the beam correlates the noise."""

import math

import numpy as np
import numpy.typing as npt
from numba import njit

__all__ = ["FWHM_PER_SIGMA", "gaussian_errors"]

FWHM_PER_SIGMA = math.sqrt(8 * math.log(2.0))
_ROOT2 = math.sqrt(2.0)


@njit(
    nogil=True,
    error_model="numpy",
    cache=True,
)
def _free_errors(
    snr: float, major_px: float, minor_px: float, beam_major_px: float, beam_minor_px: float
) -> tuple[float, float, float, float, float, float, float]:
    """Return the errors of a fit of all six parameters, as `gaussian_errors` writes them."""
    of_major, of_minor = beam_major_px / major_px, beam_minor_px / minor_px
    along, across = 1.0 + of_major * of_major, 1.0 + of_minor * of_minor
    area = major_px * minor_px / (4.0 * beam_major_px * beam_minor_px)
    # Exponents 3/2 and 3/2, 5/2 and 1/2, 1/2 and 5/2 have the root in common.
    root = area * math.sqrt(along * across)
    peak = _ROOT2 / (math.sqrt(root * (along * across)) * snr)
    major = _ROOT2 / (math.sqrt(root * (along * along)) * snr)
    minor = _ROOT2 / (math.sqrt(root * (across * across)) * snr)
    beams = beam_major_px * beam_minor_px / (major_px * minor_px)
    stretch = major_px * major_px - minor_px * minor_px
    turn = _ROOT2 * minor * major_px * minor_px
    # A round source has no angle; its error is never beyond a right one.
    angle = turn / stretch if turn < math.pi / 2.0 * stretch else math.pi / 2.0
    return (
        peak,
        math.sqrt(peak * peak + beams * (major * major + minor * minor)),
        major * major_px / FWHM_PER_SIGMA,
        minor * minor_px / FWHM_PER_SIGMA,
        major * major_px,
        minor * minor_px,
        angle,
    )


@njit(
    "void(float64[::1], float64[::1], float64[::1], float64[:, ::1], boolean[::1],"
    " float64[:, ::1])",
    nogil=True,
    error_model="numpy",
    cache=True,
)
def gaussian_errors(
    snr: npt.NDArray[np.float64],
    major_px: npt.NDArray[np.float64],
    minor_px: npt.NDArray[np.float64],
    beam_axes_px: npt.NDArray[np.float64],
    is_free: npt.NDArray[np.bool_],
    out: npt.NDArray[np.float64],
) -> None:
    """Compute the errors of fits with a fixed or a free shape.

    Parameters
    ----------
    snr : (n,) float64
        Peak over local rms.
    major_px, minor_px : (n,) float64
        Axes of the sources, FWHM [px].
    beam_axes_px : (k, n) float64
        Those of the beams that correlate the noise, in the first two rows, FWHM [px].
    is_free : (n,) bool
        Whether the shape was fitted, too.
    out : (7, n) float64
        Out: relative errors of the peak and of the integrated flux; errors of the position along
        both axes, of the axes [px], and of the angle [rad]; 0 for what is fixed.

    References
    ----------
    Condon (1997), PASP 109, 166, equations 20 and 21 with the source as large as the beam for a
    fixed shape, 21 and 41 to 43 for a free one; exponents from its section 3.
    """
    for source in range(snr.size):
        along, across = major_px[source], minor_px[source]
        if is_free[source]:
            errors = _free_errors(
                snr[source], along, across, beam_axes_px[0, source], beam_axes_px[1, source]
            )
            for index in range(7):
                out[index, source] = errors[index]
            continue
        out[0, source] = out[1, source] = 1.0 / snr[source]
        out[2, source] = along / (snr[source] * FWHM_PER_SIGMA)
        out[3, source] = across / (snr[source] * FWHM_PER_SIGMA)
        out[4, source] = out[5, source] = out[6, source] = 0.0
