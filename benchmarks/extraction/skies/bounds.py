"""The least error of a position, in units of which errors are given."""

import numpy as np
from numpy.typing import NDArray

from services.extract.models import BeamShape

__all__ = ["position_information"]

FloatArray = NDArray[np.float64]

# With so many pixels along the beam they lose next to no information.
_FINE_PX = 4.0
# Pixels around a source that are taken when they are few to a beam.
_RADIUS_PX = 4


def position_information(beam: BeamShape, x: FloatArray, y: FloatArray) -> FloatArray:
    """Return the inverse covariance of the best possible position at an S/N of 1.

    It is the bound of Condon (1997) for noise that the beam correlates. Where pixels are few to
    the beam it is that of generalised least squares of the pixels: no finder can do better.

    Parameters
    ----------
    beam : BeamShape
        The restoring beam.
    x, y : (n,) float64
        Places of the sources [px].

    Returns
    -------
    (n, 2, 2) float64
        Of x and y [1/px^2]; it grows as the square of S/N.

    References
    ----------
    Condon (1997), PASP 109, 166; Aitken (1935), Proc. R. Soc. Edinburgh 55, 42.
    """
    a, b, c = beam.quadratic
    curvature = np.array([[a, b], [b, c]])
    if beam.major_px >= _FINE_PX:
        return np.broadcast_to(2 * curvature, (x.size, 2, 2))
    side = np.arange(-_RADIUS_PX, _RADIUS_PX + 1)
    pixels = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2).astype(np.float64)
    between = pixels[:, None] - pixels
    inverse = np.linalg.inv(_gaussian(between, curvature))
    middle = np.stack([x - np.round(x), y - np.round(y)], axis=1)
    offsets = pixels - middle[:, None]
    profile = _gaussian(offsets, curvature)
    slopes = 2 * profile[..., None] * (offsets @ curvature)
    model = np.concatenate([profile[..., None], slopes], axis=2)
    covariance = np.linalg.inv(np.einsum("nip,ij,njq->npq", model, inverse, model, optimize=True))
    return np.asarray(np.linalg.inv(covariance[:, 1:, 1:]))


def _gaussian(offsets: FloatArray, curvature: FloatArray) -> FloatArray:
    return np.exp(-np.einsum("...i,ij,...j->...", offsets, curvature, offsets))
