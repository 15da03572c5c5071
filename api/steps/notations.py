"""Times and angles in the notations of astronomers."""

import math
import re
from datetime import UTC, datetime, timedelta

__all__ = ["parse_dec", "parse_ra", "parse_time"]

_MJD_EPOCH = datetime(1858, 11, 17, tzinfo=UTC)
# Possessive: given back, the digits of a long text that is no number cost the square of them.
_NUMBER = re.compile(r"[+-]?(\d++\.?\d*+|\.\d++)(e[+-]?\d++)?", re.IGNORECASE)
_SPACE_FOR_PLUS = re.compile(r".*\d\d:\d\d(:\d\d(\.\d+)?)? \d\d:?(\d\d)?")
_SEXAGESIMAL = re.compile(
    r"(?P<sign>[+-]?)(?P<whole>\d{1,3})(?:(?P<unit>[hd])|:|°| )\s*"
    r"(?P<minutes>\d{1,2})(?:[m:'′]|\s)\s*"  # noqa: RUF001  (a prime is how minutes are written)
    r"(?P<seconds>\d{1,2}(?:\.\d*)?)(?:s|''|\"|″)?"
)
_TIME_FORMS = "write ISO 8601 (2026-11-23T20:00:00Z) or mjd:61367.8"


def parse_time(text: str) -> datetime:
    """Return an instant, in UTC.

    Parameters
    ----------
    text : str
        ISO 8601, UTC without a time zone; or ``mjd:`` and a modified Julian date [d].

    Raises
    ------
    ValueError
        If it is neither, or no date of the years 1 to 9999; the message says what to write.
    """
    text = text.strip()
    if _NUMBER.fullmatch(text):
        raise ValueError(
            f"a bare number is no time, for it could be an MJD or seconds of 1970; {_TIME_FORMS}"
        )
    if _SPACE_FOR_PLUS.fullmatch(text):
        raise ValueError("a + in an address means a space; write %2B for it, or a time with Z")
    try:
        return _from_mjd(text[4:]) if text[:4].lower() == "mjd:" else _from_iso(text)
    except (ValueError, OverflowError):
        raise ValueError(f"not a time; {_TIME_FORMS}") from None


def _from_iso(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def _from_mjd(text: str) -> datetime:
    if not _NUMBER.fullmatch(text):
        raise ValueError(text)
    return _MJD_EPOCH + timedelta(days=float(text))


def parse_ra(text: str | float) -> float:
    """Return a right ascension [deg], within [0, 360).

    Parameters
    ----------
    text : str or float
        Degrees from -360 to 360, or hours, minutes and seconds: ``12h34m56s``, ``12:34:56``.

    Raises
    ------
    ValueError
        If it is neither; the message says what to write.
    """
    angle = _parse_angle(text, unit="h")
    if angle is None or not -360 <= angle <= 360:
        raise ValueError(
            "not a right ascension; write degrees from -360 to 360, 12h34m56s or 12:34:56 (hours)"
        )
    return angle % 360.0 % 360.0  # the first rounds tiny negative angles up to 360 itself


def parse_dec(text: str | float) -> float:
    """Return a declination [deg].

    Parameters
    ----------
    text : str or float
        Degrees from -90 to 90, or degrees, minutes and seconds: ``-12d34m56s``, ``-12:34:56``.

    Raises
    ------
    ValueError
        If it is neither; the message says what to write.
    """
    angle = _parse_angle(text, unit="d")
    if angle is None or not -90 <= angle <= 90:
        raise ValueError(
            "not a declination; write degrees from -90 to 90, -12d34m56s or -12:34:56"
        )
    return angle


def _parse_angle(text: str | float, *, unit: str) -> float | None:
    """Return an angle [deg]; a sexagesimal one has hours or degrees. None: it is none."""
    plain = str(text).strip()
    if _NUMBER.fullmatch(plain):
        value = float(plain)
        return value if math.isfinite(value) else None
    found = _SEXAGESIMAL.fullmatch(plain)
    if found is None or (found["unit"] or unit) not in {unit, "d"}:
        return None
    minutes, seconds = int(found["minutes"]), float(found["seconds"])
    if minutes >= 60 or seconds >= 60:
        return None
    is_hours = unit == "h" and found["unit"] != "d"
    if is_hours and int(found["whole"]) >= 24:
        return None
    value = int(found["whole"]) + minutes / 60 + seconds / 3600
    return (-value if found["sign"] == "-" else value) * (15 if is_hours else 1)
