"""Cutouts: the pixels of the image, at the place that their header says."""

import io
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from hypothesis import given
from hypothesis import strategies as st

from api.models.pixels import PixelImage
from api.steps.cutout import to_fits
from sky.cutout import cut

SHAPE = (80, 100)
SCALE_DEG = 20 / 3600
SIZE_ARCMIN = 7.0  # 21 px


def image() -> PixelImage:
    header = fits.Header()
    header["CTYPE1"], header["CTYPE2"] = "RA---SIN", "DEC--SIN"
    header["CRPIX1"], header["CRPIX2"] = 50.5, 40.5
    header["CRVAL1"], header["CRVAL2"] = 359.95, 60.0
    header["CDELT1"], header["CDELT2"] = -SCALE_DEG, SCALE_DEG
    header["CUNIT1"] = header["CUNIT2"] = "deg"
    pixels = np.arange(SHAPE[0] * SHAPE[1], dtype=np.float32).reshape(SHAPE)
    return PixelImage(pixels, header.tostring(sep="\n", endcard=False, padding=False))


def at(x: float, y: float) -> tuple[float, float]:
    sky = WCS(fits.Header.fromstring(image().wcs_header, sep="\n")).pixel_to_world(x, y)
    return float(sky.ra.deg), float(sky.dec.deg)


def cut_at(x: float, y: float, **options: Any) -> Any:
    options = {"size_arcmin": SIZE_ARCMIN, "beam_major_deg": None} | options
    return cut(image().pixels, image().wcs_header, *at(x, y), **options)


@given(st.integers(0, SHAPE[1] - 1), st.integers(0, SHAPE[0] - 1))
def test_each_pixel_is_where_the_header_says(x: int, y: int) -> None:
    cutout = cut_at(x, y)
    assert cutout.pixels.shape == (21, 21)
    assert cutout.pixels[10, 10] == image().pixels[y, x]
    with fits.open(io.BytesIO(to_fits(cutout, {"BMAJ": 0.1}))) as hdus:
        hdu = hdus[0]
        assert (hdu.header["BUNIT"], hdu.header["BMAJ"]) == ("Jy/beam", 0.1)
        ra, dec = at(x, y)
        found = WCS(hdu.header).world_to_pixel_values(ra, dec)
        assert np.allclose(found, 10.0, atol=1e-6)
        rows, columns = np.nonzero(np.isfinite(hdu.data))
        source = image().pixels[rows + cutout.y_px, columns + cutout.x_px]
        assert np.array_equal(hdu.data[rows, columns], source)
        n_inside = (min(y, 10) + min(SHAPE[0] - 1 - y, 10) + 1) * (
            min(x, 10) + min(SHAPE[1] - 1 - x, 10) + 1
        )
        assert len(rows) == n_inside


def test_the_default_is_65_pixels_or_ten_beams() -> None:
    assert cut_at(50, 40, size_arcmin=None).pixels.shape == (65, 65)
    wide = cut_at(50, 40, size_arcmin=None, beam_major_deg=8 * SCALE_DEG)
    assert wide.pixels.shape == (81, 81)
    assert cut_at(50, 40, size_arcmin=None, beam_major_deg=1e3).pixels.shape == (1025, 1025)


@pytest.mark.parametrize(
    ("place", "size_arcmin", "words"),
    [((-5, 40), 7.0, "outside"), ((50, 95), 7.0, "outside"), ((50, 40), 400.0, "at most 1025")],
)
def test_what_cannot_be_cut_is_explained(
    place: tuple[int, int], size_arcmin: float, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        cut_at(*place, size_arcmin=size_arcmin)


def test_the_other_side_of_the_sky_is_outside() -> None:
    with pytest.raises(ValueError, match="outside"):
        cut(
            image().pixels,
            image().wcs_header,
            179.95,
            -60.0,
            size_arcmin=7.0,
            beam_major_deg=None,
        )
