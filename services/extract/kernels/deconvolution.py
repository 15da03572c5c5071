"""Gaussians without the beam: differences of second moments, and their errors."""

import math

import numpy as np
import numpy.typing as npt
from numba import njit

__all__ = ["deconvolve_all"]

# An axis whose square is below this fraction of the beam's is rounding: not resolved.
_ROUNDING = 1e-9
# A step is a tenth of the error: small compared with it, large compared with rounding.
_STEP, _LEAST_STEP = 0.1, 1e-7


@njit(nogil=True, error_model="numpy", cache=True)
def _moments(major: float, minor: float, pa_deg: float) -> tuple[float, float, float]:
    """Return the quadratic form of an ellipse: xx, xy, yy; the angle is from y towards x."""
    angle = math.radians(pa_deg)
    sin, cos = math.sin(angle), math.cos(angle)
    along, across, sin2, cos2 = major * major, minor * minor, sin * sin, cos * cos
    return (
        along * sin2 + across * cos2,
        (along - across) * sin * cos,
        along * cos2 + across * sin2,
    )


@njit(nogil=True, error_model="numpy", cache=True)
def _deconvolved(
    major: float, minor: float, pa_deg: float, beam: tuple[float, float, float]
) -> tuple[float, float, float]:
    """Return axes and angle without the beam, of which the moments are given."""
    xx, xy, yy = _moments(major, minor, pa_deg)
    xx, xy, yy = xx - beam[0], xy - beam[1], yy - beam[2]
    middle, half = (xx + yy) / 2.0, math.hypot((xx - yy) / 2.0, xy)
    floor = _ROUNDING * (beam[0] + beam[2])
    larger, smaller = middle + half, middle - half
    if not larger > floor:
        return 0.0, 0.0, 0.0
    angle = math.degrees(0.5 * math.atan2(2.0 * xy, yy - xx)) % 180.0
    return math.sqrt(larger), math.sqrt(smaller) if smaller > floor else 0.0, angle


@njit(nogil=True, error_model="numpy", cache=True)
def _larger(slope: float, change: float, step: float) -> float:
    """Return the larger slope; NaN if one is NaN."""
    other = abs(change / step)
    return other if other > slope or math.isnan(other) else slope


@njit(nogil=True, error_model="numpy", cache=True)
def _errors(
    shape: tuple[float, float, float],
    shape_err: tuple[float, float, float],
    beam: tuple[float, float, float],
    pure: tuple[float, float, float],
) -> tuple[float, float, float]:
    """Return the errors of deconvolved axes and of their angle, to first order."""
    of_major, of_minor, of_angle = 0.0, 0.0, 0.0
    for index in range(3):
        error = shape_err[index]
        step = max(_STEP * error, _LEAST_STEP * shape[0])
        major_slope, minor_slope, angle_slope = 0.0, 0.0, 0.0
        # Step to both sides: where the axes are equal, one of the steps swaps them.
        for sign in (-1.0, 1.0):
            major, minor, angle = _deconvolved(
                shape[0] + (sign * step if index == 0 else 0.0),
                shape[1] + (sign * step if index == 1 else 0.0),
                shape[2] + (sign * step if index == 2 else 0.0),
                beam,
            )
            turn = (angle - pure[2] + 90.0) % 180.0 - 90.0
            major_slope = _larger(major_slope, major - pure[0], step)
            minor_slope = _larger(minor_slope, minor - pure[1], step)
            angle_slope = _larger(angle_slope, turn, step)
        of_major += (major_slope * error) * (major_slope * error)
        of_minor += (minor_slope * error) * (minor_slope * error)
        of_angle += (angle_slope * error) * (angle_slope * error)
    return math.sqrt(of_major), math.sqrt(of_minor), math.sqrt(of_angle)


@njit(
    "void(float64[:, ::1], float64[:, ::1], float64[:, ::1], float64[:, ::1])",
    nogil=True,
    error_model="numpy",
    cache=True,
)
def deconvolve_all(
    shape: npt.NDArray[np.float64],
    shape_err: npt.NDArray[np.float64],
    beam: npt.NDArray[np.float64],
    out: npt.NDArray[np.float64],
) -> None:
    """Subtract the second moments of the beam from those of Gaussians.

    Parameters
    ----------
    shape : (3, n) float64
        Major and minor axis (FWHM, any unit) and position angle [deg] as measured.
    shape_err : (3, n) float64
        1-sigma errors of `shape`; taken as independent.
    beam : (3, n) float64
        Major and minor axis and position angle of the beam.
    out : (6, n) float64
        Out: axes and angle, in [0, 180), then their errors. An axis of 0 is not resolved; its
        error, and that of the angle of an unresolved source, is NaN.

    References
    ----------
    Wild (1970), AuJPh 23, 113.
    """
    for source in range(shape.shape[1]):
        seen = shape[0, source], shape[1, source], shape[2, source]
        seen_err = shape_err[0, source], shape_err[1, source], shape_err[2, source]
        form = _moments(beam[0, source], beam[1, source], beam[2, source])
        pure = _deconvolved(*seen, form)
        out[0, source], out[1, source], out[2, source] = pure
        out[3, source] = out[4, source] = out[5, source] = np.nan
        if pure[0] > 0.0:
            major_err, minor_err, angle_err = _errors(seen, seen_err, form, pure)
            out[3, source] = major_err
            out[4, source] = minor_err if pure[1] > 0.0 else np.nan
            out[5, source] = angle_err if math.isnan(angle_err) else min(angle_err, 90.0)
