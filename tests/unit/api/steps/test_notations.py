"""Times and angles, as people write them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import pytest
from astropy.coordinates import Angle
from astropy.time import Time
from hypothesis import given
from hypothesis import strategies as st

from api.steps.notations import parse_dec, parse_ra, parse_time


@given(st.floats(41_317, 61_000))
def test_an_mjd_is_the_time_that_astropy_makes_of_it(mjd: float) -> None:
    expected = Time(mjd, format="mjd", scale="utc").to_datetime(timezone=UTC)
    assert abs(parse_time(f"mjd:{mjd!r}") - expected) < timedelta(microseconds=5)


@given(
    st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29)),  # noqa: DTZ001  (a zone is added)
    st.integers(-14 * 60, 14 * 60),
)
def test_an_iso_time_is_that_instant(naive: datetime, offset_minutes: int) -> None:
    time = naive.replace(tzinfo=timezone(timedelta(minutes=offset_minutes)))
    assert parse_time(time.isoformat()) == time
    assert parse_time(naive.isoformat()) == naive.replace(tzinfo=UTC)


@given(st.one_of(st.floats(), st.integers()))
def test_a_bare_number_is_refused_with_what_to_write(number: float) -> None:
    with pytest.raises(ValueError, match=r"mjd:61367\.8"):
        parse_time(str(number))


@pytest.mark.parametrize("text", ["20261123", " 60339.5 ", "+60339", "6.03e4", ".5", "5."])
def test_every_form_of_a_number_is_one(text: str) -> None:
    with pytest.raises(ValueError, match="bare number"):
        parse_time(text)


@pytest.mark.parametrize("time", ["20:00", "20:00:00", "20:00:00.25"])
@pytest.mark.parametrize("offset", ["02:00", "0200", "02"])
def test_a_plus_that_became_a_space_is_named(time: str, offset: str) -> None:
    with pytest.raises(ValueError, match="%2B"):
        parse_time(f"2026-11-23T{time} {offset}")


@given(st.text())
def test_any_text_is_a_time_or_refused(text: str) -> None:
    for prefix in ("", "mjd:"):
        try:
            assert parse_time(prefix + text).tzinfo is not None
        except ValueError as error:
            assert "write" in str(error)  # noqa: PT017  (the other outcome is right too)


@pytest.mark.parametrize(
    "text", ["mjd:", "mjd:nan", "mjd:1e99", "mjd:-1e99", "0001-01-01T00+14:00"]
)
def test_a_time_that_no_calendar_has_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a time"):
        parse_time(text)


SEXAGESIMAL = st.tuples(st.integers(0, 59), st.integers(0, 59), st.integers(0, 999))


@given(st.integers(0, 23), SEXAGESIMAL, st.sampled_from(["{}h{}m{}s", "{}:{}:{}", "{} {} {}"]))
def test_hours_are_the_right_ascension_of_astropy(
    hours: int, rest: tuple[int, int, int], form: str
) -> None:
    minutes, seconds, milli = rest
    text = form.format(hours, minutes, f"{seconds}.{milli:03}")
    assert parse_ra(text) == pytest.approx(Angle(text, unit="hourangle").deg, abs=1e-9)


@given(st.sampled_from("+- "), st.integers(0, 89), SEXAGESIMAL,
       st.sampled_from(["{}d{}m{}s", "{}:{}:{}", "{} {} {}"]))  # fmt: skip
def test_degrees_are_the_declination_of_astropy(
    sign: str, degrees: int, rest: tuple[int, int, int], form: str
) -> None:
    minutes, seconds, milli = rest
    text = sign + form.format(degrees, minutes, f"{seconds}.{milli:03}")
    expected = Angle(text.strip(), unit="deg").deg
    assert parse_dec(text) == pytest.approx(expected, abs=1e-9)


@given(st.floats(-360, 360))
def test_a_number_is_degrees(angle: float) -> None:
    assert 0 <= parse_ra(repr(angle)) < 360
    assert (parse_ra(repr(angle)) - angle) % 360 == pytest.approx(0, abs=1e-9) or angle < 0
    if abs(angle) <= 90:
        assert parse_dec(angle) == angle


@pytest.mark.parametrize(
    "text", ["nan", "inf", "1e999", "400", "24:00:00", "12:60:00", "12:00:60", "12:34", "x", "",
             "12d", "-91", "1" * 400],
)  # fmt: skip
def test_what_is_no_angle_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(ValueError, match="12h34m56s"):
        parse_ra(text if text != "-91" else "x")
    if text != "24:00:00":
        with pytest.raises(ValueError, match="-12d34m56s"):
            parse_dec(text)


def test_a_declination_has_no_hours() -> None:
    with pytest.raises(ValueError, match="degrees"):
        parse_dec("12h34m56s")


@pytest.mark.parametrize("parse", [parse_time, parse_ra, parse_dec])
def test_a_million_digits_that_are_no_number_are_refused_at_once(
    parse: Callable[[str], object],
) -> None:
    """With the square of them it would take hours."""
    for begin in ("", ".", "1.", "1e"):
        with pytest.raises(ValueError, match="write"):
            parse(f"{begin}{'1' * 1_000_000}x")
