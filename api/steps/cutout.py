"""A part of an image around a position, as FITS and as PNG."""

import io
import math
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from astropy.io import fits

from api.models.pixels import PixelImage
from sky.wcs import SkyProjection

__all__ = ["Cutout", "cut", "to_fits", "to_png"]

FloatImage = npt.NDArray[np.float32]
_MAX_SIDE_PX = 1025
_LEAST_SIDE_PX = 65
_LEAST_BEAMS = 10.0
# What a display shows, in units of the rms: the noise, and a detection.
_BLACK_SIGMA, _WHITE_SIGMA = -3.0, 10.0
_PNG_GREY_ALPHA = 4


@dataclass(frozen=True, slots=True)
class Cutout:
    """A square of pixels.

    Parameters
    ----------
    pixels : (n, n) float32
        Flux density [Jy/beam]; NaN where blank, and beyond the edge of the image.
    x_px, y_px : int
        Its first column and row in the image, from 0; negative beyond the edge [px].
    wcs_header : str
        FITS cards of the celestial coordinates of the image.
    """

    pixels: FloatImage
    x_px: int
    y_px: int
    wcs_header: str


def cut(
    image: PixelImage,
    ra: float,
    dec: float,
    *,
    size_arcmin: float | None,
    beam_major_deg: float | None,
) -> Cutout:
    """Return the square of an image around a position.

    Parameters
    ----------
    image : PixelImage
        Not modified.
    ra, dec : float
        Centre, ICRS [deg].
    size_arcmin : float or None
        Side [arcmin]; None: 65 px, or 10 beams where these are more.
    beam_major_deg : float or None
        Major axis of the beam [deg].

    Returns
    -------
    Cutout
        With an odd number of pixels a side: the position is in the central one.

    Raises
    ------
    ValueError
        If the position is outside of the image, or the square is too large.
    """
    projection = SkyProjection.of(image.wcs_header)
    x, y = (float(each[0]) for each in projection.to_pixel(np.array([ra]), np.array([dec])))
    rows, columns = image.pixels.shape
    if not (-0.5 <= x <= columns - 0.5 and -0.5 <= y <= rows - 0.5):
        raise ValueError("the position is outside of the image")
    scale_deg = projection.pixel_scale_deg((rows, columns))
    half = _half_side(scale_deg, size_arcmin, beam_major_deg)
    x_px, y_px = round(x) - half, round(y) - half
    side = 2 * half + 1
    pixels = np.full((side, side), np.nan, np.float32)
    inside_y = slice(max(0, y_px), min(rows, y_px + side))
    inside_x = slice(max(0, x_px), min(columns, x_px + side))
    pixels[
        inside_y.start - y_px : inside_y.stop - y_px, inside_x.start - x_px : inside_x.stop - x_px
    ] = image.pixels[inside_y, inside_x]
    return Cutout(pixels, x_px, y_px, image.wcs_header)


def _half_side(scale_deg: float, size_arcmin: float | None, beam_major_deg: float | None) -> int:
    if not (math.isfinite(scale_deg) and scale_deg > 0):
        raise ValueError("the image has no pixel scale at its centre")
    if size_arcmin is None:
        side = max(_LEAST_SIDE_PX, _LEAST_BEAMS * (beam_major_deg or 0.0) / scale_deg)
        return math.ceil((min(side, _MAX_SIDE_PX) - 1) / 2)
    side = size_arcmin / 60 / scale_deg
    if side > _MAX_SIDE_PX:
        raise ValueError(
            f"size_arcmin: {side:.0f} px of {scale_deg * 3600:.3g} arcsec a side; "
            f"at most {_MAX_SIDE_PX} px"
        )
    return max(1, math.ceil((side - 1) / 2))


def to_fits(cutout: Cutout, cards: Mapping[str, str | float]) -> bytes:
    """Return a FITS file of a cutout.

    Parameters
    ----------
    cutout : Cutout
        Pixels and their place.
    cards : mapping
        More cards of the header, by keyword.
    """
    hdu = fits.PrimaryHDU(cutout.pixels)
    placed = fits.Header.fromstring(cutout.wcs_header, sep="\n")
    for name in placed:
        if not name.startswith("NAXIS"):
            hdu.header[name] = placed[name]
    hdu.header["CRPIX1"] = float(placed["CRPIX1"]) - cutout.x_px
    hdu.header["CRPIX2"] = float(placed["CRPIX2"]) - cutout.y_px
    hdu.header["BUNIT"] = "Jy/beam"
    for name, value in cards.items():
        hdu.header[name] = value
    buffer = io.BytesIO()
    fits.HDUList([hdu]).writeto(buffer)
    return buffer.getvalue()


def to_png(cutout: Cutout, rms_jy_beam: float | None) -> bytes:
    """Return a picture of a cutout: one pixel a pixel, north as in the image, blank transparent.

    Parameters
    ----------
    cutout : Cutout
        Pixels.
    rms_jy_beam : float or None
        Noise of the image [Jy/beam]: -3 of it is black; 10 of it or the peak is white. Without
        it the least and greatest values are.
    """
    finite = np.isfinite(cutout.pixels)
    values = np.where(finite, cutout.pixels, 0.0).astype(np.float64)
    least, peak = (
        (float(values[finite].min()), float(values[finite].max())) if finite.any() else (0.0, 1.0)
    )
    if rms_jy_beam is not None and math.isfinite(rms_jy_beam) and rms_jy_beam > 0:
        least, peak = _BLACK_SIGMA * rms_jy_beam, max(_WHITE_SIGMA * rms_jy_beam, peak)
    grey = np.clip((values - least) / (peak - least or 1.0), 0, 1) * 255
    # FITS counts rows from the bottom.
    picture = np.stack([grey.round(), finite * 255.0], axis=-1).astype(np.uint8)[::-1]
    return _write_png(picture)


def _write_png(picture: npt.NDArray[np.uint8]) -> bytes:
    """Return a PNG (RFC 2083) of rows of grey and alpha."""
    rows, columns, _ = picture.shape
    lines = np.zeros((rows, 1 + 2 * columns), np.uint8)
    lines[:, 1:] = picture.reshape(rows, -1)
    head = struct.pack(">IIBBBBB", columns, rows, 8, _PNG_GREY_ALPHA, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(lines.tobytes())), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )
