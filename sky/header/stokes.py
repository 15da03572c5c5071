"""Which Stokes parameter or correlation an image shows."""

from sky.header.axes import find_axis, value_at_plane
from sky.header.cards import Cards
from sky.header.errors import HeaderError
from sky.stokes import STOKES_BY_CODE, STOKES_NAMES

__all__ = ["STOKES_TYPES", "read_stokes"]

# That of the standard, and POL, POLN or POLARISATION of other writers.
STOKES_TYPES = ("STOKES", "POL")
_TOLERANCE = 1e-3


def read_stokes(cards: Cards) -> str:
    """Return the name of the Stokes parameter at the image's plane.

    Without a Stokes axis it is what a card STOKES names, and I without that card.

    Raises
    ------
    HeaderError
        Code ``bad_stokes`` if the code is none of FITS 4.0 table 29, ``bad_header``.
    """
    axis = find_axis(cards, STOKES_TYPES)
    if axis is None:
        return _from_name(cards)
    code = value_at_plane(cards, axis)
    if abs(code - round(code)) > _TOLERANCE or round(code) not in STOKES_BY_CODE:
        names = ", ".join(f"{number} {name}" for number, name in STOKES_BY_CODE.items())
        raise HeaderError(
            "bad_stokes",
            f"axis {axis} has the Stokes code {code:g} at the image's plane; known are {names}",
        )
    return STOKES_BY_CODE[round(code)]


def _from_name(cards: Cards) -> str:
    text = cards.required_text("STOKES")
    if text is None:
        return "I"
    name = text.upper().removeprefix("STOKES").strip()
    if name not in STOKES_NAMES:
        raise HeaderError("bad_stokes", f"STOKES is {text!r}; known are {', '.join(STOKES_NAMES)}")
    return name
