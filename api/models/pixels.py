"""Pixels of an image."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["PixelImage"]


@dataclass(frozen=True, slots=True)
class PixelImage:
    """An image with its pixels.

    Parameters
    ----------
    pixels : (ny, nx) float32
        Flux density [Jy/beam]; NaN where blank.
    wcs_header : str
        FITS cards of its celestial coordinates, newline separated.
    """

    pixels: npt.NDArray[np.float32]
    wcs_header: str
