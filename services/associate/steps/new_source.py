"""The new-source test: whether an earlier image would have detected a source."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from schemas.messages import FloatArray, IntArray
from services.associate.models.evidence import PriorCoverage
from sky.margin import is_searched
from sky.rms_grid import rms_bounds_at
from sky.wcs import SkyProjection

__all__ = ["LowestLimits", "find_lowest_limits"]


@dataclass(frozen=True, slots=True)
class LowestLimits:
    """What the deepest earlier image would have detected at positions; (n,) each.

    Parameters
    ----------
    low, high : (n,) float64
        Limits with the smallest and with the largest rms of the grid cells around each position
        [Jy/beam]; NaN where no earlier image has searched: a source there may have been there
        before.
    prior : (n,) int64
        Number of that image; -1 where there is none.
    """

    low: FloatArray
    high: FloatArray
    prior: IntArray


def find_lowest_limits(
    ra: FloatArray,
    dec: FloatArray,
    prior_coverage: Sequence[PriorCoverage],
    *,
    sigma_margin: float,
    default_threshold_sigma: float,
) -> LowestLimits:
    """Return the fluxes that the deepest earlier image would have detected at positions.

    A source is certainly new above the larger of the two, possibly new above the smaller
    (Swinbank et al. 2015, A&C 11, 25, section 4.6; here with the rms at the position, not the
    extremes of the whole image). As in TraP, each earlier image counts with the threshold that
    it was searched with, whatever the threshold of today is.

    Parameters
    ----------
    ra, dec : (n,) float64
        ICRS [deg].
    prior_coverage : sequence of PriorCoverage
        Deepest earlier images of the same band and Stokes parameter.
    sigma_margin : float
        Added to the threshold of each image [sigma].
    default_threshold_sigma : float
        Threshold of an image without a stored one [sigma].

    Returns
    -------
    LowestLimits
        Of each position.
    """
    lowest, highest = np.full(ra.size, np.nan), np.full(ra.size, np.nan)
    deepest = np.full(ra.size, -1, np.int64)
    for number, prior in enumerate(prior_coverage):
        threshold_sigma = prior.detection_threshold_sigma
        if threshold_sigma is None:
            threshold_sigma = default_threshold_sigma
        x, y = SkyProjection.of(prior.wcs_header).to_pixel(ra, dec)
        inside = is_searched(prior.shape, x, y, prior.margin_px)
        low, high = (
            (threshold_sigma + sigma_margin) * rms
            for rms in rms_bounds_at(prior.rms_grid, prior.shape, x, y)
        )
        better = inside & np.isfinite(low) & ~(lowest <= low)
        lowest = np.where(better, low, lowest)
        highest = np.where(better, high, highest)
        deepest[better] = number
    return LowestLimits(lowest, highest, deepest)
