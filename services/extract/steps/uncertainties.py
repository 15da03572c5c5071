"""Errors of Gaussian fits where the beam correlates the noise."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["GaussianErrors", "free_gaussian_errors", "point_source_errors"]

FloatArray = npt.NDArray[np.float64]

FWHM_PER_SIGMA = math.sqrt(8 * math.log(2.0))


@dataclass(frozen=True, slots=True)
class GaussianErrors:
    """1-sigma errors, all (n,) float64; those of a fixed quantity are 0.

    `peak` and `flux` are relative to the peak and the integrated flux, `along` and `across`
    are of the position in units of the axes' length, in pixels here; `angle` is in radians.
    """

    peak: FloatArray
    flux: FloatArray
    along: FloatArray
    across: FloatArray
    major: FloatArray
    minor: FloatArray
    angle: FloatArray


def point_source_errors(
    snr: FloatArray, major_px: FloatArray, minor_px: FloatArray
) -> GaussianErrors:
    """Return the errors of a fit whose shape is fixed to the beam's.

    Parameters
    ----------
    snr : (n,) float64
        Peak over local rms.
    major_px, minor_px : (n,) float64
        The beam, FWHM [px].

    References
    ----------
    Condon (1997), PASP 109, 166, equations 20 and 21 with the source as large as the beam.
    """
    nothing = np.zeros_like(snr)
    return GaussianErrors(
        peak=1 / snr,
        flux=1 / snr,
        along=major_px / (snr * FWHM_PER_SIGMA),
        across=minor_px / (snr * FWHM_PER_SIGMA),
        major=nothing,
        minor=nothing,
        angle=nothing,
    )


def free_gaussian_errors(
    snr: FloatArray,
    major_px: FloatArray,
    minor_px: FloatArray,
    beam_major_px: float | FloatArray,
    beam_minor_px: float | FloatArray,
) -> GaussianErrors:
    """Return the errors of a fit of all six parameters of a Gaussian.

    Parameters
    ----------
    snr : (n,) float64
        Peak over local rms.
    major_px, minor_px : (n,) float64
        Fitted axes, FWHM [px].
    beam_major_px, beam_minor_px : float or (n,) float64
        Correlation lengths of the noise: the beam, FWHM [px].

    References
    ----------
    Condon (1997), PASP 109, 166, equations 21 and 41 to 43; exponents from its section 3.
    """
    along = 1 + (beam_major_px / major_px) ** 2
    across = 1 + (beam_minor_px / minor_px) ** 2
    area = major_px * minor_px / (4 * beam_major_px * beam_minor_px)
    # Exponents 3/2 and 3/2, 5/2 and 1/2, 1/2 and 5/2 have the root in common. Powers of numpy
    # have other bits on other processors.
    root = area * np.sqrt(along * across)

    def rho(power: FloatArray) -> FloatArray:
        return np.asarray(np.sqrt(root * power) * snr, dtype=np.float64)

    root2 = math.sqrt(2.0)
    peak = root2 / rho(along * across)
    major, minor = root2 / rho(along * along), root2 / rho(across * across)
    beams = beam_major_px * beam_minor_px / (major_px * minor_px)
    stretch = major_px**2 - minor_px**2
    with np.errstate(divide="ignore"):
        angle = root2 * minor * major_px * minor_px / stretch
    return GaussianErrors(
        peak=peak,
        flux=np.sqrt(peak**2 + beams * (major**2 + minor**2)),
        along=major * major_px / FWHM_PER_SIGMA,
        across=minor * minor_px / FWHM_PER_SIGMA,
        major=major * major_px,
        minor=minor * minor_px,
        angle=np.minimum(angle, math.pi / 2),
    )
