"""Coverage maps in space and time: cells of the sky and when they were observed."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import numpy as np
import numpy.typing as npt

from sky.moc import (
    MAX_ORDER,
    cells_of_orders,
    ranges_of_cells,
    split_ranges,
    write_moc_json,
    write_moc_table,
    write_moc_text,
)

__all__ = [
    "TIME_ORDER",
    "Element",
    "Form",
    "Observed",
    "to_elements",
    "write_space_time",
]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

Form = Literal["fits", "json", "ascii"]
# Cells of 65 ms; a cell of order 61 has 1 microsecond.
TIME_ORDER = 45
_MAX_TIME_ORDER = 61
_CELL_US = 1 << (_MAX_TIME_ORDER - TIME_ORDER)
_DAY_US = 86_400_000_000
_TO_JSON = '{{"t":{},"s":{}}}'
# What tells the bounds of times from those of cells of the sky, as signed numbers.
_IS_TIME = np.int64(-(2**63))


@dataclass(frozen=True, slots=True)
class Observed:
    """A part of the sky and the exposures of it.

    Parameters
    ----------
    cells : (n,) int64
        What they cover (NUNIQ).
    starts : sequence of datetime
        Their starts, UTC.
    lengths_s : (m,) float64
        Their lengths [s].
    """

    cells: IntArray
    starts: Sequence[datetime]
    lengths_s: FloatArray


@dataclass(frozen=True, slots=True)
class Element:
    """Times at which the same cells were observed.

    Parameters
    ----------
    starts, stops : (n,) int64
        Disjoint ranges, ascending, of cells of `TIME_ORDER` [cells of 65.536 ms since JD 0, TCB].
    cells : (m,) int64
        What was observed (NUNIQ); they may overlap.
    """

    starts: IntArray
    stops: IntArray
    cells: IntArray


def to_elements(observed: Sequence[Observed]) -> list[Element]:
    """Return what was observed when, in order of time; the times of two elements are disjoint.

    Parameters
    ----------
    observed : sequence of Observed
        Of each part of the sky; parts and times may overlap.
    """
    changes: list[tuple[int, int, int]] = []
    for number, each in enumerate(observed):
        starts, stops = _to_time_cells(each)
        changes += [(start, number, 1) for start in starts.tolist()]
        changes += [(stop, number, -1) for stop in stops.tolist()]
    changes.sort()
    runs: list[tuple[frozenset[int], list[list[int]]]] = []
    open_fields: Counter[int] = Counter()
    since = 0
    for moment, number, step in changes:
        if moment > since and open_fields:
            _add(runs, frozenset(open_fields), since, moment)
        open_fields[number] += step
        if not open_fields[number]:
            del open_fields[number]
        since = moment
    return [_to_element(observed, fields, ranges) for fields, ranges in runs]


def _add(
    runs: list[tuple[frozenset[int], list[list[int]]]],
    fields: frozenset[int],
    start: int,
    stop: int,
) -> None:
    """Add a range of time, to the last run if the same fields were observed."""
    if not runs or runs[-1][0] != fields:
        runs.append((fields, [[start, stop]]))
    elif runs[-1][1][-1][1] == start:
        runs[-1][1][-1][1] = stop
    else:
        runs[-1][1].append([start, stop])


def _to_element(
    observed: Sequence[Observed], fields: frozenset[int], ranges: list[list[int]]
) -> Element:
    bounds = np.array(ranges, np.int64)
    cells = np.concatenate([observed[number].cells for number in sorted(fields)])
    return Element(bounds[:, 0], bounds[:, 1], cells)


def _to_time_cells(each: Observed) -> tuple[IntArray, IntArray]:
    """Return the first cell of each exposure, and the one behind its last."""
    from astropy.time import Time  # noqa: PLC0415  (slow to import, and only maps need it)

    start = Time(list(each.starts), scale="utc").tcb
    days = np.floor(start.jd1).astype(np.int64)
    rest_us = np.rint((start.jd1 - days + start.jd2) * _DAY_US).astype(np.int64)
    first_us = days * _DAY_US + rest_us
    length_us = np.maximum(1, np.rint(np.nan_to_num(each.lengths_s) * 1e6)).astype(np.int64)
    return first_us // _CELL_US, -(-(first_us + length_us) // _CELL_US)


def write_space_time(elements: Sequence[Element], form: Form) -> bytes:
    """Return a map as a file; FITS has ranges of times, each group before that of its cells.

    Parameters
    ----------
    elements : sequence of Element
        As of `to_elements`.
    form : str
        ``json``: ``[{"t": {"45": [1]}, "s": {"3": [1, 2]}}]``; ``ascii``: ``t45/1 s3/1-2``, and
        ``t45/ s0/`` for nothing; ``fits``.

    References
    ----------
    Fernique et al. (2022), MOC 2.0, IVOA Recommendation, sections 4.3.1 to 4.3.3.
    """
    if form == "fits":
        return _write_fits(elements)
    write = write_moc_json if form == "json" else write_moc_text
    parts = [
        (
            write(split_ranges(each.starts, each.stops, max_order=TIME_ORDER, bits=1)),
            write(cells_of_orders(each.cells)),
        )
        for each in elements
    ]
    if form == "json":
        return f"[{','.join(_TO_JSON.format(*each) for each in parts)}]".encode()
    text = " ".join(f"t{times} s{cells}" for times, cells in parts)
    # Spaces, for the readers that know no commas here.
    return text.replace(",", " ").encode() or f"t{TIME_ORDER}/ s0/".encode()


def _write_fits(elements: Sequence[Element]) -> bytes:
    bounds = [np.empty(0, np.int64)]
    for each in elements:
        times = np.column_stack([each.starts, each.stops]).ravel() * _CELL_US
        bounds += [times | _IS_TIME, np.column_stack(ranges_of_cells(each.cells)).ravel()]
    orders = [max(cells_of_orders(each.cells), default=0) for each in elements]
    cards = (
        ("MOCVERS", "2.0", "version of MOC"),
        ("MOCDIM", "TIME.SPACE", "it covers the sky at times"),
        ("ORDERING", "RANGE", "a bound with its highest bit set is a time"),
        ("COORDSYS", "C", "ICRS"),
        ("TIMESYS", "TCB", "microseconds since JD 0"),
        ("MOCORD_S", max(orders, default=0), f"resolution; bounds are of order {MAX_ORDER}"),
        ("MOCORD_T", TIME_ORDER, f"resolution; bounds are of order {_MAX_TIME_ORDER}"),
        ("MOCTOOL", "LiveTrap", ""),
    )
    return write_moc_table("INTERLEAVED_SETS_OF_FLAGGED_RANGES", np.concatenate(bounds), cards)
