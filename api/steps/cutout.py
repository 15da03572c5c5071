"""A square of pixels as FITS."""

import io
import math
from collections.abc import Mapping
from typing import Any

from sky.cutout import Cutout

__all__ = ["image_cards", "to_fits"]


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
