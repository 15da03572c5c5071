"""Images whose axes of the sky are not the first two: FREQ, RA, DEC or RA, STOKES, DEC."""

import re
from collections.abc import Sequence

from astropy.io.fits import Card, Header

from sky.header.cards import Cards

__all__ = ["to_sky_first"]

# Longitudes and latitudes: FITS 4.0, section 8.3.
_SKY = re.compile(r"^(?:RA|DEC|[A-Z]?LON|[A-Z]?LAT|[A-Z]{2}L[NT])(?:-|$)")
_OF_AXIS = re.compile(r"^(NAXIS|CTYPE|CUNIT|CRVAL|CRPIX|CDELT|CROTA|CNAME|PV|PS)(\d)((?:_\d+)?)$")
_OF_TWO = re.compile(r"^(PC|CD)(\d)_(\d)$|^(PC|CD)00(\d)00(\d)$")


def to_sky_first(header: Header, axes: Sequence[int]) -> tuple[Header, list[int]]:
    """Return a header with the axes of the sky as the first two, and the order of its axes.

    Parameters
    ----------
    header : astropy.io.fits.Header
        Not modified.
    axes : sequence of int
        Length of every axis, the first (fastest) first [px].

    Returns
    -------
    Header
        With the numbers of its cards changed; `header` itself where they are the first two, or
        where there are not two.
    list of int
        The axes of `header` in the new order, 0-based.
    """
    cards = Cards(header)
    names = [(cards.text(f"CTYPE{axis}") or "").upper() for axis in range(1, len(axes) + 1)]
    sky = [axis for axis, name in enumerate(names, start=1) if _SKY.match(name)]
    if len(sky) != 2 or sky == [1, 2]:
        return header, list(range(len(axes)))
    order = [*sky, *(axis for axis in range(1, len(axes) + 1) if axis not in sky)]
    places = {old: new for new, old in enumerate(order, start=1)}
    moved = Header([_renumbered(card, places) for card in header.cards])
    return moved, [axis - 1 for axis in order]


def _renumbered(card: Card, places: dict[int, int]) -> Card:
    """Return a card under its new name, its value as it came."""
    name = card.keyword.upper()
    if match := _OF_AXIS.match(name):
        new = f"{match[1]}{_place(match[2], places)}{match[3]}"
    elif match := _OF_TWO.match(name):
        kind, row, column = (each for each in match.groups() if each is not None)
        new = f"{kind}{_place(row, places)}_{_place(column, places)}"
    else:
        return card
    # `image` is what astropy makes of a card that it cannot read.
    _, _, value = str(getattr(card, "_image", None) or card.image).partition("=")
    return Card.fromstring(f"{new:<8}={value}")


def _place(axis: str, places: dict[int, int]) -> int:
    return places.get(int(axis), int(axis))
