"""Which Stokes parameter or correlation an image shows."""

import re

from sky.header.axes import find_axis, value_at_plane
from sky.header.cards import Cards
from sky.header.errors import HeaderError
from sky.stokes import STOKES_BY_CODE, STOKES_NAMES

__all__ = ["STOKES_TYPES", "read_stokes"]

# That of the standard, and POL, POLN or POLARISATION of other writers.
STOKES_TYPES = ("STOKES", "POL")
_TOLERANCE = 1e-3
# Cards of other writers that name it where STOKES is missing.
_CARDS = (
    "POL", "POLN", "POLAR", "POLARIZ", "POLARIS", "POLARIZA", "POLARISA", "POLARIZATION",
    "POLARISATION", "POLTYPE", "POL_TYPE", "CORRTYPE", "CORR_TYPE",
)  # fmt: skip
# Those of them that may tell of the receivers or the correlator, and of no plane.
_OF_RECEIVERS = ("POLTYPE", "POL_TYPE", "CORRTYPE", "CORR_TYPE")
_RECEIVERS = frozenset(
    [
        "LIN",
        "LINEAR",
        "CIRC",
        "CIRCULAR",
        "ORI-ELP",
        "X-YLIN",
        "VLBI",
        "APPROX",
        "AUTO",
        "CROSS",
        "SINGLE",
        "DUAL",
        "FULL",
    ]
)
_SPELLINGS = {"INTENSITY": "I", "TOTALINTENSITY": "I", "TOTAL": "I"}


def read_stokes(cards: Cards) -> str:
    """Return the name of the Stokes parameter at the image's plane.

    Without a Stokes axis it is what a card STOKES names; without that card what POL, POLTYPE,
    CORRTYPE and their like name; and I without any of them.

    Raises
    ------
    HeaderError
        Code ``bad_stokes`` if the code is none of FITS 4.0 table 29, or a card names none or
        another one than the next; ``bad_header``.
    """
    axis = find_axis(cards, STOKES_TYPES)
    if axis is None:
        return _from_name(cards, "STOKES") or _from_other_cards(cards) or "I"
    code = value_at_plane(cards, axis)
    if abs(code - round(code)) > _TOLERANCE or round(code) not in STOKES_BY_CODE:
        names = ", ".join(f"{number} {name}" for number, name in STOKES_BY_CODE.items())
        raise HeaderError(
            "bad_stokes",
            f"axis {axis} has the Stokes code {code:g} at the image's plane; known are {names}",
        )
    return STOKES_BY_CODE[round(code)]


def _from_other_cards(cards: Cards) -> str | None:
    found = {card: name for card in _CARDS if (name := _from_name(cards, card)) is not None}
    if len(set(found.values())) > 1:
        named = " and ".join(f"{card} {name}" for card, name in found.items())
        raise HeaderError("bad_stokes", f"the image is of {named}; set STOKES to one of them")
    return next(iter(found.values()), None)


def _from_name(cards: Cards, card: str) -> str | None:
    text = cards.required_text(card)
    if text is None:
        return None
    name = re.sub(r"[\s_]+", "", text.upper())
    if card in _OF_RECEIVERS and name in _RECEIVERS:
        return None
    name = _SPELLINGS.get(name.removeprefix("STOKES"), name.removeprefix("STOKES"))
    if name not in STOKES_NAMES:
        raise HeaderError(
            "bad_stokes",
            f"{card} is {text!r}; known are {', '.join(STOKES_NAMES)}: set STOKES to one of them",
        )
    return name
