"""Start and length of the exposure: FITS 4.0 section 9 and older conventions."""

import math
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from astropy.time import Time
from astropy.utils.iers import IERSRangeError
from astropy.utils.iers import conf as iers_settings

from sky.header.cards import Cards
from sky.header.errors import HeaderError

__all__ = ["Exposure", "check_exposure", "read_exposure"]

_MJD_EPOCH = datetime(1858, 11, 17, tzinfo=UTC)
_SECOND = timedelta(seconds=1)
_DAY_S = 86_400.0
# Two cards of one exposure may name its start on either side of midnight, local and universal.
_LARGEST_CONFLICT_S = 1.5 * _DAY_S
_MJD_RANGE = (-300_000.0, 2_900_000.0)  # years 1037 to 9798
# The first radio observation of the sky was later; no image integrates longer.
_EARLIEST = datetime(1930, 1, 1, tzinfo=UTC)
_LONGEST_S = 10 * _DAY_S
# TAI - GPS; GPS time has no leap seconds.
_TAI_MINUS_GPS_S = 19.0

# FITS 4.0 table 30 and what AIPS and older writers use. `ut1` differs from UTC by less than 0.9 s.
_SCALES = {
    "": "utc", "utc": "utc", "ut": "utc", "gmt": "utc", "z": "utc", "tai": "tai", "iat": "tai",
    "tt": "tt", "tdt": "tt", "et": "tt", "ut1": "ut1", "tdb": "tdb", "tcb": "tcb", "tcg": "tcg",
    "gps": "gps",
}  # fmt: skip

_ISO = re.compile(
    r"^([+-]?\d{4,5})-(\d{1,2})-(\d{1,2})(?:[T ](\d{1,2}):(\d{1,2})(?::(\d{1,2})(\.\d*)?)?)?"
    r"(Z|[+-]\d{2}:?\d{2})?$"
)
_OLD_DATE = re.compile(r"^(\d{1,2})/(\d{1,2})/(\d{2})$")  # dd/mm/yy, 20th century
_CLOCK = re.compile(r"^(\d{1,2}):(\d{1,2})(?::(\d{1,2})(\.\d*)?)?$")

# Units of a duration, by FITS 4.0 section 9.3 and as comments have them.
_TO_S = {"s": 1.0, "sec": 1.0, "ms": 1e-3, "us": 1e-6, "min": 60.0, "h": 3600.0, "hr": 3600.0,
         "d": _DAY_S, "day": _DAY_S, "days": _DAY_S}  # fmt: skip
# Durations that the standard defines are in the unit of TIMEUNIT.
_IN_TIMEUNIT = ("XPOSURE", "TELAPSE")
# Places minutes of light away, whose clocks show no time of ours: FITS 4.0, table 31.
_FAR = ("BARYC", "HELIO", "GALAC", "MERCURY", "VENUS", "MARS", "JUPITER", "SATURN", "URANUS",
        "NEPTUNE")  # fmt: skip

# DURATION is ASKAP's.
_DURATIONS = ("EXPTIME", "TAU_TIME", "XPOSURE", "EXPOSURE", "TELAPSE", "DURATION")
_CLOCK_CARDS = ("TIME-OBS", "UT", "UTC-OBS", "UTSTART")


@dataclass(frozen=True, slots=True)
class Exposure:
    """When an image was exposed.

    Parameters
    ----------
    time_start : datetime
        UTC.
    exposure_s : float
        0 where the header does not say.
    """

    time_start: datetime
    exposure_s: float


@dataclass(frozen=True, slots=True)
class _Moment:
    """A time of a card and how finely it is written [s]; a date alone is a day.

    `is_midnight`: whether its clock reads 0 h, as of a date that was written out.
    """

    card: str
    time: datetime
    resolution_s: float
    is_midnight: bool = False


def read_exposure(cards: Cards) -> Exposure:
    """Return start (UTC) and length of the exposure.

    Of the cards that give the start (DATE-BEG, MJD-BEG, DATE-OBS with TIME-OBS or UT, MJD-OBS)
    the finest counts; DATE-AVG or MJD-AVG less half the exposure is the last resort.

    Raises
    ------
    HeaderError
        Codes ``no_date``, ``bad_date``, ``bad_header``.

    References
    ----------
    FITS 4.0, section 9; Rots et al. 2015, A&A 574, A36.
    """
    _refuse_far(cards)
    scale = _scale(cards)
    starts = list(_starts(cards, scale))
    length_s = _duration(cards)
    if not any(moment.resolution_s < _DAY_S for moment in starts):
        middles = list(_moments(cards, ("DATE-AVG",), ("MJD-AVG",), scale))
        if middles or not starts:
            return _from_middle(cards, middles, length_s, scale)
    start = _finest(starts)
    if length_s is None:
        end = _optional_end(cards, scale)
        length_s = max((end.time - start.time) / _SECOND, 0.0) if end else 0.0
    return Exposure(start.time, length_s)


def _optional_end(cards: Cards, scale: str) -> _Moment | None:
    """Return the end of the exposure; None where no card has a time that can be read."""
    names = ("DATE-END", "END_UTC", "MJD-END")
    try:
        ends = list(_moments(cards, names[:2], names[2:], scale))
        return _finest(ends) if ends else None
    except HeaderError:
        for name in names:
            if name in cards:
                cards.ignore(name)
        return None


def check_exposure(time_start: datetime, exposure_s: float, *, latest: datetime) -> None:
    """Refuse an exposure that no telescope can have made.

    Parameters
    ----------
    time_start : datetime
        Start of the exposure, UTC.
    exposure_s : float
        Its length [s].
    latest : datetime
        A later start is impossible.

    Raises
    ------
    HeaderError
        Code ``bad_date``.
    """
    if not _EARLIEST <= time_start <= latest:
        raise HeaderError(
            "bad_date",
            f"the exposure starts at {time_start.isoformat()}; images from 1930 to "
            f"{latest.isoformat(timespec='seconds')} are accepted (LIVETRAP_INGEST__MAX_FUTURE_S)",
        )
    if exposure_s > _LONGEST_S:
        raise HeaderError(
            "bad_date", f"an exposure of {exposure_s:g} s is longer than {_LONGEST_S:g} s"
        )


def _from_middle(
    cards: Cards, middles: list[_Moment], length_s: float | None, scale: str
) -> Exposure:
    if not middles:
        raise HeaderError(
            "no_date", "no date: set DATE-OBS to the start of the exposure, ISO 8601 UTC"
        )
    middle = _finest(middles)
    if length_s is None:
        end = _optional_end(cards, scale)
        length_s = max(2 * (end.time - middle.time) / _SECOND, 0.0) if end else 0.0
    # Of an exposure with pauses, the middle is that of its whole time.
    elapsed_s = max(_seconds(cards, "TELAPSE") or 0.0, length_s)
    try:
        start = middle.time - timedelta(seconds=elapsed_s / 2)
    except OverflowError:
        raise HeaderError("bad_date", f"an exposure of {elapsed_s:g} s is impossible") from None
    return Exposure(start, length_s)


def _scale(cards: Cards) -> str:
    """Return the time scale of all date cards; `utc` where none is named."""
    text = cards.required_text("TIMESYS") or ""
    name = text.lower().split("(")[0].strip()
    if name not in _SCALES:
        raise HeaderError(
            "bad_date",
            f"TIMESYS is {text!r}, and times in it cannot be converted to UTC; write UTC, TAI, "
            "TT, TDB, UT1 or GPS",
        )
    return _SCALES[name]


def _duration(cards: Cards) -> float | None:
    """Return the exposure [s]; None if no card gives it, or only 0."""
    for name in _DURATIONS:
        value = _seconds(cards, name)
        if value is not None and value < 0:
            raise HeaderError("bad_date", f"{name} is {value:g} s: an exposure is not negative")
        # Zero is what writes the card and does not know it.
        if value:
            return value
    return None


def _seconds(cards: Cards, name: str) -> float | None:
    value = cards.number(name)
    if value is None:
        return None
    scale = cards.scale(name, _TO_S)
    if scale == 1.0 and name in _IN_TIMEUNIT:
        scale = _TO_S.get((cards.text("TIMEUNIT") or "s").lower(), 1.0)
    return value * scale


def _refuse_far(cards: Cards) -> None:
    place = cards.text("TREFPOS") or ""
    if place.upper().startswith(_FAR):
        raise HeaderError(
            "bad_date",
            f"TREFPOS is {place!r}: the times are those of light there, minutes from ours; write "
            "the times of the telescope (TOPOCENTER)",
        )


def _starts(cards: Cards, scale: str) -> Iterator[_Moment]:
    yield from _moments(cards, ("DATE-BEG",), ("MJD-BEG",), scale)
    yield from _moments(cards, ("DATE-OBS", "DATE_OBS"), ("MJD-OBS",), scale)


def _moments(
    cards: Cards, dates: tuple[str, ...], days: tuple[str, ...], scale: str
) -> Iterator[_Moment]:
    for name in dates:
        text = cards.required_text(name)
        if text is not None:
            yield _from_text(cards, name, text, scale)
    for name in days:
        value = cards.required_number(name)
        if value is not None:
            yield _from_mjd(cards, name, value, scale)


def _finest(moments: list[_Moment]) -> _Moment:
    """Return the finest time; the first card counts among equals.

    Raises
    ------
    HeaderError
        Code ``bad_date`` if none has a time of day, or two cards are days apart.
    """
    finest = min(moments, key=lambda moment: _resolution_among(moment, moments))
    for other in moments:
        if abs((other.time - finest.time) / _SECOND) > _LARGEST_CONFLICT_S:
            raise HeaderError(
                "bad_date",
                f"{finest.card} says {finest.time.isoformat()} and {other.card} says "
                f"{other.time.isoformat()}: correct one of them",
            )
    if finest.resolution_s >= _DAY_S:
        raise HeaderError(
            "bad_date",
            f"{finest.card} is a date without a time of day; write it as "
            "2024-03-05T06:07:08.5, or add TIME-OBS or MJD-OBS",
        )
    return finest


def _resolution_among(moment: _Moment, others: list[_Moment]) -> float:
    """Return how fine a time is [s]; a midnight that another card contradicts is a date."""
    is_contradicted = any(
        other.resolution_s < _DAY_S
        and abs((other.time - moment.time) / _SECOND) > other.resolution_s + moment.resolution_s
        for other in others
    )
    return _DAY_S if moment.is_midnight and is_contradicted else moment.resolution_s


def _from_text(cards: Cards, name: str, text: str, scale: str) -> _Moment:
    text = text.strip('" ').split(";")[0].strip('" ')  # WSClean of 2014 wrote `"...";`
    try:
        day, clock, offset = _split(text)
        if (clock is None or clock[1] == 0) and name.endswith("OBS"):
            clock = _clock_of_day(cards) or clock
        resolution_s, seconds = clock or (_DAY_S, 0.0)
        moment = datetime(*day, tzinfo=UTC) + timedelta(seconds=seconds) - offset
        return _Moment(name, _to_utc(moment, scale), resolution_s, is_midnight=seconds == 0)
    except (ValueError, OverflowError) as error:
        raise HeaderError(
            "bad_date", f"cannot read {name} = {text!r}: {error}; write ISO 8601 UTC"
        ) from None


def _split(text: str) -> tuple[tuple[int, int, int], tuple[float, float] | None, timedelta]:
    """Return year, month, day; resolution and second of day if there are any; offset from UTC."""
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
    if h > 24 or m > 59 or s > 60:
        raise ValueError("there is no such time of day")
    part = float("0" + fraction) if fraction and fraction != "." else 0.0
    resolution_s = 60.0 if second is None else 10.0 ** -len((fraction or ".")[1:])
    return resolution_s, 3600.0 * h + 60.0 * m + s + part


def _offset(text: str | None) -> timedelta:
    if text is None or text == "Z":
        return timedelta(0)
    minutes = 60 * int(text[1:3]) + int(text[-2:])
    return timedelta(minutes=-minutes if text[0] == "-" else minutes)


def _clock_of_day(cards: Cards) -> tuple[float, float] | None:
    """Return the time of day that old headers keep in a card of its own."""
    for name in _CLOCK_CARDS:
        if (text := cards.text(name)) is None:
            continue
        if match := _CLOCK.match(text.strip('"')):
            return _clock(match[1], match[2], match[3], match[4])
        cards.ignore(name)
    return None


def _from_mjd(cards: Cards, name: str, mjd: float, scale: str) -> _Moment:
    if not _MJD_RANGE[0] <= mjd <= _MJD_RANGE[1]:
        raise HeaderError("bad_date", f"{name} is {mjd:g}: no modified Julian date of an image")
    day, fraction = divmod(mjd, 1.0)
    moment = _MJD_EPOCH + timedelta(days=day, microseconds=round(fraction * _DAY_S * 1e6))
    try:
        return _Moment(name, _to_utc(moment, scale), _resolution_s(cards.image(name), fraction))
    except (ValueError, OverflowError) as error:
        raise HeaderError("bad_date", f"cannot convert {name} = {mjd:g}: {error}") from None


def _resolution_s(card: str, fraction: float) -> float:
    """Return how finely a Julian date is written [s]; a bare number of days is a day."""
    match = re.search(r"=\s*'?\s*[-+]?\d*\.?(\d*)(?:[EeDd]([+-]?\d{1,2}))?", card)
    n_digits = len(match[1]) - int(match[2] or 0) if match else 0
    if fraction == 0 and n_digits <= 1:
        return _DAY_S
    return _DAY_S * 10.0 ** -max(n_digits, 0)


def _to_utc(moment: datetime, scale: str) -> datetime:
    """Return a moment whose clock runs in `scale` as UTC."""
    if scale == "utc":
        return moment
    if scale == "gps":
        moment, scale = moment + timedelta(seconds=_TAI_MINUS_GPS_S), "tai"
    with (
        warnings.catch_warnings(),
        iers_settings.set_temp("auto_download", value=False),
        iers_settings.set_temp("auto_max_age", value=None),
    ):
        warnings.simplefilter("ignore")  # dubious years are refused elsewhere
        time = Time(moment.replace(tzinfo=None), scale=scale)
        try:
            shift_s = _utc_minus(time)
        except IERSRangeError:
            shift_s = 0.0  # UT1 beyond the tables: it is kept within 0.9 s of UTC
        except Exception as error:
            # astropy and erfa have several classes for a date outside of their tables.
            raise ValueError(f"no conversion from {scale} at that date") from error
    return moment + timedelta(seconds=shift_s)


def _utc_minus(time: Time) -> float:
    """Return the difference of the clock readings UTC minus `time`'s own scale [s]."""
    utc = time.utc
    days = (utc.jd1 - time.jd1) + (utc.jd2 - time.jd2)
    shift_s = float(days) * _DAY_S
    if not math.isfinite(shift_s):
        raise ValueError("the tables of UTC do not reach it")
    return shift_s
