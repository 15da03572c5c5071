"""Deconvolution of source shapes from the beam."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.extract.kernels.deconvolution import deconvolve_all

__all__ = ["DeconvolvedShape", "deconvolve"]

FloatArray = npt.NDArray[np.float64]
_Columns = tuple[FloatArray, FloatArray, FloatArray]


@dataclass(frozen=True, slots=True)
class DeconvolvedShape:
    """Axes in the units of the input, angle in degrees in [0, 180), all (n,) float64.

    An axis of 0 is not resolved; errors of such axes are NaN.
    """

    major: FloatArray
    minor: FloatArray
    pa_deg: FloatArray
    major_err: FloatArray
    minor_err: FloatArray
    pa_err_deg: FloatArray


def deconvolve(shape: _Columns, shape_err: _Columns, beam: _Columns) -> DeconvolvedShape:
    """Deconvolve Gaussians from the beam, and propagate the errors to first order.

    Parameters
    ----------
    shape : three (n,) float64
        Major and minor axis (FWHM, any unit) and position angle [deg] as measured.
    shape_err : three (n,) float64
        1-sigma errors of `shape`; taken as independent.
    beam : three (n,) float64
        Axes and angle of the beam.

    References
    ----------
    Wild (1970), AuJPh 23, 113.
    """
    result = np.empty((6, shape[0].size))
    deconvolve_all(np.array(shape), np.array(shape_err), np.array(beam), result)
    return DeconvolvedShape(*result)
