"""Which measurement belongs to which source: the De Ruiter radius, and how ties are resolved."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sky.geometry import tangent_offsets, to_unit_vectors
from sky.neighbours import pairs_within

__all__ = ["Links", "Positions", "find_pairs", "is_first_of_each", "resolve"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Positions:
    """Positions with their errors, systematics included; all (n,) float64 [deg]."""

    ra: FloatArray
    dec: FloatArray
    east_err: FloatArray
    north_err: FloatArray


@dataclass(frozen=True, slots=True)
class Links:
    """Pairs of detection and source; (k,) each."""

    detection: IntArray
    source: IntArray
    de_ruiter_radius: FloatArray

    def select(self, mask: BoolArray | IntArray) -> "Links":
        """Return the pairs of a mask or index."""
        return Links(self.detection[mask], self.source[mask], self.de_ruiter_radius[mask])


def find_pairs(
    detections: Positions, sources: Positions, *, de_ruiter_limit: float, distance_limit_deg: float
) -> Links:
    """Return every pair that is close enough on the sky and in units of its errors.

    A position without a finite, positive error matches nothing.

    References
    ----------
    De Ruiter, Willis & Arp (1977), A&AS 28, 211; Scheers (2011), PhD thesis, eq. 3.4.
    """
    nothing = Links(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
    if not detections.ra.size or not sources.ra.size:
        return nothing
    usable_detections, usable_sources = _usable(detections), _usable(sources)
    if not usable_detections.size or not usable_sources.size:
        return nothing
    near = _near(detections, sources, usable_detections, usable_sources, distance_limit_deg)
    detection, source = usable_detections[near[0]], usable_sources[near[1]]
    east, north = tangent_offsets(
        sources.ra[source],
        sources.dec[source],
        detections.ra[detection],
        detections.dec[detection],
    )
    radius = np.sqrt(
        east**2 / (detections.east_err[detection] ** 2 + sources.east_err[source] ** 2)
        + north**2 / (detections.north_err[detection] ** 2 + sources.north_err[source] ** 2)
    )
    return Links(detection, source, radius).select(radius < de_ruiter_limit)


def _usable(positions: Positions) -> IntArray:
    errors = np.stack([positions.east_err, positions.north_err])
    return np.nonzero(np.all(np.isfinite(errors) & (errors > 0), axis=0))[0]


def _near(
    detections: Positions,
    sources: Positions,
    usable_detections: IntArray,
    usable_sources: IntArray,
    limit_deg: float,
) -> tuple[IntArray, IntArray]:
    """Return the pairs within a distance, as positions in the two lists of usable ones."""
    chord = 2 * float(np.sin(np.radians(min(limit_deg, 180.0)) / 2))
    return pairs_within(
        to_unit_vectors(detections.ra[usable_detections], detections.dec[usable_detections]).T,
        to_unit_vectors(sources.ra[usable_sources], sources.dec[usable_sources]).T,
        chord,
    )


def resolve(pairs: Links) -> tuple[Links, Links]:
    """Decide which pairs hold.

    Parameters
    ----------
    pairs : Links
        All candidate pairs, in any order.

    Returns
    -------
    kept : Links
        Pairs that hold. A source comes at most once in each role below, so 1-1 and n-1 (one
        measurement, several sources: it belongs to all of them, the nearest first).
    split : Links
        Detections that lost their source to a nearer one (1-n): each creates a source of its
        own, whose parent is that source.

    Notes
    -----
    n-m is reduced first: where a detection has several sources and one of those has several
    detections, the detection keeps its nearest source only. Order is by (De Ruiter radius,
    detection, source), so an exact tie is decided by number and not by arrival.
    """
    order = np.lexsort((pairs.source, pairs.detection, pairs.de_ruiter_radius))
    pairs = pairs.select(order)
    pairs = pairs.select(~_is_many_to_many(pairs) | is_first_of_each(pairs.detection))
    nearest = is_first_of_each(pairs.source)
    lost = ~nearest & ~_is_among(pairs.detection, pairs.detection[nearest])
    split = pairs.select(lost)
    return pairs.select(nearest), split.select(is_first_of_each(split.detection))


def is_first_of_each(numbers: IntArray) -> BoolArray:
    """Return a mask of the first occurrence of each number, (n,); none is negative."""
    place = np.arange(numbers.size)
    first = np.zeros(numbers.max(initial=-1) + 1, np.int64)
    first[numbers[::-1]] = place[::-1]  # of equal numbers the last assignment holds
    return np.asarray(first[numbers] == place, np.bool_)


def _is_among(numbers: IntArray, chosen: IntArray) -> BoolArray:
    """Return which numbers are chosen ones; all chosen ones are among them."""
    is_chosen = np.zeros(numbers.max(initial=-1) + 1, np.bool_)
    is_chosen[chosen] = True
    return is_chosen[numbers]


def _is_many_to_many(pairs: Links) -> BoolArray:
    """Return a mask of pairs whose detection has several sources, one of them contested."""
    contested = _counts(pairs.source)[pairs.source] > 1
    shared = _counts(pairs.detection)[pairs.detection] > 1
    return shared & _is_among(pairs.detection, pairs.detection[contested])


def _counts(numbers: IntArray) -> IntArray:
    return np.bincount(numbers) if numbers.size else np.zeros(0, np.int64)
