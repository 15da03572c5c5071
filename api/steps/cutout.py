"""A square of pixels as FITS and as PNG."""

import io
import math
import struct
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from sky.cutout import Cutout

__all__ = ["image_cards", "to_fits", "to_png"]

# What a display shows, in units of the rms: the noise, and a detection.
_BLACK_SIGMA, _WHITE_SIGMA = -3.0, 10.0
_PNG_GREY_ALPHA = 4


def image_cards(row: Mapping[str, Any]) -> dict[str, str | float]:
    """Return the cards that a cutout has of its image, those that are known.

    Parameters
    ----------
    row : mapping
        Of query ``get_image_place``.
    """
    cards: dict[str, str | float | None] = {
        "BMAJ": row["beam_major_deg"],
        "BMIN": row["beam_minor_deg"],
        "BPA": row["beam_pa_deg"],
        "RESTFRQ": row["freq_eff_hz"],
        "EXPTIME": row["exposure_s"],
        "DATE-OBS": f"{row['time_start']:%FT%T.%f}",
        "TIMESYS": "UTC",
        "IMAGEID": row["image_id"][:16],
    }
    return {
        name: value
        for name, value in cards.items()
        if value is not None and (isinstance(value, str) or math.isfinite(value))
    }


def to_fits(cutout: Cutout, cards: Mapping[str, str | float]) -> bytes:
    """Return a FITS file of a cutout.

    Parameters
    ----------
    cutout : Cutout
        Pixels and their place.
    cards : mapping
        More cards of the header, by keyword.
    """
    from astropy.io import fits  # noqa: PLC0415  (slow to import)

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


def to_png(
    cutout: Cutout, rms_jy_beam: float | None, *, peak_jy_beam: float | None = None
) -> bytes:
    """Return a picture of a cutout: one pixel a pixel, north as in the image, blank transparent.

    Parameters
    ----------
    cutout : Cutout
        Pixels.
    rms_jy_beam : float or None
        Noise of the image [Jy/beam]: -3 of it is black; 10 of it or the peak is white. Without
        it the least and greatest values are.
    peak_jy_beam : float or None
        Peak that is white [Jy/beam]; None: that of the cutout.
    """
    finite = np.isfinite(cutout.pixels)
    values = np.where(finite, cutout.pixels, 0.0).astype(np.float64)
    least, peak = (
        (float(values[finite].min()), float(values[finite].max())) if finite.any() else (0.0, 1.0)
    )
    if rms_jy_beam is not None and math.isfinite(rms_jy_beam) and rms_jy_beam > 0:
        white = peak if peak_jy_beam is None else peak_jy_beam
        least, peak = _BLACK_SIGMA * rms_jy_beam, max(_WHITE_SIGMA * rms_jy_beam, white)
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
