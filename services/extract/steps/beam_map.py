"""Maps of the restoring beam: what a mosaic of several pointings brings."""

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from runtime.errors import SettingsError
from schemas.reasons import ImageReason
from services.extract.errors import RejectedImageError
from services.extract.models import BeamShape, Image, axes_of
from services.extract.steps.ellipses import header_beam
from sky.elementary_functions import sin_cos
from sky.fits_containers import open_fits
from sky.fits_pixels import decode_pixels
from sky.header.celestial import to_wcs_header
from sky.header.errors import HeaderError
from sky.small_matrices import inverses, transformed
from sky.wcs import SkyProjection

__all__ = ["BeamMap", "read_beam_map", "with_beam_map"]

FloatArray = npt.NDArray[np.float64]

_MOST_BYTES = 1 << 32
_PLANES = ("BMAJ", "BMIN", "BPA")
# Where an image is compared with the map, in each direction.
_SAMPLES = 17
# A mosaic's beams differ by less from the one in its header; other units differ by more.
_LARGEST_RATIO = 10.0


@dataclass(frozen=True, eq=False, slots=True)
class BeamMap:
    """The restoring beam as a function of the place on the sky.

    `moments` are (3, ny, nx): east-east, north-north and east-north second moments in squared
    FWHM [deg^2], NaN where the map is blank.
    """

    path: Path
    moments: FloatArray
    projection: SkyProjection

    def at(self, ra: FloatArray, dec: FloatArray) -> FloatArray:
        """Return (n, 3) moments at ICRS positions [deg], NaN outside the map and where blank.

        They are bilinear between pixels, and constant in the outer half of the outermost ones.
        """
        x, y = self.projection.to_pixel(ra, dec)
        _, rows, columns = self.moments.shape
        inside = self._is_inside(x, y)
        x, y = np.where(inside, x, 0.0), np.where(inside, y, 0.0)
        x, y = np.clip(x, 0, columns - 1), np.clip(y, 0, rows - 1)
        left, low = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
        right, high = np.minimum(left + 1, columns - 1), np.minimum(low + 1, rows - 1)
        along, up = x - left, y - low
        # A blank pixel with no weight does not count.
        parts = [
            np.where(weight > 0, self.moments[:, row, column] * weight, 0.0)
            for row, column, weight in (
                (low, left, (1 - up) * (1 - along)),
                (low, right, (1 - up) * along),
                (high, left, up * (1 - along)),
                (high, right, up * along),
            )
        ]
        return np.where(inside, sum(parts), np.nan).T

    def covers(self, ra: FloatArray, dec: FloatArray) -> npt.NDArray[np.bool_]:
        """Return (n,) whether ICRS positions [deg] are in the map, blank or not."""
        return self._is_inside(*self.projection.to_pixel(ra, dec))

    def _is_inside(self, x: FloatArray, y: FloatArray) -> npt.NDArray[np.bool_]:
        _, rows, columns = self.moments.shape
        with np.errstate(invalid="ignore"):
            inside = np.abs(x - (columns - 1) / 2) <= columns / 2
            return np.asarray(inside & (np.abs(y - (rows - 1) / 2) <= rows / 2))


def read_beam_map(path: Path, *, name: str) -> BeamMap:
    """Read a map of beams: a FITS cube of the planes BMAJ, BMIN and BPA [deg].

    Parameters
    ----------
    path : Path
        The file. Its pixels may be larger than those of the images; its header has their WCS.
        BPA counts from the north at each pixel.
    name : str
        Option or setting that names it, for errors.

    Raises
    ------
    SettingsError
        If it cannot be read or is no such map; the text says how to mend it.
    """
    try:
        data, image = open_fits(path.read_bytes(), {}, max_bytes=_MOST_BYTES)
        if image.n_planes != len(_PLANES):
            raise SettingsError(
                f"{name} {path} has {image.n_planes} planes; give a cube of three: BMAJ, BMIN and "
                "BPA [deg]"
            )
        planes = np.stack([decode_pixels(data, image, number) for number in range(len(_PLANES))])
        projection = SkyProjection.of(to_wcs_header(image.header))
    except OSError as error:
        raise SettingsError(f"{name} {path} cannot be read: {error.strerror or error}") from error
    except HeaderError as error:
        raise SettingsError(f"{name} {path}: {error}") from error
    return BeamMap(path, _to_moments(planes.astype(np.float64), f"{name} {path}"), projection)


def with_beam_map(image: Image, beam_map: BeamMap) -> Image:
    """Return an image whose restoring beams are those of a map.

    Where the map is blank, the beam is the one of the image's header.

    Raises
    ------
    RejectedImageError
        Code ``shape_mismatch`` if the map ends before the image does, is blank in all of it, has
        beams that are far from the image's, or if the pixels are not per beam.
    """
    if image.metadata.unit.per != "beam":
        raise RejectedImageError(
            ImageReason.SHAPE_MISMATCH,
            f"a map of beams ({beam_map.path}) needs pixels in Jy/beam; these are per "
            f"{image.metadata.unit.per}",
        )
    shape = (image.pixels.shape[0], image.pixels.shape[1])
    header = header_beam(image).quadratic
    local, outside = _local_beams(beam_map, image.wcs_header, shape, header)
    y, x = _sample_places(shape)
    if np.any(outside & np.isfinite(image.pixels[y, x])):
        raise RejectedImageError(
            ImageReason.SHAPE_MISMATCH,
            f"the map of beams {beam_map.path} ends before the image does: its WCS must cover "
            "every pixel that is not blank",
        )
    return replace(image, local_beams=local)


@dataclass(frozen=True, eq=False, slots=True)
class _LocalBeams:
    """The beams of a map in the pixels of an image."""

    beam_map: BeamMap
    projection: SkyProjection
    typical: BeamShape
    blank: tuple[float, float, float]

    def quadratics(self, x: FloatArray, y: FloatArray) -> FloatArray:
        """Return (n, 3) a, b, c of the beams at n places [1/px^2]."""
        found = _in_pixels(self.beam_map, self.projection, x, y)
        return np.where(np.isfinite(found).all(axis=1, keepdims=True), found, self.blank)


@lru_cache(maxsize=16)
def _local_beams(
    beam_map: BeamMap, wcs_header: str, shape: tuple[int, int], header: tuple[float, float, float]
) -> tuple[_LocalBeams, npt.NDArray[np.bool_]]:
    """Return the beams of an image, and which samples of it lie outside the map."""
    projection = SkyProjection.of(wcs_header)
    rows, columns = (each.astype(np.float64) for each in _sample_places(shape))
    ra, dec = projection.to_sky(columns, rows)
    found = _in_pixels(beam_map, projection, columns, rows)
    found = found[np.isfinite(found).all(axis=1)]
    if not found.size:
        raise RejectedImageError(
            ImageReason.SHAPE_MISMATCH,
            f"the map of beams {beam_map.path} is blank in the whole image or lies elsewhere on "
            "the sky; check its WCS",
        )
    a, b, c = np.median(found, axis=0).tolist()
    ratio = np.sqrt((header[0] * header[2] - header[1] ** 2) / (a * c - b * b))
    if not 1 / _LARGEST_RATIO < ratio < _LARGEST_RATIO:
        raise RejectedImageError(
            ImageReason.SHAPE_MISMATCH,
            f"the beams of {beam_map.path} have {ratio:.2g} times the area of the image's beam; "
            "its planes must be BMAJ, BMIN and BPA in degrees",
        )
    typical = BeamShape(*axes_of(np.array([[a, b, c]]))[:, 0].tolist())
    outside = np.isfinite(ra) & ~beam_map.covers(ra, dec)
    return _LocalBeams(beam_map, projection, typical, header), outside


def _sample_places(shape: tuple[int, int]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return y and x of pixels all over an image, its edges included."""
    y, x = np.meshgrid(
        *(np.linspace(0, side - 1, _SAMPLES).round().astype(np.int64) for side in shape),
        indexing="ij",
    )
    return y.ravel(), x.ravel()


def _in_pixels(
    beam_map: BeamMap, projection: SkyProjection, x: FloatArray, y: FloatArray
) -> FloatArray:
    """Return (n, 3) a, b, c of the map's beams at pixels of an image; NaN where it has none."""
    moments = beam_map.at(*projection.to_sky(x, y))
    on_sky = np.empty((x.size, 2, 2))
    on_sky[:, 0, 0], on_sky[:, 1, 1] = moments[:, 0], moments[:, 1]
    on_sky[:, 0, 1] = on_sky[:, 1, 0] = moments[:, 2]
    jacobian = projection.jacobian(x, y)
    result = np.full((x.size, 3), np.nan)
    valid = np.isfinite(moments).all(axis=1) & np.isfinite(jacobian).all(axis=(1, 2))
    # With d a step in pixels, the exponent of the beam is 4 ln 2 (J d)^T M^-1 (J d).
    step = jacobian[valid]
    form = 4 * math.log(2.0) * transformed(inverses(on_sky[valid]), step.transpose(0, 2, 1))
    result[valid] = np.stack([form[:, 0, 0], form[:, 0, 1], form[:, 1, 1]], axis=1)
    return result


def _to_moments(planes: FloatArray, name: str) -> FloatArray:
    """Return second moments; blank where any plane is, or all are zero."""
    major, minor, pa_deg = planes
    major = np.where(major == 0.0, np.nan, major)
    is_blank = ~np.isfinite(major + minor + pa_deg)
    if is_blank.all():
        raise SettingsError(f"{name} is blank everywhere")
    if np.any(~is_blank & ~((major >= minor) & (minor > 0))):
        y, x = np.argwhere(~is_blank & ~((major >= minor) & (minor > 0)))[0]
        raise SettingsError(
            f"{name}: at column {x + 1}, row {y + 1} the planes are {major[y, x]:g}, "
            f"{minor[y, x]:g}, {pa_deg[y, x]:g}; the first must be BMAJ, the second BMIN, not "
            "larger and positive [deg]"
        )
    sin, cos = sin_cos(np.radians(pa_deg))
    along, across = major**2, minor**2
    moments = np.stack(
        [
            along * sin**2 + across * cos**2,
            along * cos**2 + across * sin**2,
            (along - across) * sin * cos,
        ]
    )
    moments[:, is_blank] = np.nan
    return moments
