"""Is a source new, or had nobody looked deep enough before?"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from schemas.messages import FloatArray
from sky.rms_grid import rms_bounds_at
from sky.wcs import SkyProjection

__all__ = ["EarlierLook", "Novelty", "judge_novelty"]


@dataclass(frozen=True, slots=True)
class EarlierLook:
    """An earlier image that may have covered a position."""

    wcs_header: str
    shape: tuple[int, int]
    rms_grid: FloatArray


@dataclass(frozen=True, slots=True)
class Novelty:
    """Why a source is new.

    Parameters
    ----------
    certainty : str
        ``certain`` where it would have been seen in the noisiest cell around the position,
        ``possible`` where only in the quietest.
    limit_jy_beam : float
        What the deepest earlier image would have detected there [Jy/beam].
    """

    certainty: str
    limit_jy_beam: float


def judge_novelty(
    ra: float,
    dec: float,
    flux_peak_jy_beam: float,
    *,
    looks: Sequence[EarlierLook],
    limit_sigma: float,
) -> Novelty | None:
    """Return why a source is new, or None.

    Parameters
    ----------
    ra, dec : float
        ICRS [deg].
    flux_peak_jy_beam : float
        [Jy/beam]
    looks : sequence of EarlierLook
        Deepest earlier images of the same band and Stokes parameter.
    limit_sigma : float
        Detection threshold plus margin [local rms].

    Returns
    -------
    Novelty or None
        None where no earlier image covered the place (never-seen sky is not new), or where
        the source may just have been below the noise.

    References
    ----------
    Swinbank et al. (2015), A&C 11, 25, section 4.6; here with the rms at the position, not
    the extremes of the whole image.
    """
    deepest: tuple[float, float] | None = None
    for look in looks:
        x, y = SkyProjection.of(look.wcs_header).to_pixel(np.array([ra]), np.array([dec]))
        low, high = rms_bounds_at(look.rms_grid, look.shape, x, y)
        if np.isfinite(low[0]) and (deepest is None or low[0] < deepest[0]):
            deepest = float(low[0]), float(high[0])
    if deepest is None or flux_peak_jy_beam <= limit_sigma * deepest[0]:
        return None
    certain = flux_peak_jy_beam > limit_sigma * deepest[1]
    return Novelty("certain" if certain else "possible", limit_sigma * deepest[0])
