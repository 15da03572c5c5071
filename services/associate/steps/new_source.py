"""The new-source test: had anybody looked deep enough before."""

from collections.abc import Sequence

import numpy as np

from schemas.messages import FloatArray
from services.associate.models import PriorCoverage
from sky.margin import is_searched
from sky.rms_grid import rms_bounds_at
from sky.wcs import SkyProjection

__all__ = ["find_deepest_rms"]


def find_deepest_rms(
    ra: FloatArray, dec: FloatArray, looks: Sequence[PriorCoverage], *, margin_px: int
) -> tuple[FloatArray, FloatArray]:
    """Return the rms that the deepest earlier image had around positions.

    A source is certainly new where it would have been detected over the larger of the two,
    possibly new over the smaller (Swinbank et al. 2015, A&C 11, 25, section 4.6; here with the
    rms at the position, not the extremes of the whole image).

    Parameters
    ----------
    ra, dec : (n,) float64
        ICRS [deg].
    looks : sequence of PriorCoverage
        Deepest earlier images of the same band and Stokes parameter.
    margin_px : int
        Border of an image in which nothing is extracted [px].

    Returns
    -------
    low, high : (n,) float64
        Smallest and largest rms of the grid cells around each position [Jy/beam]; NaN where
        nobody has looked: sky never seen holds no new sources.
    """
    deepest_low, deepest_high = np.full(ra.size, np.nan), np.full(ra.size, np.nan)
    for look in looks:
        x, y = SkyProjection.of(look.wcs_header).to_pixel(ra, dec)
        inside = is_searched(look.shape, x, y, margin_px)
        low, high = rms_bounds_at(look.rms_grid, look.shape, x, y)
        better = inside & np.isfinite(low) & ~(deepest_low <= low)
        deepest_low = np.where(better, low, deepest_low)
        deepest_high = np.where(better, high, deepest_high)
    return deepest_low, deepest_high
