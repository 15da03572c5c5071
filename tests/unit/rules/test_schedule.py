"""Hours of the week: days, midnight, zones."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.schedule import ScheduleError, parse_schedule

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
minutes = st.integers(0, 24 * 60 - 1)


def at(day: int, hour: int, minute: int = 0) -> datetime:
    return MONDAY + timedelta(days=day, hours=hour, minutes=minute)


def test_a_night_of_friday_ends_on_saturday() -> None:
    nights = parse_schedule("mon-fri 20:00-06:00")
    assert nights.contains(at(4, 23))
    assert nights.contains(at(5, 5, 59))
    assert not nights.contains(at(5, 6))
    assert not nights.contains(at(5, 20))
    assert not nights.contains(at(0, 5))  # of the night of Sunday


def test_parts_and_days_may_be_several() -> None:
    found = parse_schedule("sat,sun 00:00-24:00; wed 12:00-13:00")
    assert [found.contains(at(day, 12, 30)) for day in range(7)] == [
        False, False, True, False, False, True, True,
    ]  # fmt: skip
    assert parse_schedule("sat-mon 10:00-11:00").contains(at(0, 10))


@given(start=minutes, stop=minutes, minute=st.integers(0, 7 * 24 * 60 - 1))
def test_every_day_is_the_same_without_days(start: int, stop: int, minute: int) -> None:
    text = f"{start // 60:02d}:{start % 60:02d}-{stop // 60:02d}:{stop % 60:02d}"
    of_day = minute % (24 * 60)
    inside = start <= of_day < stop if start < stop else of_day >= start or of_day < stop
    assert parse_schedule(text).contains(MONDAY + timedelta(minutes=minute)) == inside


def test_a_time_of_another_zone_is_the_same_time() -> None:
    zone = timezone(timedelta(hours=5))
    assert parse_schedule("mon 20:00-21:00").contains(at(0, 20, 30).astimezone(zone))


@pytest.mark.parametrize(
    "text", ["", ";", "20:00", "20:00-25:00", "10:60-11:00", "monday 1:00-2:00", "mon- 1:00-2:00",
             "mon tue 1:00-2:00;", "1:00-2:00" * 100],
)  # fmt: skip
def test_what_is_no_schedule_is_refused_with_words(text: str) -> None:
    with pytest.raises(ScheduleError, match=r"write days and times|longer than"):
        parse_schedule(text)
