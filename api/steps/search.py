"""What a word in the field of a search may mean: a position, a number, a digest, a name."""

import re
from dataclasses import dataclass

from api.steps.notations import parse_dec, parse_ra

__all__ = ["Meaning", "find_meaning", "parse_position"]

_DESIGNATION = re.compile(
    r"(?:[A-Za-z]\w* ?)?J?(?P<h>\d\d)(?P<m>\d\d)(?P<s>\d\d(?:\.\d+)?)"
    r"(?P<sign>[+-])(?P<d>\d\d)(?P<min>\d\d)(?P<sec>\d\d(?:\.\d+)?)?"
)
_MINUS = str.maketrans({"−": "-", "–": "-"})  # noqa: RUF001  (as papers print a minus)


@dataclass(frozen=True, slots=True)
class Meaning:
    """What to look for; each that is None is out of the question.

    Parameters
    ----------
    position : tuple of float or None
        Right ascension and declination, ICRS [deg].
    number : int or None
        Key of a row.
    text : str
        Name, digest or identity.
    """

    position: tuple[float, float] | None
    number: int | None
    text: str


def find_meaning(text: str) -> Meaning:
    """Return what a text may mean.

    Parameters
    ----------
    text : str
        As somebody typed it.
    """
    plain = " ".join(text.translate(_MINUS).split())
    number = int(plain) if re.fullmatch(r"\d{1,18}", plain) else None
    return Meaning(parse_position(plain), number, plain)


def parse_position(text: str) -> tuple[float, float] | None:
    """Return a position, ICRS [deg]; None if the text is none, or may be read in two ways.

    Parameters
    ----------
    text : str
        ``123.4 10.5``, ``8h13m36s +10d30m0s``, ``8:13:36, 10:30:00``, ``8 13 36 +10 30 00`` or
        ``J081336+103000``.
    """
    named = _DESIGNATION.fullmatch(text)
    if named is not None:
        ra = f"{named['h']}:{named['m']}:{named['s']}"
        dec = f"{named['sign']}{named['d']}:{named['min']}:{named['sec'] or '00'}"
        return _parse(ra, dec)
    if text.count(",") == 1:
        return _parse(*text.split(","))
    words = text.split(" ")
    half, is_odd = divmod(len(words), 2)
    if not is_odd and half:
        found = _parse(" ".join(words[:half]), " ".join(words[half:]))
        if found is not None:
            return found
    ways = [_parse(" ".join(words[:n]), " ".join(words[n:])) for n in range(1, len(words))]
    readable = [way for way in ways if way is not None]
    return readable[0] if len(readable) == 1 else None


def _parse(ra: str, dec: str) -> tuple[float, float] | None:
    try:
        return parse_ra(ra), parse_dec(dec)
    except ValueError:
        return None
