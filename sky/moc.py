"""Coverage maps: sets of HEALPix cells, in the ASCII form of the IVOA."""

import re
from bisect import bisect_right
from dataclasses import dataclass

__all__ = ["Moc", "MocError", "parse_moc"]

MAX_ORDER = 29
MAX_CHARS = 200_000
_ORDER = re.compile(r"^\d{1,2}$")
_CELLS = re.compile(r"^(\d{1,19})(?:-(\d{1,19}))?$")


class MocError(ValueError):
    """A text is no coverage map; the message says what is wrong."""


@dataclass(frozen=True, slots=True)
class Moc:
    """Disjoint ranges of nested HEALPix cells of order 29, in ascending order.

    Parameters
    ----------
    starts, stops : tuple of int
        First cell of each range, and the one behind its last.
    """

    starts: tuple[int, ...]
    stops: tuple[int, ...]

    def contains(self, ra: float, dec: float) -> bool:
        """Return whether a position lies in it; ICRS [deg]."""
        from astropy import units  # noqa: PLC0415  (see `parse_moc`)
        from astropy_healpix import lonlat_to_healpix  # noqa: PLC0415

        cell = int(
            lonlat_to_healpix(ra * units.deg, dec * units.deg, 1 << MAX_ORDER, order="nested")
        )
        number = bisect_right(self.starts, cell) - 1
        return number >= 0 and cell < self.stops[number]


def parse_moc(text: str) -> Moc:
    """Return the coverage map of a text such as ``3/0-5 4/30,32``.

    Raises
    ------
    MocError
        If it is none.

    References
    ----------
    Fernique et al. (2022), MOC 2.0, IVOA Recommendation, section 4.3.2.
    """
    if len(text) > MAX_CHARS:
        raise MocError(f"longer than {MAX_CHARS} characters")
    # A second of CPU time, which a process without coverage maps, and the first alert, do without.
    import astropy_healpix  # noqa: F401, PLC0415

    order: int | None = None
    ranges: list[tuple[int, int]] = []
    for word in re.split(r"[\s,]+", text.strip()):
        head, slash, cells = word.rpartition("/")
        if slash:
            order = _to_order(head)
        if cells:
            ranges.append(_to_range(cells, order))
    if not ranges:
        raise MocError("it has no cells; write order/cells, such as 3/0-5 4/30,32")
    return _merge(ranges)


def _to_order(text: str) -> int:
    if not _ORDER.match(text) or int(text) > MAX_ORDER:
        raise MocError(f"{text[:40]!r} is no order; it is 0 to {MAX_ORDER}")
    return int(text)


def _to_range(text: str, order: int | None) -> tuple[int, int]:
    """Return the cells of order 29 that a number or a range of an order stands for."""
    found = _CELLS.match(text)
    if order is None or found is None:
        raise MocError(f"{text[:40]!r} is no cell; write order/cells, such as 3/0-5 4/30,32")
    first, last = int(found[1]), int(found[2] or found[1])
    n_cells = 12 << (2 * order)
    if not first <= last < n_cells:
        raise MocError(f"{text[:40]!r}: cells of order {order} are 0 to {n_cells - 1}, ascending")
    shift = 2 * (MAX_ORDER - order)
    return first << shift, (last + 1) << shift


def _merge(ranges: list[tuple[int, int]]) -> Moc:
    merged: list[list[int]] = []
    for start, stop in sorted(ranges):
        if merged and start <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], stop)
        else:
            merged.append([start, stop])
    return Moc(tuple(start for start, _ in merged), tuple(stop for _, stop in merged))
