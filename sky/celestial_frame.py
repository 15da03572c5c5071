"""The coordinates of a celestial WCS, as astropy knows them: a second of CPU time to import."""

import numpy as np
import numpy.typing as npt
from astropy import units
from astropy.coordinates import FK4, ICRS, ITRS, FK4NoETerms, SkyCoord, UnitSphericalRepresentation
from astropy.io.fits import Header
from astropy.wcs import WCS
from astropy.wcs.utils import wcs_to_celestial_frame

from sky.header.cards import quiet_astropy
from sky.small_matrices import products

__all__ = ["Fk4", "find_frame", "parse_wcs"]

FloatArray = npt.NDArray[np.float64]


def parse_wcs(wcs_header: str) -> WCS:
    """Return the WCS of cards, newline separated; astropy's and wcslib's exceptions come through.

    Raises
    ------
    ValueError
        If the axes are not celestial.
    """
    with quiet_astropy():
        wcs = WCS(Header.fromstring(wcs_header, sep="\n"), naxis=2)
    if not wcs.has_celestial:
        raise ValueError("axes 1 and 2 are not a longitude and a latitude")
    return wcs


def find_frame(wcs: WCS) -> "tuple[FloatArray, Fk4 | None]":
    """Return (3, 3): the rotation to ICRS; and the frame, if it is no rotation of ICRS.

    Raises
    ------
    ValueError
        If the axes are those of no sky that is known.
    """
    frame = wcs_to_celestial_frame(wcs)
    if isinstance(frame, ITRS):
        raise ValueError("axes 1 and 2 are a longitude and a latitude on Earth")  # noqa: TRY004
    # The E-terms of aberration make FK4 no rotation of ICRS.
    fk4 = Fk4(frame) if isinstance(frame, (FK4, FK4NoETerms)) else None
    return _rotation_to_icrs(frame), fk4


class Fk4:
    """Positions of FK4 to ICRS and back.

    Parameters
    ----------
    frame : astropy.coordinates.FK4 or FK4NoETerms
        With its equinox.
    """

    def __init__(self, frame: FK4 | FK4NoETerms) -> None:
        self._frame = frame

    def to_icrs(self, lng: FloatArray, lat: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return ICRS positions [deg] of FK4 ones; NaN stays NaN."""
        points = UnitSphericalRepresentation(lng * units.deg, lat * units.deg)
        icrs = SkyCoord(self._frame.realize_frame(points)).icrs
        return np.asarray(icrs.ra.deg), np.asarray(icrs.dec.deg)

    def from_icrs(self, ra: FloatArray, dec: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return FK4 positions [deg] of ICRS ones; NaN stays NaN."""
        fk4 = SkyCoord(ra * units.deg, dec * units.deg).transform_to(self._frame)
        return np.asarray(fk4.ra.deg), np.asarray(fk4.dec.deg)


def _rotation_to_icrs(frame: object) -> FloatArray:
    """Return the matrix from `frame` to ICRS: FK5, galactic and ICRS are rotations of it."""
    lng = np.array([0.0, 90.0, 0.0]) * units.deg
    lat = np.array([0.0, 0.0, 90.0]) * units.deg
    axes = SkyCoord(frame.realize_frame(UnitSphericalRepresentation(lng, lat)))  # type: ignore[attr-defined]
    rotated = np.asarray(axes.transform_to(ICRS()).cartesian.xyz.value, dtype=np.float64)
    # Nearest orthogonal matrix: a step of Newton's method, as astropy's is one but for rounding.
    square = products(rotated.T, rotated)
    return np.ascontiguousarray(products(rotated, 1.5 * np.eye(3) - 0.5 * square))
