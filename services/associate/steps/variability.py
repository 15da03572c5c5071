"""Variability of one source: over all of its points, and over the blind ones alone."""

from collections.abc import Iterable
from dataclasses import dataclass

from services.associate.models.catalogue import RowArray
from sky.statistics import eta, merge_moments, v

__all__ = ["Variability", "find_variability"]


@dataclass(frozen=True, slots=True)
class Variability:
    """eta and V of a source [-], each pair in the channel where its eta is largest.

    None where no channel has two points. Of integrated fluxes, and of peak fluxes (`peak`); forced
    points included, except in `blind`.

    References
    ----------
    Swinbank et al. (2015), A&C 11, 25, section 4.8.
    """

    eta: float | None
    v: float | None
    eta_peak: float | None
    v_peak: float | None
    eta_blind: float | None
    v_blind: float | None
    eta_peak_blind: float | None
    v_peak_blind: float | None


def find_variability(channels: Iterable[tuple[RowArray, RowArray, RowArray]]) -> Variability:
    """Return the variability of one source.

    Parameters
    ----------
    channels : iterable of 3 structured arrays
        By channel: its statistics (1,) of the integrated and of the peak flux of the blind points,
        and of the forced points, as of `sky.statistics.new_moments`.
    """
    rows = list(channels)
    pairs = (
        _largest(merge_moments(integrated, forced) for integrated, _, forced in rows),
        _largest(merge_moments(peak, forced) for _, peak, forced in rows),
        _largest(integrated for integrated, _, _ in rows),
        _largest(peak for _, peak, _ in rows),
    )
    return Variability(*(value for pair in pairs for value in pair))


def _largest(channels: Iterable[RowArray]) -> tuple[float, float] | tuple[None, None]:
    """Return eta and V of the channel of the largest eta; the first one of a tie."""
    found = [(float(eta(each)[0]), float(v(each)[0])) for each in channels if each["n"][0] > 1]
    return max(found, key=lambda pair: pair[0], default=(None, None))
