"""Regions of the sky as the IVOA writes them: circles, ranges of coordinates and polygons."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sky.geometry import to_unit_vectors
from sky.plain_numbers import parse_number

__all__ = ["Circle", "Polygon", "Range", "Region", "RegionError", "parse_region"]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

MAX_CHARS = 4000
MAX_VERTICES = 64
_SHAPES = "CIRCLE ra dec radius, RANGE ra1 ra2 dec1 dec2 or POLYGON ra1 dec1 ra2 dec2 ra3 dec3 ..."
_SAMPLES = 512
# A position on the border is inside.
_ROUNDING = 1e-12


class RegionError(ValueError):
    """A text is no region; the message says what is wrong."""


@dataclass(frozen=True, slots=True)
class Circle:
    """A circle: centre and radius, ICRS [deg]."""

    ra: float
    dec: float
    radius_deg: float

    def contains(self, ra: FloatArray, dec: FloatArray) -> BoolArray:
        """Return which positions [deg] are inside."""
        apart = to_unit_vectors(ra, dec) - _vector(self.ra, self.dec)[:, None]
        limit = 2 * math.sin(math.radians(min(self.radius_deg, 180.0)) / 2)
        return np.asarray(np.linalg.norm(apart, axis=0) <= limit + _ROUNDING)

    def border(self) -> tuple[FloatArray, FloatArray]:
        """Return positions on it and its centre [deg]."""
        angle = np.linspace(0, 2 * math.pi, _SAMPLES, endpoint=False)
        radius, dec = math.radians(self.radius_deg), math.radians(self.dec)
        north, up = np.sin(radius) * np.cos(angle), math.cos(radius)
        z = np.clip(up * math.sin(dec) + north * math.cos(dec), -1, 1)
        east = np.sin(radius) * np.sin(angle)
        x = up * math.cos(dec) - north * math.sin(dec)
        ra = (self.ra + np.degrees(np.arctan2(east, x))) % 360.0
        return np.append(ra, self.ra), np.append(np.degrees(np.arcsin(z)), self.dec)


@dataclass(frozen=True, slots=True)
class Range:
    """Right ascensions and declinations between limits, ICRS [deg]."""

    ra_low: float
    ra_high: float
    dec_low: float
    dec_high: float

    def contains(self, ra: FloatArray, dec: FloatArray) -> BoolArray:
        """Return which positions [deg] are inside."""
        within_ra = (ra >= self.ra_low) & (ra <= self.ra_high)
        return within_ra & (dec >= self.dec_low) & (dec <= self.dec_high)

    def border(self) -> tuple[FloatArray, FloatArray]:
        """Return positions on its sides [deg]."""
        along = np.linspace(0, 1, _SAMPLES)
        ra = self.ra_low + along * (self.ra_high - self.ra_low)
        dec = self.dec_low + along * (self.dec_high - self.dec_low)
        ends = np.full(_SAMPLES, 1.0)
        return (
            np.concatenate([ra, ra, ends * self.ra_low, ends * self.ra_high]),
            np.concatenate([ends * self.dec_low, ends * self.dec_high, dec, dec]),
        )


@dataclass(frozen=True, slots=True)
class Polygon:
    """A convex polygon of great circles.

    Parameters
    ----------
    vertices : tuple of (float, float)
        ICRS [deg], counterclockwise as seen from within the sphere's centre outwards.
    """

    vertices: tuple[tuple[float, float], ...]

    def contains(self, ra: FloatArray, dec: FloatArray) -> BoolArray:
        """Return which positions [deg] are inside."""
        corners = _vectors(self.vertices)
        normals = np.cross(corners, np.roll(corners, -1, axis=0))
        return np.asarray((normals @ to_unit_vectors(ra, dec) >= -_ROUNDING).all(axis=0))

    def border(self) -> tuple[FloatArray, FloatArray]:
        """Return positions on its sides [deg]."""
        corners = _vectors(self.vertices)
        along = np.linspace(0, 1, _SAMPLES, endpoint=False)[:, None]
        sides = [
            start + along * (end - start)
            for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True)
        ]
        x, y, z = np.concatenate(sides).T
        return np.degrees(np.arctan2(y, x)) % 360.0, np.degrees(np.arctan2(z, np.hypot(x, y)))


Region = Circle | Range | Polygon


def parse_region(text: str) -> Region:
    """Return the region of a text such as ``CIRCLE 123.4 10.5 0.5``.

    Raises
    ------
    RegionError
        If it is none.

    References
    ----------
    Dowler et al. (2017), DALI 1.1, section 3.3.5; Dowler et al. (2015), SIA 2.0, section 2.1.1.
    """
    if len(text) > MAX_CHARS:
        raise RegionError(f"longer than {MAX_CHARS} characters")
    shape, *words = text.split() or [""]
    if shape.upper() not in _BUILDERS:
        raise RegionError(f"{shape[:40]!r} is no shape; write {_SHAPES}")
    return _BUILDERS[shape.upper()]([_to_number(word) for word in words])


def _to_number(word: str) -> float:
    try:
        value = parse_number(word)
    except ValueError:
        raise RegionError(f"{word[:40]!r} is no number of degrees") from None
    if math.isnan(value):
        raise RegionError("NaN is no number of degrees")
    return value


def _check(name: str, value: float, low: float, high: float) -> float:
    if not low <= value <= high:
        raise RegionError(f"{name}: {value:g} is not within {low:g} to {high:g} degrees")
    return value


def _to_circle(values: Sequence[float]) -> Circle:
    if len(values) != 3:
        raise RegionError(f"CIRCLE has 3 numbers, ra dec radius; {len(values)} are given")
    ra, dec, radius_deg = values
    return Circle(
        _check("ra", ra, 0, 360), _check("dec", dec, -90, 90), _check("radius", radius_deg, 0, 180)
    )


def _to_range(values: Sequence[float]) -> Range:
    if len(values) != 4:
        raise RegionError(f"RANGE has 4 numbers, ra1 ra2 dec1 dec2; {len(values)} are given")
    ra_low, dec_low = max(values[0], 0.0), max(values[2], -90.0)
    ra_high, dec_high = min(values[1], 360.0), min(values[3], 90.0)
    if not (values[0] <= values[1] and values[2] <= values[3]):
        raise RegionError("RANGE: write the lower limit before the upper one")
    if ra_low > ra_high or dec_low > dec_high:
        raise RegionError("RANGE: right ascensions are 0 to 360, declinations -90 to 90 degrees")
    return Range(ra_low, ra_high, dec_low, dec_high)


def _to_polygon(values: Sequence[float]) -> Polygon:
    if len(values) % 2 or not 3 <= len(values) // 2 <= MAX_VERTICES:
        raise RegionError(f"POLYGON has 3 to {MAX_VERTICES} pairs of numbers, ra dec")
    pairs = zip(values[::2], values[1::2], strict=True)
    vertices = tuple((_check("ra", ra, 0, 360), _check("dec", dec, -90, 90)) for ra, dec in pairs)
    for ordered in (vertices, vertices[::-1]):
        if _is_convex(ordered):
            return Polygon(ordered)
    raise RegionError("POLYGON: it is not convex, or has no area; write a POS for each part of it")


def _is_convex(vertices: Sequence[tuple[float, float]]) -> bool:
    """Return whether every vertex is on the left of every side, and no side turns back."""
    corners = _vectors(vertices)
    ahead = np.roll(corners, -1, axis=0)
    normals = np.cross(corners, ahead)
    sides = normals @ corners.T
    turns = np.einsum("ij,ij->i", normals, np.roll(corners, -2, axis=0))
    # A star turns left everywhere, too, but has vertices on the right of some sides.
    return bool((sides >= -_ROUNDING).all() and (turns > _ROUNDING).any())


def _vector(ra: float, dec: float) -> FloatArray:
    return np.asarray(to_unit_vectors(np.array([ra]), np.array([dec])))[:, 0]


def _vectors(vertices: Sequence[tuple[float, float]]) -> FloatArray:
    ra, dec = np.array(vertices, np.float64).T
    return np.asarray(to_unit_vectors(ra, dec)).T


_BUILDERS: dict[str, Callable[[Sequence[float]], Region]] = {
    "CIRCLE": _to_circle,
    "RANGE": _to_range,
    "POLYGON": _to_polygon,
}
