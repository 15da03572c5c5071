"""Pixels to ICRS and back, for any celestial WCS that wcslib knows; built once a header."""

import re
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt

from sky.elementary_functions import sin_cos
from sky.geometry import to_positions, to_unit_vectors
from sky.header.errors import HeaderError
from sky.small_matrices import determinants, products

__all__ = ["FloatArray", "SkyProjection", "preload"]

FloatArray = npt.NDArray[np.float64]

# Projections onto a plane at the reference position.
_ZENITHAL = ("SIN", "TAN", "ARC", "ZEA", "STG", "NCP", "AZP", "SZP", "ZPN", "AIR", "TPV")
_STEP_PX = 0.5
# A place, and a step ahead and back from it on each axis.
_PLACES = ((0.0, 0.0), (_STEP_PX, 0.0), (0.0, _STEP_PX), (-_STEP_PX, 0.0), (0.0, -_STEP_PX))
# wcslib says in which line of its own source it noticed what is wrong with a header.
_IN_WCSLIB = re.compile(r"ERROR \d+ in \w+\(\) at line \d+ of file \S+:")


def preload() -> None:
    """Import what the first projection needs, so that it need not wait: half a second."""
    import sky.celestial_frame  # noqa: F401, PLC0415  (processes without projections do without)


def _describe(error: Exception) -> str:
    """Return what wcslib complains of, without the places in its source."""
    complaints = (part.strip(" .\n") for part in _IN_WCSLIB.split(str(error)))
    return "; ".join(" ".join(part.split()) for part in complaints if part)


class SkyProjection:
    """The sky seen by one image.

    Parameters
    ----------
    wcs_header : str
        As `sky.header.celestial.to_wcs_header` made it.

    Raises
    ------
    HeaderError
        Code ``no_wcs`` if the axes are not celestial or the terms do not fit together.
    """

    def __init__(self, wcs_header: str) -> None:
        self._pixel_scale_deg: dict[tuple[int, int], float] = {}
        # See `preload`.
        from sky.celestial_frame import find_frame, parse_wcs  # noqa: PLC0415

        try:
            self._wcs = parse_wcs(wcs_header)
            self._lng, self._lat = int(self._wcs.wcs.lng), int(self._wcs.wcs.lat)
            self._to_icrs, self._fk4 = find_frame(self._wcs)
            self._is_distorted = self._wcs.sip is not None
            # A singular CD or zero CDELT shows here.
            self._wcs.wcs_pix2world([[0.0, 0.0]], 0)
        except Exception as error:
            # wcslib has a dozen exception classes; each means: this header is no sky.
            raise HeaderError(
                "no_wcs",
                f"no usable celestial WCS ({_describe(error)}); check CTYPE1/2, "
                "CRVAL1/2, CRPIX1/2, CUNIT1/2 and CDELT1/2 or the CD matrix",
            ) from error

    @staticmethod
    @lru_cache(maxsize=64)
    def of(wcs_header: str) -> "SkyProjection":
        """Return the projection of a header, from the cache where it can be."""
        return SkyProjection(wcs_header)

    def to_sky(self, x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return ICRS positions [deg] of pixels (0-based); NaN outside the projection."""
        places_deg, rotation = self.to_frame(x, y)
        if self._fk4 is not None:
            return places_deg[:, 0], places_deg[:, 1]
        return to_positions(*products(rotation, to_unit_vectors(*places_deg.T)))

    def to_frame(self, x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return positions of pixels in a frame that is a rotation of ICRS.

        Parameters
        ----------
        x, y : (n,) float64
            Pixels, 0-based [px].

        Returns
        -------
        (n, 2) float64
            Longitude and latitude [deg]; NaN outside the projection.
        (3, 3) float64
            The rotation to ICRS.
        """
        pixels = np.stack([x, y], axis=-1).reshape(-1, 2)
        if not pixels.size:
            return pixels, self._to_icrs
        # What `wcs_pix2world` calls after half of its time.
        world = (
            self._wcs.all_pix2world(pixels, 0)
            if self._is_distorted
            else self._wcs.wcs.p2s(pixels, 0)["world"]
        )
        if self._fk4 is not None:
            return np.stack(
                self._fk4.to_icrs(world[:, self._lng], world[:, self._lat]), axis=1
            ), np.eye(3)
        return np.ascontiguousarray(world[:, [self._lng, self._lat]]), self._to_icrs

    def to_pixel(self, ra: FloatArray, dec: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return pixels (0-based) of ICRS positions [deg]; NaN for the sky's far side."""
        if self._fk4 is not None:
            lng, lat = self._fk4.from_icrs(ra, dec)
        else:
            lng, lat = to_positions(*products(self._to_icrs.T, to_unit_vectors(ra, dec)))
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
        # All five places of each at once: a call costs more than a hundred places.
        ra, dec = self.to_sky(
            np.concatenate([x + dx for dx, _ in _PLACES]),
            np.concatenate([y + dy for _, dy in _PLACES]),
        )
        vectors = to_unit_vectors(ra, dec).reshape(3, len(_PLACES), -1)
        result = np.empty((np.size(x), 2, 2))
        east, north = _tangent(ra[: np.size(x)], dec[: np.size(x)])
        for axis in (0, 1):
            ahead, behind = vectors[:, 1 + axis], vectors[:, 3 + axis]
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
        sin_pole, cos_pole = sin_cos(np.radians(wcs.lonpole))
        to_east = -rows[0] * cos_pole - rows[1] * sin_pole
        to_north = rows[0] * sin_pole - rows[1] * cos_pole
        return np.stack([to_east, to_north])

    def pixel_scale_deg(self, shape: tuple[int, int]) -> float:
        """Return the side of a pixel at the image centre [deg]."""
        if shape not in self._pixel_scale_deg:
            rows, columns = shape
            jacobian = self.jacobian(np.array([(columns - 1) / 2]), np.array([(rows - 1) / 2]))
            with np.errstate(all="ignore"):  # a centre beyond the projection gives NaN
                self._pixel_scale_deg[shape] = float(np.sqrt(abs(determinants(jacobian)[0])))
        return self._pixel_scale_deg[shape]


def _tangent(ra: FloatArray, dec: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return (3, n) unit vectors to the east and to the north."""
    sin_ra, cos_ra = sin_cos(np.radians(ra))
    sin_dec, cos_dec = sin_cos(np.radians(dec))
    east = np.stack([-sin_ra, cos_ra, np.zeros_like(sin_ra)])
    return east, np.stack([-sin_dec * cos_ra, -sin_dec * sin_ra, cos_dec])
