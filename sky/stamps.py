"""Stamps: files to pixels, north up, and the difference of two."""

import math

import numpy as np
import numpy.typing as npt

from sky.cutout import Cutout
from sky.wcs import SkyProjection

__all__ = ["read_stamp", "subtract", "turn_north_up"]

FloatImage = npt.NDArray[np.float32]
FloatArray = npt.NDArray[np.float64]
# A stamp has 513 pixels a side at most.
_MOST_BYTES = 8 << 20
# What a reader of a picture does not see.
_UPRIGHT_DEG = 0.5


def read_stamp(data: bytes) -> Cutout:
    """Return the pixels of a stored stamp, and the coordinates of the stamp.

    Raises
    ------
    HeaderError
        If the file is damaged.
    """
    from sky.fits_containers import open_fits  # noqa: PLC0415
    from sky.fits_pixels import decode_pixels  # noqa: PLC0415  (astropy: slow to import)
    from sky.header.celestial import to_wcs_header  # noqa: PLC0415

    unpacked, image = open_fits(data, {}, max_bytes=_MOST_BYTES)
    return Cutout(decode_pixels(unpacked, image), 0, 0, to_wcs_header(image.header))


def subtract(now: Cutout, before: Cutout) -> Cutout:
    """Return the first stamp minus the second one, which is interpolated onto its pixels.

    Parameters
    ----------
    now, before : Cutout
        As `read_stamp` returns them.
    """
    rows, columns = now.pixels.shape
    y, x = np.mgrid[:rows, :columns].reshape(2, -1).astype(np.float64)
    ra, dec = SkyProjection.of(now.wcs_header).to_sky(x, y)
    earlier = _interpolate(before, ra, dec).reshape(now.pixels.shape)
    return Cutout(now.pixels - earlier, 0, 0, now.wcs_header)


def turn_north_up(stamp: Cutout, ra: float, dec: float) -> Cutout:
    """Return a stamp with north up and east to the left; itself, where it is so already.

    Parameters
    ----------
    stamp : Cutout
        As `read_stamp` returns it.
    ra, dec : float
        Its centre, ICRS [deg].
    """
    side = stamp.pixels.shape[0]
    projection = SkyProjection.of(stamp.wcs_header)
    x, y = projection.to_pixel(np.array([ra]), np.array([dec]))
    east, north = projection.jacobian(x, y)[0]
    upright = np.degrees([math.atan2(east[1], -east[0]), math.atan2(north[0], north[1])])
    if np.all(np.abs(upright) < _UPRIGHT_DEG):
        return stamp
    scale_deg = math.sqrt(abs(float(np.linalg.det(np.stack([east, north])))))
    header = _north_up_header(ra, dec, scale_deg, side)
    rows, columns = np.mgrid[:side, :side].reshape(2, -1).astype(np.float64)
    sky = SkyProjection(header).to_sky(columns, rows)
    return Cutout(_interpolate(stamp, *sky).reshape(side, side), 0, 0, header)


def _north_up_header(ra: float, dec: float, scale_deg: float, side: int) -> str:
    centre = (side + 1) / 2
    cards = {
        "CTYPE1": "'RA---TAN'", "CTYPE2": "'DEC--TAN'", "CRVAL1": repr(ra), "CRVAL2": repr(dec),
        "CRPIX1": centre, "CRPIX2": centre, "CDELT1": repr(-scale_deg), "CDELT2": repr(scale_deg),
        "CUNIT1": "'deg     '", "CUNIT2": "'deg     '", "RADESYS": "'ICRS    '",
    }  # fmt: skip
    return "\n".join(f"{name:<8}= {value:>20}" for name, value in cards.items())


def _interpolate(stamp: Cutout, ra: FloatArray, dec: FloatArray) -> FloatImage:
    """Return the pixels (n,) of a stamp at positions [deg], bilinear; NaN beyond its edge."""
    x, y = SkyProjection.of(stamp.wcs_header).to_pixel(ra, dec)
    # A grid that differs by rounding is the same.
    x, y = (np.where(np.abs(v - np.rint(v)) < 1e-4, np.rint(v), v) for v in (x, y))
    rows, columns = stamp.pixels.shape
    with np.errstate(invalid="ignore"):
        inside = (x >= 0) & (x <= columns - 1) & (y >= 0) & (y <= rows - 1)
    x, y = np.where(inside, x, 0.0), np.where(inside, y, 0.0)
    left, low = np.floor(x).astype(np.intp), np.floor(y).astype(np.intp)
    right, high = np.minimum(left + 1, columns - 1), np.minimum(low + 1, rows - 1)
    across, up = x - left, y - low
    total = np.zeros(x.size)
    for row, column, weight in (
        (low, left, (1 - up) * (1 - across)),
        (low, right, (1 - up) * across),
        (high, left, up * (1 - across)),
        (high, right, up * across),
    ):
        # A blank pixel without weight blanks nothing.
        total += np.where(weight > 0, weight * stamp.pixels[row, column], 0.0)
    return np.where(inside, total, np.nan).astype(np.float32)
