"""Errors of Gaussian fits where the beam correlates the noise."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.extract.kernels.uncertainties import gaussian_errors

__all__ = ["GaussianErrors", "fit_errors"]

FloatArray = npt.NDArray[np.float64]


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


def fit_errors(
    snr: FloatArray,
    axes_px: tuple[FloatArray, FloatArray],
    beam_axes_px: FloatArray,
    is_free: npt.NDArray[np.bool_],
) -> GaussianErrors:
    """Return the errors of fits whose shape is the beam's, or free.

    Parameters
    ----------
    snr : (n,) float64
        Peak over local rms.
    axes_px : two (n,) float64
        Major and minor axis, FWHM [px].
    beam_axes_px : (k, n) float64
        Correlation lengths of the noise in the first two rows: the beam, FWHM [px].
    is_free : (n,) bool
        Whether the shape was fitted, too.

    References
    ----------
    Condon (1997), PASP 109, 166.
    """
    errors = np.empty((7, snr.size))
    gaussian_errors(snr, *axes_px, beam_axes_px, is_free, errors)
    return GaussianErrors(*errors)
