"""Sky positions of sources, and what a step of a pixel is there."""

import math

import numpy as np
import numpy.typing as npt
from numba import njit

__all__ = ["rotate_with_steps"]


@njit(
    nogil=True,
    error_model="numpy",
    cache=True,
)
def _rotated(
    lng_deg: float, lat_deg: float, rotation: npt.NDArray[np.float64]
) -> tuple[float, float, float]:
    """Return the unit vector of a position in another frame."""
    lng, lat = math.radians(lng_deg), math.radians(lat_deg)
    x, y, z = math.cos(lat) * math.cos(lng), math.cos(lat) * math.sin(lng), math.sin(lat)
    return (
        rotation[0, 0] * x + rotation[0, 1] * y + rotation[0, 2] * z,
        rotation[1, 0] * x + rotation[1, 1] * y + rotation[1, 2] * z,
        rotation[2, 0] * x + rotation[2, 1] * y + rotation[2, 2] * z,
    )


@njit(
    "void(float64[:, ::1], float64[:, ::1], float64, float64[::1], float64[::1],"
    " float64[:, :, ::1])",
    nogil=True,
    error_model="numpy",
    cache=True,
)
def rotate_with_steps(
    places_deg: npt.NDArray[np.float64],
    rotation: npt.NDArray[np.float64],
    step_px: float,
    ra: npt.NDArray[np.float64],
    dec: npt.NDArray[np.float64],
    jacobian: npt.NDArray[np.float64],
) -> None:
    """Rotate the positions of sources to ICRS, and measure a step of one pixel there.

    Parameters
    ----------
    places_deg : (5 n, 2) float64
        Longitude and latitude in the frame of the image: of n sources, of the places a step
        ahead of each in x, of those ahead in y, then of those back in x and back in y [deg].
    rotation : (3, 3) float64
        From that frame to ICRS.
    step_px : float
        The step [px].
    ra, dec : (n,) float64
        Out: ICRS [deg]; NaN outside the projection.
    jacobian : (n, 2, 2) float64
        Out: east and north offset [deg] of a step of one pixel in x and y.
    """
    n = ra.size
    for source in range(n):
        x, y, z = _rotated(places_deg[source, 0], places_deg[source, 1], rotation)
        angle_deg = math.degrees(math.atan2(y, x)) % 360.0
        # The remainder of a tiny negative angle is rounded up to 360 itself.
        ra[source] = 0.0 if angle_deg >= 360.0 else angle_deg
        dec[source] = math.degrees(math.atan2(z, math.hypot(x, y)))
        ra_rad, dec_rad = math.radians(ra[source]), math.radians(dec[source])
        sin_ra, cos_ra = math.sin(ra_rad), math.cos(ra_rad)
        sin_dec, cos_dec = math.sin(dec_rad), math.cos(dec_rad)
        for axis in range(2):
            ahead, back = source + (1 + axis) * n, source + (3 + axis) * n
            x1, y1, z1 = _rotated(places_deg[ahead, 0], places_deg[ahead, 1], rotation)
            x0, y0, z0 = _rotated(places_deg[back, 0], places_deg[back, 1], rotation)
            scale = 1.0 / (2.0 * step_px)
            dx, dy, dz = (
                math.degrees(x1 - x0) * scale,
                math.degrees(y1 - y0) * scale,
                math.degrees(z1 - z0) * scale,
            )
            jacobian[source, 0, axis] = cos_ra * dy - sin_ra * dx
            jacobian[source, 1, axis] = cos_dec * dz - sin_dec * (cos_ra * dx + sin_ra * dy)
