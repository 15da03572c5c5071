"""What is typed into a search."""

import pytest
from astropy.coordinates import SkyCoord
from hypothesis import given
from hypothesis import strategies as st

from api.steps.search import find_meaning, parse_position

RA, DEC = 123.4, 10.5


@pytest.mark.parametrize(
    "text",
    [
        "123.4 10.5", "123.4,10.5", "123.4, +10.5", "8h13m36s +10d30m0s", "8:13:36 10:30:00",
        "08:13:36, +10:30:00", "8 13 36 +10 30 00", "8 13 36 10 30 00", "8h13m36s 10.5",
        "123.4 10 30 00", "J081336+103000", "LT J081336.0+103000.0",
        "  123.4\t10.5 ",
    ],
)  # fmt: skip
def test_a_position_is_known_in_every_notation(text: str) -> None:
    assert find_meaning(text).position == pytest.approx((RA, DEC), abs=1e-9)


@given(st.floats(0, 359.99), st.floats(-89.99, 89.99))
def test_what_astropy_prints_is_that_position(ra: float, dec: float) -> None:
    place = SkyCoord(ra, dec, unit="deg")
    for style in ("hmsdms", "decimal"):
        found = parse_position(place.to_string(style, precision=7))
        assert found is not None
        assert SkyCoord(*found, unit="deg").separation(place).arcsec < 1e-2


@pytest.mark.parametrize(
    "text", ["", "17", "night1", "a" * 64, "ivo://org.example/night1#tt.0", "10 20 30 40 50",
             "8 13 36 10.5", "400 10", "10 91", "1,2,3", "8h13m36s", "NaN NaN"]
)  # fmt: skip
def test_what_is_no_position_is_none(text: str) -> None:
    assert find_meaning(text).position is None


def test_a_minus_of_a_paper_is_a_minus() -> None:
    assert find_meaning("8 13 36 \N{MINUS SIGN}10 30 00").position == pytest.approx((RA, -DEC))


@given(st.text(max_size=80))
def test_any_text_means_something_or_nothing(text: str) -> None:
    position = find_meaning(text).position
    assert position is None or (0 <= position[0] < 360 and -90 <= position[1] <= 90)
