"""Where sources are on the sky, and how the sky lies in the pixels there."""

import numpy as np
import numpy.typing as npt

from services.extract.kernels.sky_positions import rotate_with_steps
from sky.wcs import SkyProjection

__all__ = ["to_sky_with_jacobian"]

FloatArray = npt.NDArray[np.float64]

_STEP_PX = 0.5
# A place, and a step ahead and back from it on each axis: (2, 5, 1) x, y.
_PLACES = _STEP_PX * np.array([[[0], [1], [0], [-1], [0]], [[0], [0], [1], [0], [-1]]], np.float64)


def to_sky_with_jacobian(
    projection: SkyProjection, x: FloatArray, y: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return ICRS positions [deg], and what `SkyProjection.jacobian` returns there.

    Parameters
    ----------
    projection : SkyProjection
        That of the image.
    x, y : (n,) float64
        Pixels, 0-based [px].

    Returns
    -------
    ra, dec : two (n,) float64
        ICRS [deg]; NaN outside the projection.
    (n, 2, 2) float64
        East and north offset [deg] of a step of one pixel in x and y.
    """
    # All five places of each at once: a call costs more than a hundred places.
    pixels = np.empty((2, 5, x.size))
    np.add(_PLACES[0], x, out=pixels[0])
    np.add(_PLACES[1], y, out=pixels[1])
    places_deg, rotation = projection.to_frame(pixels[0].ravel(), pixels[1].ravel())
    ra, dec, jacobian = np.empty(x.size), np.empty(x.size), np.empty((x.size, 2, 2))
    rotate_with_steps(places_deg, rotation, _STEP_PX, ra, dec, jacobian)
    return ra, dec, jacobian
