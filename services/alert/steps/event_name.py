"""The name of a family of alerts, for people: LT 2026KXQDB J0812+5012."""

import hashlib
import string

from schemas.messages import SourceEvent
from services.alert.steps.facts import ra_of

__all__ = ["format_event_name", "to_letters"]

# Two episodes of one place and year in twelve million have the same name.
_N_LETTERS = 5


def format_event_name(template: str, event: SourceEvent) -> str:
    """Return the name of a family, the same whenever its alerts are made.

    Parameters
    ----------
    template : str
        With ``{year}``, ``{letters}`` and ``{position}`` of the first alert.
    event : SourceEvent
        Event of the first alert.
    """
    return template.format(
        year=event.time_start.year, letters=to_letters(event.trig_id), position=_to_position(event)
    )


def to_letters(trig_id: str) -> str:
    """Return five letters that follow from an identity."""
    number = int.from_bytes(hashlib.sha256(trig_id.encode()).digest()[:8], "big")
    letters = ""
    for _ in range(_N_LETTERS):
        number, rest = divmod(number, len(string.ascii_uppercase))
        letters += string.ascii_uppercase[rest]
    return letters


def _to_position(event: SourceEvent) -> str:
    """Return JHHMM+DDMM, truncated as IAU names are."""
    minutes = int(ra_of(event) * 4) % 1440
    arcmin = int(abs(event.dec) * 60)
    sign = "-" if event.dec < 0 else "+"
    return f"J{minutes // 60:02}{minutes % 60:02}{sign}{arcmin // 60:02}{arcmin % 60:02}"
