"""Pixels to ICRS and back, for any celestial WCS that wcslib knows; built once a header."""

import re
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt
from astropy import units
from astropy.coordinates import FK4, ICRS, FK4NoETerms, SkyCoord, UnitSphericalRepresentation
from astropy.io.fits import Header
from astropy.wcs import WCS
from astropy.wcs.utils import wcs_to_celestial_frame

from sky.geometry import to_unit_vectors
from sky.header.cards import Cards, quiet_astropy
from sky.header.errors import HeaderError

__all__ = ["FloatArray", "SkyProjection", "to_wcs_header"]

FloatArray = npt.NDArray[np.float64]

_TEXT_CARD = re.compile(r"^(CTYPE[12]|CUNIT[12]|RADESYS|RADECSYS)$")
_NUMBER_CARD = re.compile(
    r"^((CRVAL|CRPIX|CDELT|CROTA)[12]|PC0?[12]_0?[12]|PC00[12]00[12]|CD[12]_[12]|PV[12]_\d+"
    r"|[AB]P?_ORDER|[AB]P?_\d+_\d+|LONPOLE|LATPOLE|EQUINOX|EPOCH)$"
)
_NAXIS_CARD = re.compile(r"^NAXIS[12]$")
_NEEDED = ("CTYPE1", "CTYPE2", "CRVAL1", "CRVAL2", "CRPIX1", "CRPIX2")
_MATRIX = ("CD1_1", "CD1_2", "CD2_1", "CD2_2")
# Distortions in a table of another HDU.
_TABLE_CARDS = ("CPDIS1", "CPDIS2", "CQDIS1", "CQDIS2", "D2IMDIS1", "D2IMDIS2")
# Equinoxes as some write them, in quotes.
_EQUINOX = re.compile(r"^[JB] ?(\d{4}(?:\.\d*)?)$", re.IGNORECASE)
_UNITS = {
    "deg": "deg", "degree": "deg", "degrees": "deg", "degs": "deg",
    "rad": "rad", "radian": "rad", "radians": "rad",
    "arcsec": "arcsec", "arcsecond": "arcsec", "arcseconds": "arcsec",
    "arcmin": "arcmin", "arcminute": "arcmin", "arcminutes": "arcmin",
}  # fmt: skip
# Names of systems by their equinox.
_SYSTEMS = {"J2000": "FK5", "B1950": "FK4"}
# Projections onto a plane at the reference position.
_ZENITHAL = ("SIN", "TAN", "ARC", "ZEA", "STG", "NCP", "AZP", "SZP", "ZPN", "AIR", "TPV")
_STEP_PX = 0.5


@quiet_astropy()
def to_wcs_header(header: Header) -> str:
    """Return the cards that place the first two axes on the sky, newline separated.

    Raises
    ------
    HeaderError
        Code ``no_wcs`` if a card is missing that has no default, ``bad_header`` if one cannot be
        read.
    """
    cards = Cards(header)
    _refuse_missing(cards)
    kept: dict[str, float | str] = {}
    for name in dict.fromkeys(header):
        if _NUMBER_CARD.match(name) or _NAXIS_CARD.match(name):
            kept[name] = _number_of(cards, header, name)
        elif _TEXT_CARD.match(name) and (text := cards.required_text(name)) is not None:
            kept[name] = _to_standard(name, text)
    return _to_text(tuple(kept), *kept.values())


# A stream has few different projections. Typed: the number 1 is written as such, and 1.0, too.
@lru_cache(maxsize=64, typed=True)
def _to_text(names: tuple[str, ...], *values: float | str) -> str:
    header = Header(zip(names, values, strict=True))
    return str(header.tostring(sep="\n", endcard=False, padding=False))


def _to_standard(name: str, text: str) -> str:
    """Return a text in the spelling of the standard."""
    if name.startswith("CUNIT"):
        return _UNITS.get(text.lower(), text)
    return text if name.startswith("CTYPE") else _SYSTEMS.get(text.upper(), text.upper())


def _number_of(cards: Cards, header: Header, name: str) -> float | int:
    """Return a card's number; whole numbers stay so, and none loses a digit."""
    if name in ("EQUINOX", "EPOCH") and (match := _EQUINOX.match(cards.text(name) or "")):
        return float(match[1])
    number = cards.required_number(name)
    if number is None:
        raise cards.unreadable(name, "a finite number")
    value = header[name]
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return number + 0.0  # zero has no sign


def _refuse_missing(cards: Cards) -> None:
    missing = [name for name in _NEEDED if name not in cards]
    if not any(name in cards for name in _MATRIX):
        missing += [name for name in ("CDELT1", "CDELT2") if name not in cards]
    if missing:
        raise HeaderError(
            "no_wcs",
            f"no usable celestial WCS: {', '.join(missing)} missing; CTYPE1/2, CRVAL1/2, CRPIX1/2 "
            "and CDELT1/2 or a CD matrix are needed",
        )
    tables = [name for name in _TABLE_CARDS if name in cards]
    if tables:
        raise HeaderError(
            "no_wcs",
            f"{tables[0]} asks for a distortion table in another HDU, which is not supported; "
            "write the distortion as SIP or PV cards",
        )


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
        self._pixel_scale_deg: dict[tuple[int, int], float] = {}
        try:
            with quiet_astropy():
                self._wcs = WCS(Header.fromstring(wcs_header, sep="\n"), naxis=2)
            if not self._wcs.has_celestial:
                raise ValueError("axes 1 and 2 are not a longitude and a latitude")  # noqa: TRY301
            self._lng, self._lat = int(self._wcs.wcs.lng), int(self._wcs.wcs.lat)
            frame = wcs_to_celestial_frame(self._wcs)
            # The E-terms of aberration make FK4 no rotation of ICRS.
            self._fk4 = frame if isinstance(frame, (FK4, FK4NoETerms)) else None
            self._to_icrs = _rotation_to_icrs(frame)
            self._is_distorted = self._wcs.sip is not None
            # A singular CD or zero CDELT shows here.
            self._wcs.wcs_pix2world([[0.0, 0.0]], 0)
        except Exception as error:
            # wcslib has a dozen exception classes; each means: this header is no sky.
            raise HeaderError(
                "no_wcs",
                f"no usable celestial WCS ({' '.join(str(error).split())}); check CTYPE1/2, "
                "CRVAL1/2, CRPIX1/2, CUNIT1/2 and CDELT1/2 or the CD matrix",
            ) from error

    @staticmethod
    @lru_cache(maxsize=64)
    def of(wcs_header: str) -> "SkyProjection":
        """Return the projection of a header, from the cache where it can be."""
        return SkyProjection(wcs_header)

    def to_sky(self, x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return ICRS positions [deg] of pixels (0-based); NaN outside the projection."""
        pixels = np.stack([x, y], axis=-1).reshape(-1, 2)
        convert = self._wcs.all_pix2world if self._is_distorted else self._wcs.wcs_pix2world
        world = convert(pixels, 0)
        if self._fk4 is not None:
            return _from_fk4(self._fk4, world[:, self._lng], world[:, self._lat])
        vectors = to_unit_vectors(world[:, self._lng], world[:, self._lat])
        return _to_angles(self._to_icrs @ vectors)

    def to_pixel(self, ra: FloatArray, dec: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return pixels (0-based) of ICRS positions [deg]; NaN for the sky's far side."""
        if self._fk4 is not None:
            lng, lat = _to_fk4(self._fk4, ra, dec)
        else:
            lng, lat = _to_angles(self._to_icrs.T @ to_unit_vectors(ra, dec))
        world = np.empty((lng.size, 2))
        world[:, self._lng], world[:, self._lat] = lng, lat
        try:
            pixels = self._to_pixels(world)
        except Exception:  # noqa: BLE001  (wcslib gives up on the whole list for one bad point)
            pixels = np.array([self._one_pixel(each) for each in world])
        return pixels[:, 0], pixels[:, 1]

    def _to_pixels(self, world: FloatArray) -> FloatArray:
        if self._is_distorted:
            pixels = self._wcs.all_world2pix(world, 0, quiet=True)
        else:
            pixels = self._wcs.wcs_world2pix(world, 0)
        return np.asarray(pixels, dtype=np.float64)

    def _one_pixel(self, world: FloatArray) -> FloatArray:
        try:
            return np.asarray(self._to_pixels(world[None, :])[0])
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

    @cached_property
    def reference_matrix(self) -> FloatArray | None:
        """Return (2, 2): east and north offset [deg] of a step of one pixel at CRPIX.

        They count in the tangent plane of the reference position, which is well defined at the
        poles, too. None for projections that are not zenithal: they have no such plane.

        References
        ----------
        Calabretta & Greisen (2002), A&A 395, 1077, equations 2, 12 and 13.
        """
        wcs = self._wcs.wcs
        if wcs.ctype[self._lng][5:8] not in _ZENITHAL:
            return None
        rows = self._wcs.pixel_scale_matrix[[self._lng, self._lat]]
        # The celestial pole is at native longitude LONPOLE, which is 180 where north is up.
        pole = np.radians(wcs.lonpole)
        to_east = -rows[0] * np.cos(pole) - rows[1] * np.sin(pole)
        to_north = rows[0] * np.sin(pole) - rows[1] * np.cos(pole)
        return np.stack([to_east, to_north])

    def pixel_scale_deg(self, shape: tuple[int, int]) -> float:
        """Return the side of a pixel at the image centre [deg]."""
        if shape not in self._pixel_scale_deg:
            rows, columns = shape
            jacobian = self.jacobian(np.array([(columns - 1) / 2]), np.array([(rows - 1) / 2]))
            with np.errstate(all="ignore"):  # a centre beyond the projection gives NaN
                self._pixel_scale_deg[shape] = float(np.sqrt(abs(np.linalg.det(jacobian[0]))))
        return self._pixel_scale_deg[shape]


def _tangent(ra: FloatArray, dec: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return (3, n) unit vectors to the east and to the north."""
    ra_rad, dec_rad = np.radians(ra), np.radians(dec)
    zero = np.zeros_like(ra_rad)
    east = np.stack([-np.sin(ra_rad), np.cos(ra_rad), zero])
    north = np.stack(
        [-np.sin(dec_rad) * np.cos(ra_rad), -np.sin(dec_rad) * np.sin(ra_rad), np.cos(dec_rad)]
    )
    return east, north


def _from_fk4(
    frame: FK4 | FK4NoETerms, lng: FloatArray, lat: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return ICRS positions [deg] of FK4 ones; NaN stays NaN."""
    points = UnitSphericalRepresentation(lng * units.deg, lat * units.deg)
    icrs = SkyCoord(frame.realize_frame(points)).icrs
    return np.asarray(icrs.ra.deg), np.asarray(icrs.dec.deg)


def _to_fk4(
    frame: FK4 | FK4NoETerms, ra: FloatArray, dec: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return FK4 positions [deg] of ICRS ones; NaN stays NaN."""
    fk4 = SkyCoord(ra * units.deg, dec * units.deg).transform_to(frame)
    return np.asarray(fk4.ra.deg), np.asarray(fk4.dec.deg)


def _rotation_to_icrs(frame: object) -> FloatArray:
    """Return the matrix from `frame` to ICRS: FK5, galactic and ICRS are rotations of it."""
    lng = np.array([0.0, 90.0, 0.0]) * units.deg
    lat = np.array([0.0, 0.0, 90.0]) * units.deg
    axes = SkyCoord(frame.realize_frame(UnitSphericalRepresentation(lng, lat)))  # type: ignore[attr-defined]
    rotated = np.asarray(axes.transform_to(ICRS()).cartesian.xyz.value, dtype=np.float64)
    # Nearest orthogonal matrix.
    left, _, right = np.linalg.svd(rotated)
    return np.ascontiguousarray(left @ right)
