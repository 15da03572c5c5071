"""From the time scales of FITS and of older writers to UTC."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from astropy.time import Time, TimeDelta
from astropy.utils.iers import IERSRangeError
from astropy.utils.iers import conf as iers_settings

__all__ = ["SCALES", "add_elapsed", "to_utc"]

# FITS 4.0 table 30 and what AIPS and older writers use. `ut1` differs from UTC by less than 0.9 s.
SCALES = {
    "": "utc", "utc": "utc", "ut": "utc", "gmt": "utc", "z": "utc", "tai": "tai", "iat": "tai",
    "tt": "tt", "tdt": "tt", "et": "tt", "ut1": "ut1", "tdb": "tdb", "tcb": "tcb", "tcg": "tcg",
    "gps": "gps",
}  # fmt: skip
# TAI - GPS; GPS time has no leap seconds.
_TAI_MINUS_GPS_S = 19.0


def to_utc(moment: datetime, scale: str) -> datetime:
    """Return a moment whose clock runs in a scale as UTC; second 60 is the next minute's first.

    Parameters
    ----------
    moment : datetime
        What the clock reads.
    scale : str
        One of the values of `SCALES`.

    Raises
    ------
    ValueError
        If there is no conversion at that date.
    """
    if scale == "utc":
        return moment
    if scale == "gps":
        moment, scale = moment + timedelta(seconds=_TAI_MINUS_GPS_S), "tai"
    with _without_network():
        try:
            return _read_clock(Time(moment.replace(tzinfo=None), scale=scale))
        except IERSRangeError:
            return moment  # UT1 beyond the tables: it is kept within 0.9 s of UTC
        except Exception as error:
            # astropy and erfa have several classes for a date outside of their tables.
            raise ValueError(f"no conversion from {scale} at that date") from error


def add_elapsed(reference: datetime, elapsed_s: float, scale: str) -> datetime:
    """Return the UTC of a moment that is some time after a reference.

    Parameters
    ----------
    reference : datetime
        What the clock reads then.
    elapsed_s : float
        Leap seconds between the two are counted [s].
    scale : str
        One of the values of `SCALES`.

    Raises
    ------
    ValueError
        If there is no conversion at that date.
    OverflowError
        If the sum is no date.
    """
    elapsed = timedelta(seconds=elapsed_s)
    if scale != "utc":
        return to_utc(reference + elapsed, scale)
    with _without_network():
        try:
            start = Time(reference.replace(tzinfo=None), scale="utc")
            return _read_clock(start + TimeDelta(elapsed_s, format="sec"))
        except Exception as error:
            raise ValueError("no leap seconds are known at that date") from error


@contextmanager
def _without_network() -> Iterator[None]:
    with (
        warnings.catch_warnings(),
        iers_settings.set_temp("auto_download", value=False),
        iers_settings.set_temp("auto_max_age", value=None),
    ):
        warnings.simplefilter("ignore")  # dubious years are refused elsewhere
        yield


def _read_clock(time: Time) -> datetime:
    """Return what a clock of UTC shows; a difference of days would not know a leap second."""
    year, month, day, hour, minute, second = (each.item() for each in time.utc.ymdhms)
    start = datetime(year, month, day, hour, minute, tzinfo=UTC)
    return start + timedelta(seconds=second)
