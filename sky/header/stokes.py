"""Which Stokes parameter or correlation an image shows."""

from sky.header.axes import find_axis, value_at_plane
from sky.header.cards import Cards
from sky.header.errors import HeaderError

__all__ = ["read_stokes"]

# FITS 4.0, table 29.
_CODES = {
    1: "I", 2: "Q", 3: "U", 4: "V", -1: "RR", -2: "LL", -3: "RL", -4: "LR",
    -5: "XX", -6: "YY", -7: "XY", -8: "YX",
}  # fmt: skip
_TOLERANCE = 1e-3
_NAMES = frozenset(_CODES.values())


def read_stokes(cards: Cards) -> str:
    """Return the name of the Stokes parameter at the image's plane.

    Without a Stokes axis it is what a card STOKES names, and I without that card.

    Raises
    ------
    HeaderError
        Code ``bad_stokes`` if the code is none of FITS 4.0 table 29, ``bad_header``.
    """
    axis = find_axis(cards, ("STOKES", "POLARIZ"))
    if axis is None:
        return _from_name(cards)
    code = value_at_plane(cards, axis)
    if abs(code - round(code)) > _TOLERANCE or round(code) not in _CODES:
        names = ", ".join(f"{number} {name}" for number, name in _CODES.items())
        raise HeaderError(
            "bad_stokes",
            f"axis {axis} has the Stokes code {code:g} at the image's plane; known are {names}",
        )
    return _CODES[round(code)]


def _from_name(cards: Cards) -> str:
    text = cards.required_text("STOKES")
    if text is None:
        return "I"
    name = text.upper().removeprefix("STOKES").strip()
    if name not in _NAMES:
        raise HeaderError(
            "bad_stokes", f"STOKES is {text!r}; known are {', '.join(_CODES.values())}"
        )
    return name
