"""Positions are those of `astropy.wcs.WCS(header).celestial`, to a millionth of an arcsecond."""

import warnings

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io.fits import Header
from astropy.utils.exceptions import AstropyWarning
from astropy.wcs import WCS, InvalidTransformError
from hypothesis import given, reject
from hypothesis import strategies as st

from sky.header.celestial import to_wcs_header
from sky.header.errors import HeaderError
from sky.wcs import SkyProjection

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
    "CD matrix of 1993": {
        f"CD00{name.replace('_', '00')}": PIXEL_DEG * value for name, value in TURN.items()
    },
    "CD matrix of 1993 alone": {
        f"CD00{name.replace('_', '00')}": PIXEL_DEG * value for name, value in TURN.items()
    } | {"CDELT1": None, "CDELT2": None},
    "slant SIN of AIPS": {"PROJP1": 0.1, "PROJP2": -0.05},
    "LONPOLE": {"LONPOLE": 170.0},
    "pole": {"CRVAL2": 90.0},
}  # fmt: skip


def header(**cards: object) -> Header:
    kept = {name: value for name, value in (BASE | cards).items() if value is not None}
    return Header(list(kept.items()))


@pytest.mark.parametrize("name", CASES)
def test_positions_are_those_of_astropy(name: str) -> None:
    assert_as_astropy(header(**CASES[name]))


def assert_as_astropy(image: Header, tolerance_px: float = 1e-6) -> None:
    x, y = np.random.default_rng(1).uniform(0, 255, (2, 50))
    projection = SkyProjection(to_wcs_header(image))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AstropyWarning)
        expected = WCS(image).celestial.pixel_to_world(x, y).icrs
    is_sky = np.isfinite(expected.ra.deg)
    ra, dec = projection.to_sky(x, y)
    np.testing.assert_array_equal(np.isfinite(ra), is_sky)
    found = SkyCoord(ra[is_sky], dec[is_sky], unit="deg")
    assert np.max(expected[is_sky].separation(found).arcsec, initial=0.0) < 1e-6
    back_x, back_y = projection.to_pixel(ra[is_sky], dec[is_sky])
    offsets = np.hypot(back_x - x[is_sky], back_y - y[is_sky])
    assert np.max(offsets, initial=0.0) < tolerance_px


@given(
    st.sampled_from(["PC", "CD"]), st.sampled_from([1, 2]), st.sampled_from([3, 4]),
    st.sampled_from([(0, 1), (1, 0)]), st.sampled_from(["{}_{}", "00{}00{}", "0{}_0{}"]),
    st.floats(-1.0, 1.0).filter(lambda value: abs(value) > 1e-6),
)  # fmt: skip
def test_an_axis_that_is_joined_with_the_sky_is_refused(
    kind: str, sky: int, other: int, order: tuple[int, int], form: str, value: float
) -> None:
    name = kind + form.format(*((sky, other)[each] for each in order))
    with pytest.raises(HeaderError, match=name) as caught:
        to_wcs_header(header(**{name: value}))
    assert caught.value.code == "no_wcs"
    assert to_wcs_header(header(**{name: 0.0})) == to_wcs_header(header())


PROJECTIONS = ("SIN", "TAN", "ARC", "ZEA", "STG", "CAR", "SFL", "CEA", "AIT", "MOL", "GLS")
FRAMES: tuple[dict[str, object], ...] = (
    {"RADESYS": None}, {"RADESYS": "FK5", "EQUINOX": 2000.0}, {"RADESYS": "ICRS"},
    {"RADESYS": None, "EQUINOX": 1950.0}, {"RADESYS": None, "EPOCH": 2000.0},
    {"RADESYS": "FK4-NO-E", "EQUINOX": 1950.0}, {"RADESYS": "FK5", "EQUINOX": 2019.5},
    {"RADESYS": None, "RADECSYS": "FK4", "EQUINOX": 1950}, {"RADESYS": "", "EQUINOX": 2000},
)  # fmt: skip
KINDS = (("RA--", "DEC-"), ("GLON", "GLAT"), ("ELON", "ELAT"))


@st.composite
def dialects(draw: st.DrawFn) -> Header:
    """Return a header of any projection, matrix, unit and frame that imagers write."""
    lng, lat = draw(st.sampled_from([1, 2])), draw(st.sampled_from(KINDS))
    name = draw(st.sampled_from(PROJECTIONS))
    angle = np.radians(draw(st.sampled_from([0.0, 10.0, -45.0, 180.0])))
    turn = {
        "1_1": np.cos(angle),
        "1_2": -np.sin(angle),
        "2_1": np.sin(angle),
        "2_2": np.cos(angle),
    }
    forms: tuple[dict[str, object], ...] = (
        {},
        {"CROTA1": 0.0, "CROTA2": float(np.degrees(angle))},
        {f"PC{each}": value for each, value in turn.items()} | {"PC3_3": 1.0, "PC1_3": 0.0},
        {f"PC{each.replace('_', '00').zfill(6)}": value for each, value in turn.items()},
        {"PC1_2": 0.1, "PC2_1": -0.1},
        {f"CD{each}": PIXEL_DEG * value for each, value in turn.items()} | {"CD3_3": 1e6},
    )
    values = {1: draw(st.sampled_from([0.0, 359.9999, -10.0, 266.5])),
              2: draw(st.sampled_from([0.0, -30.0, 89.99, -90.0]))}  # fmt: skip
    poles = draw(st.sampled_from([{}, {"LONPOLE": 150.0}, {"LATPOLE": -30.0}]))
    third = {"CTYPE3": "FREQ", "CRVAL3": 1.4e9, "CRPIX3": 1.0, "CDELT3": 1e6}
    return header(**{
        "NAXIS": 3, "NAXIS3": 1, **draw(st.sampled_from(FRAMES)), **third,
        **draw(st.sampled_from(forms)), **poles,
        f"CTYPE{lng}": f"{lat[0]}-{name}", f"CTYPE{3 - lng}": f"{lat[1]}-{name}",
        f"CRVAL{lng}": values[1], f"CRVAL{3 - lng}": values[2],
    })  # fmt: skip


@given(dialects())
def test_any_dialect_is_read_as_astropy_reads_it(image: Header) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AstropyWarning)
        try:
            WCS(image).wcs.set()
        except InvalidTransformError:  # no projection has its pole there
            reject()
    # Near the edge of a projection, a pixel is known from its position to fewer digits.
    assert_as_astropy(image, tolerance_px=1e-3)


@pytest.mark.parametrize(("text", "year"), [("J2000.0", 2000.0), ("B1950", 1950.0)])
def test_an_equinox_with_its_letter_is_read(text: str, year: float) -> None:
    x = np.array([3.0, 200.0])
    plain, lettered = (
        SkyProjection(to_wcs_header(header(RADESYS=None, EQUINOX=each))).to_sky(x, x)
        for each in (year, text)
    )
    np.testing.assert_array_equal(plain, lettered)


@pytest.mark.parametrize(
    ("text", "standard"), [("icrs", "ICRS"), ("fk5", "FK5"), ("J2000", "FK5"), ("B1950", "FK4")]
)
def test_every_spelling_of_a_system_is_that_system(text: str, standard: str) -> None:
    x = np.array([3.0, 200.0])
    found, expected = (
        SkyProjection(to_wcs_header(header(RADESYS=each))).to_sky(x, x)
        for each in (text, standard)
    )
    np.testing.assert_array_equal(found, expected)


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


def test_a_refusal_names_no_line_of_another_library() -> None:
    with pytest.raises(HeaderError) as refused:
        SkyProjection(to_wcs_header(header(CTYPE1="RA---ZPN", CTYPE2="DEC--ZPN")))
    assert "(Invalid parameter value; Invalid projection parameters; " in str(refused.value)
    assert "ERROR" not in str(refused.value)
    assert ".c" not in str(refused.value)
