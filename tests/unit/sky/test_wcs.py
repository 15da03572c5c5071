"""Positions are those of `astropy.wcs.WCS(header).celestial`, to a millionth of an arcsecond."""

import warnings

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io.fits import Header
from astropy.utils.exceptions import AstropyWarning
from astropy.wcs import WCS

from sky.header.errors import HeaderError
from sky.wcs import SkyProjection, to_wcs_header

PIXEL_DEG = 1 / 360
BASE = {
    "NAXIS": 2, "NAXIS1": 256, "NAXIS2": 256, "CTYPE1": "RA---SIN", "CTYPE2": "DEC--SIN",
    "CRVAL1": 359.123456789012345, "CRVAL2": 42.1234567890123, "CRPIX1": 129.25, "CRPIX2": 127.75,
    "CDELT1": -PIXEL_DEG, "CDELT2": PIXEL_DEG, "CUNIT1": "deg", "CUNIT2": "deg", "RADESYS": "ICRS",
}  # fmt: skip
TURN = {"1_1": 0.9, "1_2": 0.1, "2_1": -0.1, "2_2": 0.9}
CASES: dict[str, dict[str, object]] = {
    "plain": {},
    "PC matrix": {f"PC{name}": value for name, value in TURN.items()},
    "PC matrix of 1993": {f"PC00{name.replace('_', '00')}": value for name, value in TURN.items()},
    "CD matrix": {f"CD{name}": PIXEL_DEG * value for name, value in TURN.items()}
    | {"CDELT1": None, "CDELT2": None},
    "CROTA2": {"CROTA2": 33.0},
    "SIP": {
        "CTYPE1": "RA---TAN-SIP", "CTYPE2": "DEC--TAN-SIP", "A_ORDER": 2, "B_ORDER": 2,
        "A_2_0": 1e-5, "B_0_2": 2e-5, "A_1_1": 3e-6,
    },
    "TPV": {"CTYPE1": "RA---TPV", "CTYPE2": "DEC--TPV", "PV1_1": 1.001, "PV2_1": 1.0},
    "NCP": {"CTYPE1": "RA---NCP", "CTYPE2": "DEC--NCP"},
    "slant SIN": {"PV2_1": 0.1, "PV2_2": 0.05},
    "FK5": {"RADESYS": "FK5", "EQUINOX": 2000.0},
    "FK4": {"RADESYS": None, "EPOCH": 1950.0},
    "galactic": {"CTYPE1": "GLON-CAR", "CTYPE2": "GLAT-CAR", "RADESYS": None},
    "latitude first": {"CTYPE1": "DEC--SIN", "CTYPE2": "RA---SIN", "CRVAL1": 42.0, "CRVAL2": 10.0},
    "arcsec": {
        "CUNIT1": "arcsec", "CUNIT2": "arcsec", "CRVAL1": 36000.0, "CRVAL2": 36000.0,
        "CDELT1": -10.0, "CDELT2": 10.0,
    },
    "LONPOLE": {"LONPOLE": 170.0},
    "pole": {"CRVAL2": 90.0},
}  # fmt: skip


def header(**cards: object) -> Header:
    kept = {name: value for name, value in (BASE | cards).items() if value is not None}
    return Header(list(kept.items()))


@pytest.mark.parametrize("name", CASES)
def test_positions_are_those_of_astropy(name: str) -> None:
    x, y = np.random.default_rng(1).uniform(0, 255, (2, 50))
    projection = SkyProjection(to_wcs_header(header(**CASES[name])))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AstropyWarning)
        expected = WCS(header(**CASES[name])).celestial.pixel_to_world(x, y).icrs
    ra, dec = projection.to_sky(x, y)
    assert np.max(expected.separation(SkyCoord(ra, dec, unit="deg")).arcsec) < 1e-6
    back_x, back_y = projection.to_pixel(ra, dec)
    assert np.max(np.hypot(back_x - x, back_y - y)) < 1e-6


@pytest.mark.parametrize("unit", ["Degrees", "degree", "DEG", "deg "])
def test_every_spelling_of_degrees_is_degrees(unit: str) -> None:
    plain, other = (
        SkyProjection(to_wcs_header(header(CUNIT1=each, CUNIT2=each))) for each in ("deg", unit)
    )
    x = np.array([3.0, 200.0])
    np.testing.assert_array_equal(plain.to_sky(x, x), other.to_sky(x, x))


@pytest.mark.parametrize(
    "name", ["CTYPE1", "CTYPE2", "CRVAL1", "CRVAL2", "CRPIX1", "CRPIX2", "CDELT1", "CDELT2"]
)
def test_a_missing_card_has_no_default(name: str) -> None:
    with pytest.raises(HeaderError, match=name) as caught:
        to_wcs_header(header(**{name: None}))
    assert caught.value.code == "no_wcs"


@pytest.mark.parametrize("name", ["CRVAL1", "CRPIX2", "CDELT1", "EQUINOX", "PC1_1"])
def test_a_card_that_is_no_number_is_named(name: str) -> None:
    with pytest.raises(HeaderError, match=f"card {name} must be .*'ten") as caught:
        to_wcs_header(header(**{name: "ten"}))
    assert caught.value.code == "bad_header"


def test_a_distortion_in_a_table_is_refused() -> None:
    with pytest.raises(HeaderError, match="CPDIS1"):
        to_wcs_header(header(CPDIS1="LOOKUP"))
