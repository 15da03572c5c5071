"""The cards that place an image on the sky, of the first two axes."""

import re
from dataclasses import dataclass
from functools import lru_cache

from astropy.io.fits import Header

from sky.header.cards import Cards, quiet_astropy
from sky.header.errors import HeaderError

__all__ = ["to_wcs_header"]

_TEXT_CARD = re.compile(r"^(CTYPE[12]|CUNIT[12]|RADESYS|RADECSYS)$")
_NUMBER_CARD = re.compile(
    r"^((CRVAL|CRPIX|CDELT|CROTA)[12]|PC0?[12]_0?[12]|PC00[12]00[12]|CD[12]_[12]|CD00[12]00[12]|PV[12]_\d+|PROJP\d"
    r"|[AB]P?_ORDER|[AB]P?_\d+_\d+|LONPOLE|LATPOLE|EQUINOX|EPOCH)$"
)
_NAXIS_CARD = re.compile(r"^NAXIS[12]$")
_NEEDED = ("CTYPE1", "CTYPE2", "CRVAL1", "CRVAL2", "CRPIX1", "CRPIX2")
_MATRIX = re.compile(r"^CD(?:[12]_[12]|00[12]00[12])$")
# Elements that join an axis of the sky with another axis.
_JOINED = re.compile(r"^(?:PC|CD)0*(?:[12]_?0*[3-9]|[3-9]_?0*[12])$")
# Distortions in a table of another HDU.
_TABLE_CARDS = ("CPDIS1", "CPDIS2", "CQDIS1", "CQDIS2", "D2IMDIS1", "D2IMDIS2")
# Equinoxes as some write them, in quotes.
_EQUINOX = re.compile(r"^[JB] ?(\d{4}(?:\.\d*)?)$", re.IGNORECASE)
_UNITS = {
    "deg": "deg", "degree": "deg", "degrees": "deg", "degs": "deg",
    "rad": "rad", "radian": "rad", "radians": "rad",
    "arcsec": "arcsec", "arcsecond": "arcsec", "arcseconds": "arcsec",
    "arcmin": "arcmin", "arcminute": "arcmin", "arcminutes": "arcmin",
}  # fmt: skip
# Names of systems by their equinox.
_SYSTEMS = {"J2000": "FK5", "B1950": "FK4"}


@quiet_astropy()
def to_wcs_header(header: Header) -> str:
    """Return the cards that place the first two axes on the sky, newline separated.

    Raises
    ------
    HeaderError
        Code ``no_wcs`` if a card is missing that has no default, ``bad_header`` if one cannot be
        read.
    """
    cards, names = Cards(header), _sort_names(tuple(dict.fromkeys(header)))
    _refuse_missing(cards, names)
    kept: dict[str, float | str] = {}
    for name in names.placing:
        if not _TEXT_CARD.match(name):
            kept[name] = _number_of(cards, name)
        elif (text := cards.required_text(name)) is not None:
            kept[name] = _to_standard(name, text)
    return _to_text(tuple(kept), *kept.values())


@dataclass(frozen=True, slots=True)
class _Names:
    """The cards of a header that place axes, in its order, and those that join two of them."""

    placing: tuple[str, ...]
    joining: tuple[str, ...]
    have_matrix: bool


# The headers of a stream have the same cards, with other values.
@lru_cache(maxsize=64)
def _sort_names(names: tuple[str, ...]) -> _Names:
    kinds = (_NUMBER_CARD, _NAXIS_CARD, _TEXT_CARD)
    return _Names(
        placing=tuple(name for name in names if any(kind.match(name) for kind in kinds)),
        joining=tuple(filter(_JOINED.match, names)),
        have_matrix=any(map(_MATRIX.match, names)),
    )


# A stream has few different projections. Typed: the number 1 is written as such, and 1.0, too.
@lru_cache(maxsize=64, typed=True)
def _to_text(names: tuple[str, ...], *values: float | str) -> str:
    header = Header(zip(names, values, strict=True))
    return str(header.tostring(sep="\n", endcard=False, padding=False))


def _to_standard(name: str, text: str) -> str:
    """Return a text in the spelling of the standard."""
    if name.startswith("CUNIT"):
        return _UNITS.get(text.lower(), text)
    return text.upper() if name.startswith("CTYPE") else _SYSTEMS.get(text.upper(), text.upper())


def _number_of(cards: Cards, name: str) -> float | int:
    """Return a card's number; whole numbers stay so, and none loses a digit."""
    if name in ("EQUINOX", "EPOCH") and (match := _EQUINOX.match(cards.text(name) or "")):
        return float(match[1])
    number = cards.required_number(name)
    if number is None:
        raise cards.unreadable(name, "a finite number")
    whole = cards.whole_number(name)
    return number + 0.0 if whole is None else whole  # zero has no sign


def _refuse_missing(cards: Cards, names: _Names) -> None:
    missing = [name for name in _NEEDED if name not in cards]
    if not names.have_matrix:
        missing += [name for name in ("CDELT1", "CDELT2") if name not in cards]
    if missing:
        raise HeaderError(
            "no_wcs",
            f"no usable celestial WCS: {', '.join(missing)} missing; CTYPE1/2, CRVAL1/2, CRPIX1/2 "
            "and CDELT1/2 or a CD matrix are needed",
        )
    joined = [name for name in names.joining if cards.required_number(name)]
    if joined:
        raise HeaderError(
            "no_wcs",
            f"{joined[0]} joins an axis of the sky with another axis: no position can be told "
            "without that axis; write an image whose first two axes are the sky alone",
        )
    tables = [name for name in _TABLE_CARDS if name in cards]
    if tables:
        raise HeaderError(
            "no_wcs",
            f"{tables[0]} asks for a distortion table in another HDU, which is not supported; "
            "write the distortion as SIP or PV cards",
        )
