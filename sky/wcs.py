"""Pixels to ICRS and back, for any celestial WCS that wcslib knows; built once a header."""

import re
import warnings
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from astropy import units
from astropy.coordinates import ICRS, SkyCoord, UnitSphericalRepresentation
from astropy.io.fits import Header
from astropy.wcs import WCS, FITSFixedWarning
from astropy.wcs.utils import wcs_to_celestial_frame

from sky.fits import HeaderError

__all__ = ["FloatArray", "SkyProjection", "to_unit_vectors", "to_wcs_header"]

FloatArray = npt.NDArray[np.float64]

_WCS_CARD = re.compile(
    r"^(NAXIS[12]?|WCSAXES|(CTYPE|CRVAL|CRPIX|CDELT|CUNIT|CROTA)[12]|PC0?[12]_0?[12]|CD[12]_[12]"
    r"|PV[12]_\d+|LONPOLE|LATPOLE|RADESYS|RADECSYS|EQUINOX|EPOCH)$"
)
_STEP_PX = 0.5


def to_wcs_header(header: Header) -> str:
    """Return the cards that place the first two axes on the sky, newline separated."""
    cards = [card.image.rstrip() for card in header.cards if _WCS_CARD.match(card.keyword)]
    return "\n".join(card for card in cards if not card.startswith(("NAXIS ", "WCSAXES")))


def to_unit_vectors(ra: FloatArray, dec: FloatArray) -> FloatArray:
    """Return (3, n) unit vectors of positions [deg]."""
    ra_rad, dec_rad = np.radians(ra), np.radians(dec)
    cos_dec = np.cos(dec_rad)
    return np.stack([cos_dec * np.cos(ra_rad), cos_dec * np.sin(ra_rad), np.sin(dec_rad)])


def _to_angles(vectors: FloatArray) -> tuple[FloatArray, FloatArray]:
    x, y, z = vectors
    ra = np.degrees(np.arctan2(y, x)) % 360.0
    return ra, np.degrees(np.arctan2(z, np.hypot(x, y)))


class SkyProjection:
    """The sky seen by one image.

    Parameters
    ----------
    wcs_header : str
        As `to_wcs_header` made it.

    Raises
    ------
    HeaderError
        Code ``no_wcs`` if the axes are not celestial or the terms do not fit together.
    """

    def __init__(self, wcs_header: str) -> None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FITSFixedWarning)
                self._wcs = WCS(Header.fromstring(wcs_header, sep="\n"), naxis=2)
            if not self._wcs.has_celestial:
                raise ValueError("axes 1 and 2 are not a longitude and a latitude")  # noqa: TRY301
            self._lng, self._lat = int(self._wcs.wcs.lng), int(self._wcs.wcs.lat)
            frame = wcs_to_celestial_frame(self._wcs)
            self._to_icrs = _rotation_to_icrs(frame)
            # A singular CD or zero CDELT shows here.
            self._wcs.wcs_pix2world([[0.0, 0.0]], 0)
        except Exception as error:
            # wcslib has a dozen exception classes; each means: this header is no sky.
            raise HeaderError(
                "no_wcs",
                f"no usable celestial WCS ({error}); CTYPE1/2, CRVAL1/2, CRPIX1/2 and CDELT1/2 "
                "or a CD matrix are needed",
            ) from error

    @staticmethod
    @lru_cache(maxsize=64)
    def of(wcs_header: str) -> "SkyProjection":
        """Return the projection of a header, from the cache where it can be."""
        return SkyProjection(wcs_header)

    def to_sky(self, x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return ICRS positions [deg] of pixels (0-based); NaN outside the projection."""
        world = self._wcs.wcs_pix2world(np.stack([x, y], axis=-1).reshape(-1, 2), 0)
        vectors = to_unit_vectors(world[:, self._lng], world[:, self._lat])
        return _to_angles(self._to_icrs @ vectors)

    def to_pixel(self, ra: FloatArray, dec: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return pixels (0-based) of ICRS positions [deg]; NaN for the sky's far side."""
        lng, lat = _to_angles(self._to_icrs.T @ to_unit_vectors(ra, dec))
        world = np.empty((lng.size, 2))
        world[:, self._lng], world[:, self._lat] = lng, lat
        try:
            pixels = self._wcs.wcs_world2pix(world, 0)
        except Exception:  # noqa: BLE001  (wcslib gives up on the whole list for one bad point)
            pixels = np.array([self._one_pixel(each) for each in world])
        return pixels[:, 0], pixels[:, 1]

    def _one_pixel(self, world: FloatArray) -> FloatArray:
        try:
            return np.asarray(self._wcs.wcs_world2pix(world[None, :], 0)[0], dtype=np.float64)
        except Exception:  # noqa: BLE001
            return np.full(2, np.nan)

    def jacobian(self, x: FloatArray, y: FloatArray) -> FloatArray:
        """Return (n, 2, 2): east and north offset [deg] of a step of one pixel in x and y."""
        ra, dec = self.to_sky(x, y)
        result = np.empty((ra.size, 2, 2))
        east, north = _tangent(ra, dec)
        for axis, (dx, dy) in enumerate(((_STEP_PX, 0.0), (0.0, _STEP_PX))):
            ahead = to_unit_vectors(*self.to_sky(x + dx, y + dy))
            behind = to_unit_vectors(*self.to_sky(x - dx, y - dy))
            step = np.degrees(ahead - behind) / (2 * _STEP_PX)
            result[:, 0, axis] = np.sum(step * east, axis=0)
            result[:, 1, axis] = np.sum(step * north, axis=0)
        return result

    def pixel_scale_deg(self, shape: tuple[int, int]) -> float:
        """Return the side of a pixel at the image centre [deg]."""
        rows, columns = shape
        jacobian = self.jacobian(np.array([(columns - 1) / 2]), np.array([(rows - 1) / 2]))
        return float(np.sqrt(abs(np.linalg.det(jacobian[0]))))


def _tangent(ra: FloatArray, dec: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return (3, n) unit vectors to the east and to the north."""
    ra_rad, dec_rad = np.radians(ra), np.radians(dec)
    zero = np.zeros_like(ra_rad)
    east = np.stack([-np.sin(ra_rad), np.cos(ra_rad), zero])
    north = np.stack(
        [-np.sin(dec_rad) * np.cos(ra_rad), -np.sin(dec_rad) * np.sin(ra_rad), np.cos(dec_rad)]
    )
    return east, north


def _rotation_to_icrs(frame: object) -> FloatArray:
    """Return the matrix from `frame` to ICRS: FK5, galactic and ICRS are rotations of it.

    FK4 is one only up to the E-terms of aberration (0.3 arcsec over a field).
    """
    lng = np.array([0.0, 90.0, 0.0]) * units.deg
    lat = np.array([0.0, 0.0, 90.0]) * units.deg
    axes = SkyCoord(frame.realize_frame(UnitSphericalRepresentation(lng, lat)))  # type: ignore[attr-defined]
    rotated = np.asarray(axes.transform_to(ICRS()).cartesian.xyz.value, dtype=np.float64)
    # Nearest orthogonal matrix.
    left, _, right = np.linalg.svd(rotated)
    return np.ascontiguousarray(left @ right)
