"""Small angles on the sphere, also across RA 0h and at the poles."""

import math
import operator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sky.elementary_functions import arctan2, sin_cos

__all__ = [
    "ZONE_HEIGHT_DEG",
    "Probes",
    "in_probes",
    "merge_probes",
    "move",
    "move_in_plane",
    "probe_zones",
    "separation_deg",
    "tangent_offsets",
    "to_galactic",
    "to_positions",
    "to_unit_vectors",
    "zone_of",
]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

# Half a degree is the measured optimum at tens of sources per square degree.
ZONE_HEIGHT_DEG = 0.5
_TO_GALACTIC = (
    (-0.0548755604, -0.8734370902, -0.4838350155),
    (0.4941094279, -0.4448296300, 0.7469822445),
    (-0.8676661490, -0.1980763734, 0.4559837762),
)


def zone_of(dec: FloatArray) -> IntArray:
    """Return the declination zone of positions: floor(dec / 0.5 deg)."""
    return np.floor(np.asarray(dec) / ZONE_HEIGHT_DEG).astype(np.int64)


def _vectors(ra: FloatArray, dec: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    sin_ra, cos_ra = sin_cos(np.radians(ra))
    sin_dec, cos_dec = sin_cos(np.radians(dec))
    return cos_dec * cos_ra, cos_dec * sin_ra, sin_dec


def to_unit_vectors(ra: FloatArray, dec: FloatArray) -> FloatArray:
    """Return (3, n) unit vectors of positions [deg]."""
    return np.stack(_vectors(ra, dec))


def to_positions(x: FloatArray, y: FloatArray, z: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the positions of vectors of any length: right ascension in [0, 360) [deg]."""
    ra = np.degrees(arctan2(y, x)) % 360.0
    # x % 360 rounds tiny negative angles up to 360 itself.
    return np.where(ra >= 360.0, 0.0, ra), np.degrees(arctan2(z, np.hypot(x, y)))


def _vector_of(ra: float, dec: float) -> tuple[float, float, float]:
    """Return the unit vector of one position: the C library's functions, as `sin_cos` has them.

    A call of NumPy costs more than a position.
    """
    ra_rad, dec_rad = math.radians(ra), math.radians(dec)
    cos_dec = math.cos(dec_rad)
    return cos_dec * math.cos(ra_rad), cos_dec * math.sin(ra_rad), math.sin(dec_rad)


def separation_deg(ra: float, dec: float, ra_to: float, dec_to: float) -> float:
    """Return the angle between two positions, exact for small and for large ones [deg]."""
    x, y, z = _vector_of(ra, dec)
    x_to, y_to, z_to = _vector_of(ra_to, dec_to)
    u, v, w = y * z_to - z * y_to, z * x_to - x * z_to, x * y_to - y * x_to
    sine = math.sqrt(u * u + v * v + w * w)
    return math.degrees(math.atan2(sine, x * x_to + y * y_to + z * z_to))


def to_galactic(ra: float, dec: float) -> tuple[float, float]:
    """Return the galactic longitude, 0 to 360, and latitude of an ICRS position [deg].

    References
    ----------
    ESA (1997), The Hipparcos and Tycho Catalogues, vol. 1, eq. 1.5.11.
    """
    vector = _vector_of(ra, dec)
    x, y, z = (sum(map(operator.mul, row, vector)) for row in _TO_GALACTIC)
    longitude_deg = math.degrees(math.atan2(y, x)) % 360.0
    latitude_deg = math.degrees(math.atan2(z, math.hypot(x, y)))
    return 0.0 if longitude_deg >= 360.0 else longitude_deg, latitude_deg


def tangent_offsets(
    ra: FloatArray, dec: FloatArray, ra_to: FloatArray, dec_to: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return the offsets to the east and north of positions from others, in the tangent plane.

    For small separations this is (dRA cos dec, dDec); unlike that it holds at the poles and
    at RA 0h.

    Parameters
    ----------
    ra, dec : (n,) float64
        Reference positions [deg].
    ra_to, dec_to : (n,) float64
        Positions whose offsets are returned [deg].

    Returns
    -------
    east, north : (n,) float64
        Offsets [deg] (orthographic; relative error separation^2 / 6).
    """
    x, y, z = _vectors(ra_to, dec_to)
    sin_ra, cos_ra = sin_cos(np.radians(ra))
    sin_dec, cos_dec = sin_cos(np.radians(dec))
    east = -sin_ra * x + cos_ra * y
    north = -sin_dec * cos_ra * x - sin_dec * sin_ra * y + cos_dec * z
    return np.degrees(east), np.degrees(north)


def move(
    ra: FloatArray, dec: FloatArray, east_deg: FloatArray, north_deg: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return positions shifted by small tangent-plane offsets; RA in [0, 360)."""
    sin_ra, cos_ra = sin_cos(np.radians(ra))
    sin_dec, cos_dec = sin_cos(np.radians(dec))
    east, north = np.radians(east_deg), np.radians(north_deg)
    x = cos_dec * cos_ra - east * sin_ra - north * sin_dec * cos_ra
    y = cos_dec * sin_ra + east * cos_ra - north * sin_dec * sin_ra
    return to_positions(x, y, sin_dec + north * cos_dec)


@dataclass(frozen=True, slots=True)
class Probes:
    """Boxes for the index (zone, ra, dec): disjoint, so that no row is returned twice."""

    zone: IntArray
    ra_low: FloatArray
    ra_high: FloatArray
    dec_low: float
    dec_high: float


def probe_zones(ra: FloatArray, dec: FloatArray, radius_deg: float) -> Probes:
    """Return the index boxes that hold everything within a radius of any position.

    Parameters
    ----------
    ra, dec : (n,) float64
        Positions, n >= 1 [deg].
    radius_deg : float
        Search radius [deg].

    References
    ----------
    Gray, Nieto-Santisteban & Szalay (2006), MSR-TR-2006-52: zones; the RA range of a cap is
    atan(sin r / sqrt(abs(cos(dec - r) cos(dec + r)))).
    """
    low, high = dec - radius_deg, dec + radius_deg
    with np.errstate(divide="ignore", invalid="ignore"):
        cosines = sin_cos(np.radians(low))[1] * sin_cos(np.radians(high))[1]
        sine = sin_cos(np.radians(radius_deg))[0]
        width = np.degrees(arctan2(sine, np.sqrt(np.abs(cosines))))
    width = np.where((low <= -90) | (high >= 90), 180.0, width)
    first, last = zone_of(np.maximum(low, -90.0)), zone_of(np.minimum(high, 90.0))
    n_zones = last - first + 1
    number = np.repeat(np.arange(ra.size), n_zones)
    zone = (
        first[number] + np.arange(number.size) - np.repeat(np.cumsum(n_zones) - n_zones, n_zones)
    )
    at, half = ra[number] % 360.0, width[number]
    zone, start, end = _split_at_0h(zone, at - half, at + half)
    zone, start, end = _union(zone, start, end)
    return Probes(zone, start, end, float(np.min(low)), float(np.max(high)))


def _split_at_0h(
    zone: IntArray, start: FloatArray, end: FloatArray
) -> tuple[IntArray, FloatArray, FloatArray]:
    """Return the ranges of right ascension inside 0..360; one across 0h becomes two."""
    whole = end - start >= 360.0
    start, end = np.where(whole, 0.0, start), np.where(whole, 360.0, end)
    before, after = start < 0.0, end > 360.0
    return (
        np.concatenate([zone, zone[before], zone[after]]),
        np.concatenate([np.maximum(start, 0.0), start[before] + 360.0, np.zeros(after.sum())]),
        np.concatenate([np.minimum(end, 360.0), np.full(before.sum(), 360.0), end[after] - 360.0]),
    )


def _union(
    zone: IntArray, start: FloatArray, end: FloatArray
) -> tuple[IntArray, FloatArray, FloatArray]:
    """Return disjoint ranges that cover all of them, in order of zone and right ascension.

    Where the gap between two is no wider than the second, they become one: another index scan
    costs as much as the rows in between.
    """
    order = np.lexsort((start, zone))
    zone, start, end = zone[order], start[order], end[order]
    # Shift zones by a thousand degrees each: a range then never reaches the next zone.
    shift = 1000.0 * (zone - zone[0])
    reached = np.maximum.accumulate(end + shift)
    reaches_back = start[1:] - (end[1:] - start[1:]) + shift[1:]
    opens = np.flatnonzero(np.concatenate([[True], reaches_back > reached[:-1]]))
    return zone[opens], start[opens], np.maximum.reduceat(end, opens)


def merge_probes(probes: Probes, gap_deg: float) -> Probes:
    """Return fewer, longer boxes: those of a zone that a gap of at most `gap_deg` separates.

    Parameters
    ----------
    probes : Probes
        Disjoint, in order of zone and right ascension, as of `probe_zones`.
    gap_deg : float
        Gap of right ascension that is closed, not negative [deg].
    """
    is_new_zone = probes.zone[1:] != probes.zone[:-1]
    is_wide = probes.ra_low[1:] - probes.ra_high[:-1] > gap_deg
    first = np.flatnonzero(np.concatenate([[True], is_new_zone | is_wide]))
    last = np.append(first[1:], probes.zone.size) - 1
    return Probes(
        probes.zone[first],
        probes.ra_low[first],
        probes.ra_high[last],
        probes.dec_low,
        probes.dec_high,
    )


def in_probes(probes: Probes, ra: FloatArray, dec: FloatArray) -> BoolArray:
    """Return which positions are inside boxes, borders included, (n,) bool.

    Parameters
    ----------
    probes : Probes
        Disjoint, in order of zone and right ascension, at least one, as of `probe_zones`.
    ra, dec : (n,) float64
        Positions, right ascensions in [0, 360) [deg].
    """
    zone = zone_of(dec)
    # Exact for every number, unlike a sum of zone and right ascension.
    order = np.lexsort(
        (
            np.repeat([1, 0], [ra.size, probes.zone.size]),
            np.concatenate([ra, probes.ra_low]),
            np.concatenate([zone, probes.zone]),
        )
    )
    is_box = order >= ra.size
    before = np.empty(ra.size, np.int64)
    before[order[~is_box]] = (np.cumsum(is_box) - 1)[~is_box]
    box = np.maximum(before, 0)
    inside = (before >= 0) & (probes.zone[box] == zone) & (ra <= probes.ra_high[box])
    return np.asarray(inside & (dec >= probes.dec_low) & (dec <= probes.dec_high), np.bool_)


def move_in_plane(
    ra: FloatArray,
    dec: FloatArray,
    *,
    centre: tuple[float, float],
    offset_deg: tuple[float | FloatArray, float | FloatArray],
) -> tuple[FloatArray, FloatArray]:
    """Return positions shifted alike in the orthographic plane of a field, as pixels are.

    Parameters
    ----------
    ra, dec : (n,) float64
        Positions; those on the hemisphere beyond the centre's stay on it [deg].
    centre : (float, float)
        Right ascension and declination of the centre of the field [deg].
    offset_deg : pair of float or (n,) float64
        To the east and north at the centre [deg].

    Returns
    -------
    ra, dec : (n,) float64
        Right ascension in [0, 360) [deg].
    """
    x, y, z = _vectors(ra, dec)
    sin_ra, cos_ra = sin_cos(np.radians(centre[0]))
    sin_dec, cos_dec = sin_cos(np.radians(centre[1]))
    east = -sin_ra * x + cos_ra * y + np.radians(offset_deg[0])
    north = -sin_dec * cos_ra * x - sin_dec * sin_ra * y + cos_dec * z + np.radians(offset_deg[1])
    depth = cos_dec * cos_ra * x + cos_dec * sin_ra * y + sin_dec * z
    towards = np.copysign(np.sqrt(np.maximum(1.0 - east**2 - north**2, 0.0)), depth)
    x = towards * cos_dec * cos_ra - east * sin_ra - north * sin_dec * cos_ra
    y = towards * cos_dec * sin_ra + east * cos_ra - north * sin_dec * sin_ra
    z = towards * sin_dec + north * cos_dec
    return to_positions(x, y, z)
