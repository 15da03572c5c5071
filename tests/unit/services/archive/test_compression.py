"""Archived images have the fluxes, blanks and cards of what was sent."""

import gzip
import io

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from services.archive.steps.compression import compress
from sky.header.errors import HeaderError
from tests.support.fits_images import make

ID = "0123456789abcdef" * 4
MOST = 1 << 26
KEPT = ("CRVAL1", "CRVAL2", "CRPIX1", "CDELT1", "CTYPE1", "BMIN", "BPA", "RESTFRQ", "DATE-OBS")


def read(file: bytes) -> tuple[np.ndarray, fits.Header]:
    with fits.open(io.BytesIO(file)) as hdus:
        return np.array(hdus[1].data), hdus[1].header.copy()


@given(
    sigma=st.floats(1e-6, 1e3),
    offset=st.floats(-10, 10),
    n_sources=st.integers(0, 5),
    n_blank=st.integers(0, 6000),
    seed=st.integers(0, 2**32 - 1),
)
def test_fluxes_change_by_less_than_a_tenth_of_the_noise(
    sigma: float, offset: float, n_sources: int, n_blank: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    pixels = rng.normal(offset * sigma, sigma, (96, 96))
    pixels.flat[rng.integers(0, pixels.size, n_sources)] += 1000 * sigma
    pixels.flat[rng.integers(0, pixels.size, n_blank)] = np.nan
    sent = pixels.astype("f4")
    found, _ = read(compress(make(sent), {}, f"{seed:08x}" * 8, max_bytes=MOST))
    assert np.array_equal(np.isnan(found), np.isnan(sent))
    change = np.abs(found - sent)[~np.isnan(sent)]
    assert change.max() < 0.1 * sigma


def test_cards_of_the_file_and_those_beside_it_are_kept() -> None:
    sent = make(BUNIT="mJy/beam", HISTORY="made by hand")
    _, header = read(compress(sent, {"OBJECT": "Cyg A", "BMAJ": "0.06"}, ID, max_bytes=MOST))
    original = fits.getheader(io.BytesIO(sent))
    assert {name: header[name] for name in KEPT} == {name: original[name] for name in KEPT}
    assert (header["BMAJ"], header["OBJECT"], header["BUNIT"]) == (0.06, "Cyg A", "mJy/beam")
    assert "made by hand" in str(header["HISTORY"])


def test_the_same_image_has_the_same_bytes_and_another_one_another_dither() -> None:
    first, again = (compress(make(), {}, ID, max_bytes=MOST) for _ in range(2))
    assert first == again
    assert compress(make(), {}, "f" * 64, max_bytes=MOST) != first


def test_whole_numbers_become_what_they_stand_for() -> None:
    codes = np.random.default_rng(3).integers(-3000, 3000, (64, 64)).astype("i2")
    codes[5, 5] = -32768
    values = np.where(codes == -32768, np.nan, codes).astype("f4")
    found, header = read(compress(make(codes, BLANK=-32768), {}, ID, max_bytes=MOST))
    assert np.isnan(found[5, 5])
    assert "BLANK" not in header
    assert np.nanmax(np.abs(found - values)) < 0.1 * np.nanstd(values)


def test_a_packed_file_is_unpacked_first() -> None:
    plain, packed = make(), gzip.compress(make())
    assert compress(packed, {}, ID, max_bytes=MOST) == compress(plain, {}, ID, max_bytes=MOST)


def test_an_image_of_noise_is_five_times_smaller() -> None:
    pixels = np.random.default_rng(2).normal(0, 1e-3, (1024, 1024)).astype("f4")
    sent = make(pixels)
    assert len(sent) / len(compress(sent, {}, ID, max_bytes=MOST)) > 5


def test_what_is_no_image_is_refused() -> None:
    with pytest.raises(HeaderError, match="SIMPLE"):
        compress(b"nothing", {}, ID, max_bytes=MOST)
