"""Start and length of the exposure: FITS 4.0 section 9 and older conventions."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sky.header.cards import Cards
from sky.header.date_text import split_clock, split_date
from sky.header.errors import HeaderError
from sky.header.time_scales import SCALES, add_elapsed, to_utc

__all__ = ["TIME_CARDS", "Exposure", "check_exposure", "read_exposure"]

_MJD_EPOCH = datetime(1858, 11, 17, tzinfo=UTC)
_SECOND = timedelta(seconds=1)
_DAY_S = 86_400.0
# Two cards of one exposure may name its start on either side of midnight, local and universal.
_LARGEST_CONFLICT_S = 1.5 * _DAY_S
# The start and another time of one exposure, where pauses are not counted as exposure.
_LARGEST_GAP_S = 3600.0
_MJD_AS_JD = 2_400_000.5
_MJD_RANGE = (-300_000.0, 2_900_000.0)  # years 1037 to 9798
# The first radio observation of the sky was later; no image integrates longer.
_EARLIEST = datetime(1930, 1, 1, tzinfo=UTC)
_LONGEST_S = 10 * _DAY_S

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
# All that `read_exposure` reads, and nobody else does.
TIME_CARDS = frozenset((
    "DATE-BEG", "DATE-OBS", "DATE_OBS", "DATE-AVG", "DATE-END", "END_UTC", "DATEREF",
    "MJD-BEG", "MJD-OBS", "MJD-AVG", "MJD-END", "TSTART", "TSTOP", "TIMEOFFS",
    *(f"{name}{part}" for name in ("MJDREF", "JDREF") for part in ("", "I", "F")),
    "TIMESYS", "TIMEUNIT", "TREFPOS", *_DURATIONS, *_CLOCK_CARDS,
))  # fmt: skip


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
    start = _earliest(_finest(starts), starts, length_s)
    if length_s is None:
        end = _optional_end(cards, scale)
        length_s = max((end.time - start.time) / _SECOND, 0.0) if end else 0.0
    return Exposure(start.time, length_s)


def _optional_end(cards: Cards, scale: str) -> _Moment | None:
    """Return the end of the exposure; None where no card has a time that can be read."""
    names = ("DATE-END", "END_UTC", "MJD-END")
    try:
        ends = [
            *_moments(cards, names[:2], names[2:], scale),
            *_elapsed(cards, "TSTOP", scale),
        ]
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
    if name not in SCALES:
        raise HeaderError(
            "bad_date",
            f"TIMESYS is {text!r}, and times in it cannot be converted to UTC; write UTC, TAI, "
            "TT, TDB, UT1 or GPS",
        )
    return SCALES[name]


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
        scale = _time_unit_s(cards)
    return value * scale


def _time_unit_s(cards: Cards) -> float:
    return _TO_S.get((cards.text("TIMEUNIT") or "s").lower(), 1.0)


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
    yield from _elapsed(cards, "TSTART", scale)


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
            raise _conflict(finest, other)
    if finest.resolution_s >= _DAY_S:
        raise HeaderError(
            "bad_date",
            f"{finest.card} is a date without a time of day; write it as "
            "2024-03-05T06:07:08.5, or add TIME-OBS or MJD-OBS",
        )
    return finest


def _earliest(start: _Moment, starts: list[_Moment], length_s: float | None) -> _Moment:
    """Return the first of the times that cards give for the start, where they differ.

    A card that is later by less than the exposure is its middle or end.

    Raises
    ------
    HeaderError
        Code ``bad_date`` if another time of day lies outside of the exposure.
    """
    earliest = start
    for other in starts:
        apart_s = abs((other.time - start.time) / _SECOND)
        if _resolution_among(other, starts) >= _DAY_S or apart_s <= (
            other.resolution_s + start.resolution_s
        ):
            continue
        if length_s is not None and apart_s > length_s + _LARGEST_GAP_S:
            raise _conflict(start, other)
        earliest = min(earliest, other, key=lambda moment: moment.time)
    return earliest


def _conflict(one: _Moment, other: _Moment) -> HeaderError:
    return HeaderError(
        "bad_date",
        f"{one.card} says {one.time.isoformat()} and {other.card} says "
        f"{other.time.isoformat()}: correct one of them",
    )


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
        day, clock, offset = split_date(text)
        if (clock is None or clock[1] == 0) and name.endswith("OBS"):
            clock = _clock_of_day(cards) or clock
        resolution_s, seconds = clock or (_DAY_S, 0.0)
        moment = datetime(*day, tzinfo=UTC) + timedelta(seconds=seconds) - offset
        return _Moment(name, to_utc(moment, scale), resolution_s, is_midnight=seconds == 0)
    except (ValueError, OverflowError) as error:
        raise HeaderError(
            "bad_date", f"cannot read {name} = {text!r}: {error}; write ISO 8601 UTC"
        ) from None


def _clock_of_day(cards: Cards) -> tuple[float, float] | None:
    """Return the time of day that old headers keep in a card of its own."""
    for name in _CLOCK_CARDS:
        if (text := cards.text(name)) is None:
            continue
        if (clock := split_clock(text.strip('"'))) is not None:
            return clock
        cards.ignore(name)
    return None


def _from_mjd(cards: Cards, name: str, mjd: float, scale: str) -> _Moment:
    if not _MJD_RANGE[0] <= mjd <= _MJD_RANGE[1]:
        raise HeaderError("bad_date", f"{name} is {mjd:g}: no modified Julian date of an image")
    try:
        resolution_s = _resolution_s(cards.image(name), mjd % 1.0)
        return _Moment(name, to_utc(_at_mjd(mjd), scale), resolution_s)
    except (ValueError, OverflowError) as error:
        raise HeaderError("bad_date", f"cannot convert {name} = {mjd:g}: {error}") from None


def _at_mjd(mjd: float) -> datetime:
    """Return what a clock reads at a modified Julian date."""
    day, fraction = divmod(mjd, 1.0)
    return _MJD_EPOCH + timedelta(days=day, microseconds=round(fraction * _DAY_S * 1e6))


def _resolution_s(card: str, fraction: float) -> float:
    """Return how finely a Julian date is written [s]; a bare number of days is a day."""
    n_digits = _decimals(card)
    if fraction == 0 and n_digits <= 1:
        return _DAY_S
    return _DAY_S * 10.0 ** -max(n_digits, 0)


def _decimals(card: str) -> int:
    match = re.search(r"=\s*'?\s*[-+]?\d*\.?(\d*)(?:[EeDd]([+-]?\d{1,2}))?", card)
    return len(match[1]) - int(match[2] or 0) if match else 0


def _elapsed(cards: Cards, name: str, scale: str) -> Iterator[_Moment]:
    """Yield a time that counts from the reference of the header: FITS 4.0, section 9.2.

    Without a reference it counts from a moment that only its writer knows.
    """
    value, reference = cards.number(name), _reference(cards)
    if value is None or reference is None:
        return
    unit_s = _time_unit_s(cards)
    elapsed_s = unit_s * (value + (cards.number("TIMEOFFS") or 0.0))
    try:
        moment = add_elapsed(reference, elapsed_s, scale)
    except (ValueError, OverflowError) as error:
        raise HeaderError("bad_date", f"cannot convert {name} = {value:g}: {error}") from None
    resolution_s = unit_s * 10.0 ** -max(_decimals(cards.image(name)), 0)
    yield _Moment(name, moment, min(resolution_s, _DAY_S))


def _reference(cards: Cards) -> datetime | None:
    """Return the moment that times count from; None without a card for it."""
    for name, epoch in (("MJDREF", 0.0), ("JDREF", _MJD_AS_JD)):
        whole, split = (cards.required_number(each) for each in (name, f"{name}I"))
        part = cards.required_number(f"{name}F")
        if whole is not None or split is not None or part is not None:
            mjd = (whole or 0.0 if split is None else split) - epoch + (part or 0.0)
            try:
                return _at_mjd(mjd)
            except OverflowError:
                raise HeaderError("bad_date", f"{name} is no date: MJD {mjd:g}") from None
    if (text := cards.required_text("DATEREF")) is not None:
        return _from_text(cards, "DATEREF", text, "utc").time
    return None
