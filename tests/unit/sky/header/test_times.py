"""Dates as FITS 4.0 means them, whichever card and scale they are written in."""

from datetime import UTC, datetime, timedelta

import pytest
from astropy.io.fits import Header
from astropy.time import Time
from hypothesis import example, given
from hypothesis import strategies as st

from sky.header.cards import Cards
from sky.header.errors import HeaderError
from sky.header.times import Exposure, read_exposure

START = datetime(2024, 3, 5, 6, 7, 8, 500_000, tzinfo=UTC)
ISO = "2024-03-05T06:07:08.5"
MJD = 60374.254959491
MILLISECOND = timedelta(milliseconds=1)
MOMENTS = st.datetimes(datetime(1980, 1, 1), datetime(2025, 12, 31))  # noqa: DTZ001  (naive)


def read(**cards: object) -> Exposure:
    return read_exposure(
        Cards(
            Header(
                [
                    (name if name == "TAU_TIME" else name.replace("_", "-"), value)
                    for name, value in cards.items()
                ]
            )
        )
    )


def refusal(**cards: object) -> HeaderError:
    with pytest.raises(HeaderError, match=r".{10}") as caught:
        read(**cards)
    return caught.value


@pytest.mark.parametrize(
    "cards",
    [
        {"DATE_OBS": ISO},
        {"DATE_OBS": ISO + "Z"},
        {"DATE_OBS": "2024-03-05T08:07:08.5+02:00"},
        {"DATE_OBS": f'"{ISO}";'},
        {"DATE_OBS": "2024-03-05", "MJD_OBS": MJD},
        {"DATE_OBS": "2024-03-05", "TIME_OBS": "06:07:08.5"},
        {"DATE_OBS": "2024-03-05", "UT": "06:07:08.5"},
        {"DATE_OBS": "2024-03-05T06:07", "MJD_OBS": MJD},
        {"DATE_OBS": "05/03/24", "DATE_BEG": ISO} | {"DATE_OBS": "2024-03-05"},
        {"DATE_BEG": ISO},
        {"MJD_BEG": MJD},
        {"MJD_OBS": MJD},
        {"MJD_OBS": str(MJD)},
        {"DATE_AVG": "2024-03-05T06:07:13.5", "EXPTIME": 10.0},
        {"DATE_OBS": "2024-03-05", "DATE_AVG": "2024-03-05T06:07:13.5", "EXPTIME": 10.0},
        {"DATE_AVG": "2024-03-05T06:07:13.5", "XPOSURE": 3.0, "TELAPSE": 10.0},
        {"DATE_OBS": "2024-03-05T00:00:00.000", "MJD_OBS": MJD},
        {"DATE_OBS": "2024-03-05T00:00:00", "TIME_OBS": "06:07:08.5"},
        {"DATE_OBS": "2024-03-05T00:00:00.000", "DATE_BEG": ISO},
        {"DATE_OBS": "2024-03-05T06:07:26.5", "TIMESYS": "GPS"},
        {"DATE_OBS": "2024-03-05T06:07:45.5", "TIMESYS": "IAT"},
        {"DATE_OBS": "2024-03-05T06:07:45.5", "TIMESYS": "TAI"},
        {"DATE_OBS": "2024-03-05T06:08:17.684", "TIMESYS": "TT(TAI)"},
        {"DATE_OBS": "2024-03-05T06:08:17.684", "TIMESYS": "TDT"},
        {"DATE_OBS": ISO, "TIMESYS": "UTC(NIST)"},
        {"DATE_OBS": ISO, "TIMESYS": "GMT"},
    ],
)
def test_the_start_is_the_same_in_every_spelling(cards: dict[str, object]) -> None:
    assert abs(read(**cards).time_start - START) < timedelta(seconds=0.01)


def test_a_date_of_the_last_century_is_finished_by_the_julian_date() -> None:
    assert read(DATE_OBS="05/03/94", MJD_OBS=49416.25).time_start == datetime(
        1994, 3, 5, 6, tzinfo=UTC
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-03-05T06:07:60.0", datetime(2024, 3, 5, 6, 8, tzinfo=UTC)),
        ("2016-12-31T23:59:60.5", datetime(2017, 1, 1, 0, 0, 0, 500_000, tzinfo=UTC)),
        ("2024-03-05T24:00:00", datetime(2024, 3, 6, tzinfo=UTC)),
        ("2024-03-05T00:00:00", datetime(2024, 3, 5, tzinfo=UTC)),
    ],
)
def test_second_60_and_midnight_are_times(text: str, expected: datetime) -> None:
    assert read(DATE_OBS=text).time_start == expected


@pytest.mark.parametrize(
    ("code", "cards"),
    [
        ("no_date", {}),
        ("no_date", {"EXPTIME": 10.0}),
        ("bad_date", {"DATE_OBS": "2024-03-05"}),
        ("bad_date", {"DATE_OBS": "2024-03-05", "MJD_OBS": 60374.0}),
        ("bad_date", {"DATE_OBS": "yesterday"}),
        ("bad_date", {"DATE_OBS": "2024-13-05T00:00:00"}),
        ("bad_date", {"DATE_OBS": "2024-03-05T25:00:00"}),
        ("bad_date", {"DATE_OBS": "9999-12-31T23:59:60"}),
        ("bad_date", {"DATE_OBS": ISO, "TIMESYS": "LOCAL"}),
        ("bad_date", {"DATE_OBS": ISO, "TIMESYS": "MARS"}),
        ("bad_date", {"DATE_OBS": ISO, "MJD_OBS": 50000.5}),
        ("bad_date", {"MJD_OBS": 1e30}),
        ("bad_date", {"DATE_OBS": ISO, "EXPTIME": -1.0}),
        ("bad_date", {"DATE_AVG": ISO, "EXPTIME": 1e30}),
        ("bad_header", {"MJD_OBS": "soon"}),
    ],
)
def test_what_is_no_time_is_refused_by_name(code: str, cards: dict[str, object]) -> None:
    assert refusal(**cards).code == code


@pytest.mark.parametrize(
    ("cards", "expected_s"),
    [
        ({"EXPTIME": 10.0}, 10.0),
        ({"TAU_TIME": 8.0}, 8.0),
        ({"DATE_END": "2024-03-05T06:07:18.5"}, 10.0),
        ({"MJD_END": MJD + 10 / 86400}, 10.0),
        ({"DATE_END": "2024-03-05T06:00:00"}, 0.0),
        ({"EXPTIME": 0.0, "DATE_END": "2024-03-05T06:07:18.5"}, 10.0),
        ({"EXPTIME": 0.0, "XPOSURE": 3.0}, 3.0),
        ({"DATE_END": "2024-03-05"}, 0.0),
        ({"DATE_END": "noon"}, 0.0),
        ({"MJD_END": 1e30}, 0.0),
        ({"EXPTIME": 0.0}, 0.0),
        ({}, 0.0),
    ],
)
def test_the_exposure_is_read_or_the_difference(
    cards: dict[str, object], expected_s: float
) -> None:
    assert read(DATE_OBS=ISO, **cards).exposure_s == pytest.approx(expected_s, abs=2e-4)


@pytest.mark.parametrize(
    ("cards", "expected_s"),
    [
        ([("EXPTIME", 2.0, "[min] on source")], 120.0),
        ([("EXPTIME", 2000.0, "[ms]")], 2.0),
        ([("EXPTIME", 2.0, "[s] exposure")], 2.0),
        ([("EXPTIME", 2.0, "minutes, not seconds")], 2.0),
        ([("EXPOSURE", 0.5, "[h]")], 1800.0),
        ([("XPOSURE", 0.001), ("TIMEUNIT", "d")], 86.4),
        ([("XPOSURE", 2.0, "[min]"), ("TIMEUNIT", "d")], 120.0),
        ([("TELAPSE", 3.0), ("TIMEUNIT", "min")], 180.0),
        ([("EXPTIME", 3.0), ("TIMEUNIT", "d")], 3.0),
        ([("XPOSURE", 3.0), ("TIMEUNIT", "jiffy")], 3.0),
    ],
)
def test_an_exposure_is_in_the_unit_that_the_header_names(
    cards: list[tuple[str, ...]], expected_s: float
) -> None:
    header = Header([("DATE-OBS", ISO), *cards])
    assert read_exposure(Cards(header)).exposure_s == pytest.approx(expected_s)


@given(st.floats(0.1, 5000.0))
def test_middle_and_end_give_start_and_length(length_s: float) -> None:
    middle, end = (START + timedelta(seconds=length_s * part) for part in (0.5, 1.0))
    read_back = read(DATE_AVG=text_of(middle), DATE_END=text_of(end))
    assert read_back.exposure_s == pytest.approx(length_s, abs=5e-6)
    assert abs(read_back.time_start - START) < timedelta(microseconds=5)


def text_of(moment: datetime) -> str:
    return moment.replace(tzinfo=None).isoformat(timespec="microseconds")


@pytest.mark.parametrize("place", ["BARYCENTER", "HELIOCEN", "galactic center", "JUPITER"])
def test_times_at_a_place_minutes_away_are_refused(place: str) -> None:
    assert refusal(DATE_OBS=ISO, TREFPOS=place).code == "bad_date"


@pytest.mark.parametrize("place", ["TOPOCENTER", "GEOCENTE", "RELOCATABLE", "CUSTOM", ""])
def test_times_at_the_telescope_are_taken(place: str) -> None:
    assert read(DATE_OBS=ISO, TREFPOS=place).time_start == START


def test_an_end_that_cannot_be_read_is_noted() -> None:
    cards = Cards(Header([("DATE-OBS", ISO), ("DATE-END", "2024-03-05")]))
    read_exposure(cards)
    assert cards.ignored == ["DATE-END"]


def test_a_midnight_that_another_card_agrees_with_is_the_start() -> None:
    start = read(DATE_OBS="2024-03-05T00:00:00", MJD_OBS=60374.0, EXPTIME=8.0)
    assert start.time_start == datetime(2024, 3, 5, tzinfo=UTC)


def test_the_end_is_in_the_scale_of_the_start() -> None:
    tai = read(DATE_OBS=ISO, DATE_END="2024-03-05T06:07:18.5", TIMESYS="TAI")
    assert tai.exposure_s == pytest.approx(10.0)


@given(MOMENTS, st.sampled_from(["tai", "tt", "tdb", "tcb", "tcg", "ut1"]))
def test_every_scale_is_converted_as_astropy_does(moment: datetime, scale: str) -> None:
    # `unix` of astropy stretches the days with a leap second; its clock does not.
    clock = Time(moment, scale=scale, precision=6).utc.isot
    day, second = clock[:17], float(clock[17:])
    expected = datetime.fromisoformat(f"{day}00").replace(tzinfo=UTC) + timedelta(seconds=second)
    got = read(DATE_OBS=moment.isoformat(timespec="microseconds"), TIMESYS=scale.upper())
    assert abs(got.time_start - expected) <= timedelta(microseconds=10)


@given(st.text(max_size=40).filter(lambda text: text.isascii() and text.isprintable()))
def test_any_text_is_a_date_or_refused(text: str) -> None:
    try:
        assert read(DATE_OBS=text).time_start.tzinfo is UTC
    except HeaderError as error:
        assert error.code in {"no_date", "bad_date", "bad_header"}  # noqa: PT017


@pytest.mark.parametrize(
    ("cards", "start", "exposure_s"),
    [
        ({"MJDREFI": 57204, "MJDREFF": 0.5, "TSTART": 3600.25, "TSTOP": 3700.25},
         "2015-07-01T13:00:00.250", 100.0),
        ({"MJDREF": 57204.0, "TSTART": 0.125, "TSTOP": 0.25, "TIMEUNIT": "d"},
         "2015-07-01T03:00:00", 10_800.0),
        ({"JDREF": 2457204.5, "TSTART": 77.184, "TIMESYS": "TT", "TELAPSE": 30.0},
         "2015-07-01T00:00:09", 30.0),
        ({"DATEREF": "2015-06-30T23:59:00", "TSTART": 70.0}, "2015-07-01T00:00:09", 0.0),
        ({"DATE_OBS": "2015-07-01", "MJDREF": 57204.0, "TSTART": 43_200.5},
         "2015-07-01T12:00:00.5", 0.0),
        ({"MJDREF": 57204.0, "TSTART": 10.0, "TIMEOFFS": 5.0}, "2015-07-01T00:00:15", 0.0),
    ],
)  # fmt: skip
def test_times_count_from_the_reference_of_the_header(
    cards: dict[str, object], start: str, exposure_s: float
) -> None:
    """One of them counts a leap second, that of June 2015."""
    got = read(**cards)
    assert abs(got.time_start - datetime.fromisoformat(start).replace(tzinfo=UTC)) < MILLISECOND
    assert got.exposure_s == pytest.approx(exposure_s)


@given(
    st.sampled_from(["MJDREF", "MJDREFI", "MJDREFF", "JDREF", "JDREFI", "JDREFF"]),
    st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**18), 10**18),
)
@example("JDREF", 0.0)
@example("MJDREF", 1e300)
def test_a_reference_is_a_date_or_refused_by_name(name: str, value: float) -> None:
    try:
        got = read(DATE_OBS=ISO, **{name: value})
    except HeaderError as raised:
        refused = raised.code, str(raised).split(":")[0]
    else:
        refused = None
        assert got.time_start == START
    kind = "JDREF" if name.startswith("J") else "MJDREF"
    assert refused in (None, ("bad_date", f"{kind} is no date"))


def test_an_elapsed_time_without_a_reference_is_no_date() -> None:
    assert refusal(TSTART=10.0).code == "no_date"


@pytest.mark.parametrize("scale", ["TAI", "TT", "TDB", "GPS"])
def test_a_clock_is_converted_on_a_day_with_a_leap_second(scale: str) -> None:
    """The day of UTC has 86 401 s, and a difference of Julian dates stretches it."""
    got = read(DATE_OBS="2016-12-31T23:00:00.25", TIMESYS=scale)
    lag_s = {"TAI": 36.0, "TT": 68.184, "TDB": 68.184, "GPS": 17.0}[scale]
    expected = datetime(2016, 12, 31, 23, tzinfo=UTC) + timedelta(seconds=0.25 - lag_s)
    assert abs(got.time_start - expected) < 2 * MILLISECOND


def test_of_two_times_of_an_exposure_the_first_is_its_start() -> None:
    middle = MJD + 300 / 86_400
    assert abs(read(DATE_OBS=ISO, MJD_OBS=middle, EXPTIME=600.0).time_start - START) < MILLISECOND


def test_two_times_that_are_hours_apart_are_refused() -> None:
    error = refusal(DATE_OBS=ISO, MJD_OBS=60374.50000001, EXPTIME=10.0)
    assert error.code == "bad_date"
    assert "DATE-OBS says" in str(error)
    assert "MJD-OBS says" in str(error)


@pytest.mark.parametrize("clock", ["24:00:01", "24:30:00", "25:00:00"])
def test_a_day_ends_at_24_hours(clock: str) -> None:
    assert refusal(DATE_OBS=f"2015-06-29T{clock}").code == "bad_date"
