"""The new-source test: whether an earlier image would have detected a source."""

from collections.abc import Sequence

import numpy as np

from schemas.messages import FloatArray
from services.associate.models.catalogue import PriorCoverage
from sky.margin import is_searched
from sky.rms_grid import rms_bounds_at
from sky.wcs import SkyProjection

__all__ = ["find_deepest_rms"]


def find_deepest_rms(
    ra: FloatArray, dec: FloatArray, prior_coverage: Sequence[PriorCoverage]
) -> tuple[FloatArray, FloatArray]:
    """Return the rms that the deepest earlier image had around positions.

    A source is certainly new where it would have been detected over the larger of the two,
    possibly new over the smaller (Swinbank et al. 2015, A&C 11, 25, section 4.6; here with the
    rms at the position, not the extremes of the whole image).

    Parameters
    ----------
    ra, dec : (n,) float64
        ICRS [deg].
    prior_coverage : sequence of PriorCoverage
        Deepest earlier images of the same band and Stokes parameter.

    Returns
    -------
    low, high : (n,) float64
        Smallest and largest rms of the grid cells around each position [Jy/beam]; NaN where
        no earlier image has searched: a source there may have been there before.
    """
    deepest_low, deepest_high = np.full(ra.size, np.nan), np.full(ra.size, np.nan)
    for prior in prior_coverage:
        x, y = SkyProjection.of(prior.wcs_header).to_pixel(ra, dec)
        inside = is_searched(prior.shape, x, y, prior.margin_px)
        low, high = rms_bounds_at(prior.rms_grid, prior.shape, x, y)
        better = inside & np.isfinite(low) & ~(deepest_low <= low)
        deepest_low = np.where(better, low, deepest_low)
        deepest_high = np.where(better, high, deepest_high)
    return deepest_low, deepest_high
