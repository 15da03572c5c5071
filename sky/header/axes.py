"""Axes beyond the sky: where they are and what value the image's plane has on them."""

from collections.abc import Sequence

from sky.header.cards import Cards
from sky.header.errors import HeaderError

__all__ = ["MOST_AXES", "find_axis", "step_of_axis", "value_at_plane"]

MOST_AXES = 9


def find_axis(cards: Cards, types: Sequence[str]) -> int | None:
    """Return the first axis whose CTYPE begins with one of `types` (upper case), or None.

    A 2-D cut-out keeps the cards of the axes that it lost: those count as well.
    """
    for axis in range(1, MOST_AXES + 1):
        name = (cards.required_text(f"CTYPE{axis}") or "").upper()
        if name.startswith(tuple(types)):
            return axis
    return None


def value_at_plane(cards: Cards, axis: int) -> float:
    """Return the linear world coordinate of pixel 1 of an axis.

    Raises
    ------
    HeaderError
        Code ``bad_header`` if a card of the axis is missing where it matters, or unreadable.
    """
    value = cards.required_number(f"CRVAL{axis}")
    if value is None:
        raise HeaderError(
            "bad_header",
            f"CTYPE{axis} is {cards.text(f'CTYPE{axis}')!r} and CRVAL{axis} is missing",
        )
    # Where the axis has one pixel, producers leave these away: the reference pixel is that pixel.
    pixel = cards.required_number(f"CRPIX{axis}")
    step = step_of_axis(cards, axis)
    if pixel is None or pixel == 1:
        return value
    if step is None:
        raise HeaderError(
            "bad_header",
            f"CRPIX{axis} is {pixel:g} and CDELT{axis} is missing: the plane has no value",
        )
    return value + (1 - pixel) * step


def step_of_axis(cards: Cards, axis: int) -> float | None:
    """Return the step of an axis, from CDELT (times PC) or the CD matrix; None without a card.

    Raises
    ------
    HeaderError
        Code ``bad_header`` if a card cannot be read, or joins the axis with another one.
    """
    step = cards.required_number(f"CDELT{axis}")
    matrix, scale = (_element(cards, kind, axis, axis) for kind in ("CD", "PC"))
    for kind in ("CD", "PC"):
        for other in range(1, MOST_AXES + 1):
            if other != axis and _element(cards, kind, axis, other):
                raise HeaderError(
                    "bad_header",
                    f"{kind}{axis}_{other} joins axis {axis} with axis {other}: the plane's value "
                    "on it depends on both; write axes that are independent",
                )
    if matrix is not None:
        return matrix
    return step if step is None or not scale else step * scale


def _element(cards: Cards, kind: str, row: int, column: int) -> float | None:
    """Return an element of a matrix of axes, in today's spelling or in that of 1996 (PC003003)."""
    for name in (f"{kind}{row}_{column}", f"{kind}{row:03}{column:03}"):
        if (value := cards.required_number(name)) is not None:
            return value
    return None
