"""The texts of dates and of times of day: ISO 8601, and the old dd/mm/yy."""

import re
from datetime import timedelta

__all__ = ["split_clock", "split_date"]

_ISO = re.compile(
    r"^([+-]?\d{4,5})-(\d{1,2})-(\d{1,2})(?:[T ](\d{1,2}):(\d{1,2})(?::(\d{1,2})(\.\d*)?)?)?"
    r"(Z|[+-]\d{2}:?\d{2})?$"
)
_OLD_DATE = re.compile(r"^(\d{1,2})/(\d{1,2})/(\d{2})$")  # dd/mm/yy, 20th century
_CLOCK = re.compile(r"^(\d{1,2}):(\d{1,2})(?::(\d{1,2})(\.\d*)?)?$")


def split_clock(text: str) -> tuple[float, float] | None:
    """Return resolution [s] and second of a time of day; None if the text is none.

    Raises
    ------
    ValueError
        If there is no such time of day.
    """
    match = _CLOCK.match(text)
    return None if match is None else _clock(match[1], match[2], match[3], match[4])


def split_date(text: str) -> tuple[tuple[int, int, int], tuple[float, float] | None, timedelta]:
    """Return year, month, day; resolution and second of day if there are any; offset from UTC.

    Raises
    ------
    ValueError
        If the text is no date.
    """
    if match := _OLD_DATE.match(text):
        day, month, year = map(int, match.groups())
        return (1900 + year, month, day), None, timedelta(0)
    match = _ISO.match(text)
    if match is None:
        raise ValueError("it is no date")
    year, month, day = (int(match[i]) for i in (1, 2, 3))
    clock = None if match[4] is None else _clock(match[4], match[5], match[6], match[7])
    return (year, month, day), clock, _offset(match[8])


def _clock(
    hour: str, minute: str, second: str | None, fraction: str | None
) -> tuple[float, float]:
    """Return resolution and second of day; second 60 is the next minute's first."""
    h, m, s = int(hour), int(minute), int(second or 0)
    if h > 24 or m > 59 or s > 60 or (h == 24 and (m or s)):
        raise ValueError("there is no such time of day")
    part = float("0" + fraction) if fraction and fraction != "." else 0.0
    resolution_s = 60.0 if second is None else 10.0 ** -len((fraction or ".")[1:])
    return resolution_s, 3600.0 * h + 60.0 * m + s + part


def _offset(text: str | None) -> timedelta:
    if text is None or text == "Z":
        return timedelta(0)
    minutes = 60 * int(text[1:3]) + int(text[-2:])
    return timedelta(minutes=-minutes if text[0] == "-" else minutes)
