"""The name of a family of alerts, for people: LT 2026A J0812+5012."""

import string

from schemas.messages import SourceEvent
from services.alert.steps.facts import ra_of

__all__ = ["format_event_name", "to_letters"]


def format_event_name(template: str, event: SourceEvent, number: int) -> str:
    """Return the name of the `number`-th family of a year, from 1.

    Parameters
    ----------
    template : str
        With ``{year}``, ``{letters}`` and ``{position}`` of the first alert.
    event : SourceEvent
        Event of the first alert.
    number : int
        Of the family in the year of its exposure [-].
    """
    return template.format(
        year=event.time_start.year, letters=to_letters(number), position=_to_position(event)
    )


def to_letters(number: int) -> str:
    """Return 1 as A, 26 as Z, 27 as AA."""
    letters = ""
    while number > 0:
        number, rest = divmod(number - 1, len(string.ascii_uppercase))
        letters = string.ascii_uppercase[rest] + letters
    return letters


def _to_position(event: SourceEvent) -> str:
    """Return JHHMM+DDMM, truncated as IAU names are."""
    minutes = int(ra_of(event) * 4) % 1440
    arcmin = int(abs(event.dec) * 60)
    sign = "-" if event.dec < 0 else "+"
    return f"J{minutes // 60:02}{minutes % 60:02}{sign}{arcmin // 60:02}{arcmin % 60:02}"
