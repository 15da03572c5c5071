"""Hours of the week, UTC: when alerts are wanted."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

__all__ = ["Schedule", "ScheduleError", "parse_schedule"]

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MINUTES_PER_DAY = 24 * 60
_MINUTES_PER_WEEK = 7 * _MINUTES_PER_DAY
_MAX_CHARS = 500
_PART = re.compile(r"^(?:([a-z,\- ]+?)\s+)?(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})$")
_USAGE = "write days and times in UTC, such as `mon-fri 20:00-06:00; sat,sun 00:00-24:00`"


class ScheduleError(ValueError):
    """A text is no schedule; the message says what is wrong."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """Parts of a week.

    Parameters
    ----------
    parts : tuple of (int, int)
        First minute of each part from Monday 0 h on, and its length [min].
    """

    parts: tuple[tuple[int, int], ...]

    def contains(self, time: datetime) -> bool:
        """Return whether a time is in one of its parts."""
        utc = time.astimezone(UTC)
        minute = utc.weekday() * _MINUTES_PER_DAY + utc.hour * 60 + utc.minute
        return any((minute - start) % _MINUTES_PER_WEEK < length for start, length in self.parts)


def parse_schedule(text: str) -> Schedule:
    """Return the schedule of a text such as ``mon-fri 20:00-06:00; sat,sun 00:00-24:00``.

    A part that ends before it starts ends on the next day; without days it is of every day.

    Raises
    ------
    ScheduleError
        If it is none.
    """
    if len(text) > _MAX_CHARS:
        raise ScheduleError(f"longer than {_MAX_CHARS} characters")
    parts: list[tuple[int, int]] = []
    for part in text.lower().split(";"):
        found = _PART.match(part.strip())
        if found is None:
            raise ScheduleError(f"{part.strip()!r} is no part of a week; {_USAGE}")
        start, stop = (_to_minute(found[n], found[n + 1], part) for n in (2, 4))
        length = (stop - start) % _MINUTES_PER_DAY or _MINUTES_PER_DAY
        parts += [(day * _MINUTES_PER_DAY + start, length) for day in _to_days(found[1], part)]
    return Schedule(tuple(parts))


def _to_minute(hour: str, minute: str, part: str) -> int:
    total = int(hour) * 60 + int(minute)
    if int(minute) > 59 or total > _MINUTES_PER_DAY:
        raise ScheduleError(f"{part.strip()!r}: {hour}:{minute} is no time of a day; {_USAGE}")
    return total


def _to_days(text: str | None, part: str) -> list[int]:
    if text is None:
        return list(range(7))
    days: list[int] = []
    for word in text.replace(" ", "").split(","):
        first, dash, last = word.partition("-")
        if first not in _DAYS or (last if dash else first) not in _DAYS:
            raise ScheduleError(f"{part.strip()!r}: days are {', '.join(_DAYS)}; {_USAGE}")
        start, n_days = _DAYS.index(first), _DAYS.index(last or first) - _DAYS.index(first)
        days += [(start + each) % 7 for each in range(n_days % 7 + 1)]
    return days
