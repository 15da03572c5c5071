"""Coverage maps: sets of HEALPix cells, and the forms of the IVOA."""

import io
import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = [
    "MAX_ORDER",
    "Cells",
    "Moc",
    "MocError",
    "cells_of_orders",
    "parse_moc",
    "ranges_of_cells",
    "split_ranges",
    "write_moc_fits",
    "write_moc_json",
    "write_moc_table",
    "write_moc_text",
]

MAX_ORDER = 29
MAX_CHARS = 200_000
IntArray = npt.NDArray[np.int64]
Cells = dict[int, IntArray]

_FIRST_CELLS = 4 << (2 * np.arange(MAX_ORDER + 1, dtype=np.int64))
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


def cells_of_orders(cells: IntArray) -> Cells:
    """Return the least list of cells that covers what some cells cover.

    Parameters
    ----------
    cells : (n,) int64
        4 * 4^order + nested pixel number (NUNIQ), of any orders; they may overlap.

    Returns
    -------
    dict of int to (m,) int64
        Nested pixel numbers by order, ascending; no cell is a part of another one, and no four
        make a larger one.
    """
    return split_ranges(*ranges_of_cells(cells), max_order=MAX_ORDER, bits=2)


def ranges_of_cells(cells: IntArray) -> tuple[IntArray, IntArray]:
    """Return disjoint ranges of cells of order 29, ascending.

    Parameters
    ----------
    cells : (n,) int64
        As of `cells_of_orders`.

    Returns
    -------
    starts, stops : (m,) int64
        First cell of each range, and the one behind its last.
    """
    orders = np.searchsorted(_FIRST_CELLS, cells, side="right") - 1
    shift = 2 * (MAX_ORDER - orders)
    starts = (cells - _FIRST_CELLS[orders]) << shift
    return _join(starts, starts + (np.int64(1) << shift))


def split_ranges(starts: IntArray, stops: IntArray, *, max_order: int, bits: int) -> Cells:
    """Return the least list of cells that fills ranges.

    Parameters
    ----------
    starts, stops : (n,) int64
        Disjoint ranges of cells of the highest order that do not touch, ascending.
    max_order : int
        Highest order.
    bits : int
        A cell has 2^bits parts: 2 on the sphere, 1 in time.
    """
    found: Cells = {}
    for order in range(max_order + 1):
        size = 1 << (bits * (max_order - order))
        first, behind = -(-starts // size), stops // size
        is_whole = behind > first
        if not is_whole.any():
            continue
        first, behind = first[is_whole], behind[is_whole]
        found[order] = _count_up(first, behind)
        rest = ~is_whole
        starts, stops = (
            np.concatenate([starts[rest], starts[is_whole], behind * size]),
            np.concatenate([stops[rest], first * size, stops[is_whole]]),
        )
        starts, stops = starts[starts < stops], stops[starts < stops]
    return {order: np.sort(numbers) for order, numbers in found.items()}


def _join(starts: IntArray, stops: IntArray) -> tuple[IntArray, IntArray]:
    """Return disjoint ranges that do not touch, ascending."""
    by_start = np.argsort(starts, kind="stable")
    starts, ends = starts[by_start], np.maximum.accumulate(stops[by_start])
    is_first = np.concatenate([np.ones(min(1, starts.size), np.bool_), starts[1:] > ends[:-1]])
    is_last = np.concatenate([is_first[1:], np.ones(min(1, starts.size), np.bool_)])
    return starts[is_first], ends[is_last]


def _count_up(first: IntArray, behind: IntArray) -> IntArray:
    """Return the numbers of all ranges."""
    counts = behind - first
    offsets = np.repeat(np.cumsum(counts) - counts, counts)
    return np.asarray(np.repeat(first, counts) + np.arange(counts.sum()) - offsets, np.int64)


def write_moc_json(cells: Cells) -> str:
    """Return a map in JSON: ``{"3": [1, 2]}``.

    Parameters
    ----------
    cells : dict of int to (m,) int64
        As of `cells_of_orders`.

    References
    ----------
    Fernique et al. (2022), MOC 2.0, IVOA Recommendation, section 4.3.3.
    """
    items = (f'"{order}":[{",".join(map(str, each))}]' for order, each in cells.items())
    return f"{{{','.join(items)}}}"


def write_moc_text(cells: Cells) -> str:
    """Return a map in the form of `parse_moc`; the one of no cells is ``0/``.

    Parameters
    ----------
    cells : dict of int to (m,) int64
        As of `cells_of_orders`.
    """
    words = []
    for order, numbers in cells.items():
        breaks = np.flatnonzero(np.diff(numbers) > 1)
        first = numbers[np.concatenate([[0], breaks + 1])]
        last = numbers[np.concatenate([breaks, [numbers.size - 1]])]
        ranges = (f"{a}" if a == b else f"{a}-{b}" for a, b in zip(first, last, strict=True))
        words.append(f"{order}/{','.join(ranges)}")
    return " ".join(words) or "0/"


def write_moc_fits(cells: Cells) -> bytes:
    """Return a map as a FITS file, its cells in NUNIQ order.

    Parameters
    ----------
    cells : dict of int to (m,) int64
        As of `cells_of_orders`.

    References
    ----------
    Fernique et al. (2022), MOC 2.0, IVOA Recommendation, section 4.3.1.
    """
    unique = [numbers + _FIRST_CELLS[order] for order, numbers in cells.items()]
    order = max(cells, default=0)
    cards = (
        ("MOCVERS", "2.0", "version of MOC"),
        ("MOCDIM", "SPACE", "it covers the sky"),
        ("ORDERING", "NUNIQ", "4 * 4^order + nested pixel"),
        ("COORDSYS", "C", "ICRS"),
        ("MOCORD_S", order, "resolution"),
        ("MOCORDER", order, "the same of MOC 1"),
        ("PIXTYPE", "HEALPIX", ""),
        ("MOCTOOL", "LiveTrap", ""),
    )
    return write_moc_table("UNIQ", np.concatenate([np.empty(0, np.int64), *unique]), cards)


def write_moc_table(
    column: str, numbers: IntArray, cards: Sequence[tuple[str, str | int, str]]
) -> bytes:
    """Return a FITS file with a table of one column.

    Parameters
    ----------
    column : str
        Its name.
    numbers : (n,) int64
        Its values.
    cards : sequence of (str, str or int, str)
        Keyword, value and comment of what the header says of them.
    """
    from astropy.io import fits  # noqa: PLC0415  (slow to import, and only maps for others need it)

    table = fits.BinTableHDU.from_columns([fits.Column(column, "K", array=numbers)])
    for name, value, words in cards:
        table.header[name] = (value, words)
    buffer = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(buffer)
    return buffer.getvalue()
