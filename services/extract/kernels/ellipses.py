"""Gaussians of one plane as they are in another."""

import math

import numpy as np
import numpy.typing as npt
from numba import njit

__all__ = ["map_axes", "map_moments"]

# Below this difference of squared axes, relative to their sum, an ellipse is round.
_ROUND = 1e-12


@njit(
    "void(float64[::1], float64[::1], float64[::1], float64[:, :, ::1], float64[:, ::1])",
    nogil=True,
    error_model="numpy",
    cache=True,
)
def map_moments(
    along: npt.NDArray[np.float64],
    across: npt.NDArray[np.float64],
    angle_rad: npt.NDArray[np.float64],
    matrices: npt.NDArray[np.float64],
    out: npt.NDArray[np.float64],
) -> None:
    """Compute second moments of ellipses after a linear map: A M A^T.

    Parameters
    ----------
    along, across : (n,) float64
        The axes, in any unit.
    angle_rad : (n,) float64
        Angle of the first from the first coordinate towards the second [rad].
    matrices : (n, 2, 2) float64
        The map A of each.
    out : (3, n) float64
        Out: moments of the first and of the second coordinate, and their mixed one.
    """
    for source in range(along.size):
        sin, cos = math.sin(angle_rad[source]), math.cos(angle_rad[source])
        major, minor = along[source] * along[source], across[source] * across[source]
        sin2, cos2 = sin * sin, cos * cos
        xx, yy = major * cos2 + minor * sin2, major * sin2 + minor * cos2
        xy = (major - minor) * sin * cos
        to_x, to_y = matrices[source, 0], matrices[source, 1]
        x_x, x_y = to_x[0] * xx + to_x[1] * xy, to_x[0] * xy + to_x[1] * yy
        y_x, y_y = to_y[0] * xx + to_y[1] * xy, to_y[0] * xy + to_y[1] * yy
        out[0, source] = x_x * to_x[0] + x_y * to_x[1]
        out[1, source] = y_x * to_y[0] + y_y * to_y[1]
        out[2, source] = x_x * to_y[0] + x_y * to_y[1]


@njit(
    "void(float64[::1], float64[::1], float64[::1], float64[:, :, ::1], float64[:, ::1])",
    nogil=True,
    error_model="numpy",
    cache=True,
)
def map_axes(
    major: npt.NDArray[np.float64],
    minor: npt.NDArray[np.float64],
    angle_rad: npt.NDArray[np.float64],
    matrices: npt.NDArray[np.float64],
    out: npt.NDArray[np.float64],
) -> None:
    """Compute the axes of ellipses after a linear map.

    Parameters
    ----------
    major, minor, angle_rad, matrices : float64 arrays
        As of `map_moments`.
    out : (3, n) float64
        Out: major and minor axis, and the angle of the major one from the first coordinate
        towards the second [rad]; a right angle for a circle.
    """
    map_moments(major, minor, angle_rad, matrices, out)
    for source in range(major.size):
        xx, yy, xy = out[0, source], out[1, source], out[2, source]
        middle, half = (xx + yy) / 2.0, math.hypot((xx - yy) / 2.0, xy)
        is_round = half <= _ROUND * middle
        out[0, source] = math.sqrt(middle + half)
        out[1, source] = math.sqrt(max(middle - half, 0.0))
        out[2, source] = math.pi / 2.0 if is_round else 0.5 * math.atan2(2.0 * xy, xx - yy)
