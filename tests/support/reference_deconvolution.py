"""Deconvolution of source shapes from the beam in plain NumPy: the reference of its kernel."""

import numpy as np
import numpy.typing as npt

from sky.elementary_functions import arctan2, sin_cos

__all__ = ["deconvolve", "deconvolve_with_errors"]

FloatArray = npt.NDArray[np.float64]
_Axis = float | FloatArray

# An axis whose square is below this fraction of the beam's is rounding: not resolved.
_ROUNDING = 1e-9


def deconvolve(
    shape: tuple[FloatArray, FloatArray, FloatArray], beam: tuple[_Axis, _Axis, _Axis]
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Deconvolve Gaussians from the beam by subtracting second moments.

    Parameters
    ----------
    shape : three (n,) float64
        Major and minor axis (FWHM, any unit) and position angle [deg] as measured.
    beam : three float or (n,) float64
        The same of the beam, for all or for each.

    Returns
    -------
    major, minor, pa_deg : three (n,) float64
        0 for an axis that is not resolved.

    References
    ----------
    Wild (1970), AuJPh 23, 113.
    """
    xx, xy, yy = _moments(*shape)
    beam_xx, beam_xy, beam_yy = _moments(*(np.asarray(value, np.float64) for value in beam))
    xx, xy, yy = xx - beam_xx, xy - beam_xy, yy - beam_yy
    middle, half = (xx + yy) / 2, np.hypot((xx - yy) / 2, xy)
    floor = _ROUNDING * (beam_xx + beam_yy)
    major2, minor2 = middle + half, middle - half
    major = np.sqrt(np.where(major2 > floor, major2, 0.0))
    minor = np.sqrt(np.where(minor2 > floor, minor2, 0.0))
    pa_deg = np.degrees(0.5 * arctan2(2 * xy, yy - xx)) % 180.0
    return major, minor, np.where(major > 0, pa_deg, 0.0)


def deconvolve_with_errors(
    shape: tuple[FloatArray, FloatArray, FloatArray],
    shape_err: tuple[FloatArray, FloatArray, FloatArray],
    beam: tuple[_Axis, _Axis, _Axis],
) -> FloatArray:
    """Deconvolve, and propagate the errors to first order; return (6, n)."""
    major, minor, pa_deg = deconvolve(shape, beam)
    variance = np.zeros((3, major.size))
    for index, error in enumerate(shape_err):
        # A tenth of the error: small compared with it, large compared with rounding.
        step = np.maximum(0.1 * error, 1e-7 * shape[0])
        # Step to both sides: where the axes are equal, one of the steps swaps them.
        slope = np.zeros((3, major.size))
        for sign in (-1, 1):
            moved = list(shape)
            moved[index] = shape[index] + sign * step
            after = deconvolve((moved[0], moved[1], moved[2]), beam)
            turn = (after[2] - pa_deg + 90.0) % 180.0 - 90.0
            change = np.stack([after[0] - major, after[1] - minor, turn])
            slope = np.maximum(slope, np.abs(change / step))
        variance += (slope * error) ** 2
    errors = np.sqrt(variance)
    return np.stack(
        [
            major,
            minor,
            pa_deg,
            np.where(major > 0, errors[0], np.nan),
            np.where(minor > 0, errors[1], np.nan),
            np.where(major > 0, np.minimum(errors[2], 90.0), np.nan),
        ]
    )


def _moments(
    major: FloatArray, minor: FloatArray, pa_deg: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the quadratic form of an ellipse: xx, xy, yy; the angle is from y towards x."""
    sin, cos = sin_cos(np.radians(pa_deg))
    along, across = major**2, minor**2
    return (
        along * sin**2 + across * cos**2,
        (along - across) * sin * cos,
        along * cos**2 + across * sin**2,
    )
