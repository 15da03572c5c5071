"""Lists of positions to monitor, as CSV or VOTable: from bytes to columns."""

import csv
import io
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from lxml import etree

from sky.plain_numbers import parse_number

__all__ = ["LIST_FORMATS", "MonitorColumns", "MonitorListError", "read_monitor_list"]

_LONGEST_NAME = 100
# Fastest known star: 10 arcsec a year.
_MOST_MAS_YR = 100_000.0
_YEARS = (1800.0, 2200.0)
_J2000 = 2000.0
_NAMES = {
    "name": ("name", "target", "main_id", "source_id", "designation"),
    "ra": ("ra", "ra_deg", "raj2000", "ra_icrs"),
    "dec": ("dec", "dec_deg", "dej2000", "de_icrs"),
    "pm_ra_cosdec_mas_yr": ("pm_ra_cosdec_mas_yr", "pmra", "pm_ra_cosdec", "pm_ra"),
    "pm_dec_mas_yr": ("pm_dec_mas_yr", "pmdec", "pmde", "pm_dec"),
    "epoch_yr": ("epoch_yr", "ref_epoch", "epoch"),
}
_UCDS = {
    "name": ("meta.id;meta.main",),
    "ra": ("pos.eq.ra;meta.main", "pos.eq.ra"),
    "dec": ("pos.eq.dec;meta.main", "pos.eq.dec"),
    "pm_ra_cosdec_mas_yr": ("pos.pm;pos.eq.ra",),
    "pm_dec_mas_yr": ("pos.pm;pos.eq.dec",),
    "epoch_yr": ("meta.ref;time.epoch", "time.epoch"),
}
_UNITS = {
    "name": {"": 1.0},
    "ra": {"": 1.0, "deg": 1.0},
    "dec": {"": 1.0, "deg": 1.0},
    "pm_ra_cosdec_mas_yr": {
        "": 1.0, "mas/yr": 1.0, "mas.yr-1": 1.0, "mas.yr**-1": 1.0, "mas yr-1": 1.0,
        "mas/a": 1.0, "arcsec/yr": 1000.0, "arcsec.yr-1": 1000.0, "arcsec.yr**-1": 1000.0,
    },
    "epoch_yr": {"": 1.0, "yr": 1.0, "a": 1.0},
}  # fmt: skip
_UNITS["pm_dec_mas_yr"] = _UNITS["pm_ra_cosdec_mas_yr"]
_RANGES = {
    "ra": (-360.0, 360.0),
    "dec": (-90.0, 90.0),
    "pm_ra_cosdec_mas_yr": (-_MOST_MAS_YR, _MOST_MAS_YR),
    "pm_dec_mas_yr": (-_MOST_MAS_YR, _MOST_MAS_YR),
    "epoch_yr": _YEARS,
}
_DEFAULTS = {"pm_ra_cosdec_mas_yr": 0.0, "pm_dec_mas_yr": 0.0, "epoch_yr": _J2000}


class MonitorListError(Exception):
    """A list that cannot be used; the message says where, and how to mend it."""


@dataclass(frozen=True, slots=True)
class MonitorColumns:
    """Positions to monitor, (n,) each.

    Parameters
    ----------
    name : sequence of str
        Names of the targets.
    ra, dec : sequence of float
        ICRS at the epoch; right ascension in [0, 360) [deg].
    pm_ra_cosdec_mas_yr, pm_dec_mas_yr : sequence of float
        Proper motion [mas/yr].
    epoch_yr : sequence of float
        Julian year [yr].
    """

    name: Sequence[str]
    ra: Sequence[float]
    dec: Sequence[float]
    pm_ra_cosdec_mas_yr: Sequence[float]
    pm_dec_mas_yr: Sequence[float]
    epoch_yr: Sequence[float]


@dataclass(frozen=True, slots=True)
class _Column:
    """A column of a table: its place in a row, and what a value is multiplied with."""

    place: int
    factor: float


def read_monitor_list(data: bytes, media_type: str) -> MonitorColumns:
    """Return the positions of a list.

    Nothing that it names is opened, and its size alone limits the work: a VOTable is read without
    entities, and only as TABLEDATA.

    Parameters
    ----------
    data : bytes
        A CSV with a header line, or a VOTable.
    media_type : str
        One of `LIST_FORMATS`.

    Raises
    ------
    MonitorListError
        If it is none, lacks a position, or has a number out of range.
    """
    rows, columns = LIST_FORMATS[media_type](data)
    missing = {"ra", "dec"} - columns.keys()
    if missing:
        raise MonitorListError(
            f"no column {' and '.join(sorted(missing))}: name them ra and dec [deg], ICRS; "
            "further columns are name, pm_ra_cosdec_mas_yr, pm_dec_mas_yr, epoch_yr"
        )
    found = [_read_row(row, columns, number) for number, row in enumerate(rows, start=1)]
    if not found:
        raise MonitorListError("the list has no rows")
    return MonitorColumns(
        name=[name for name, _ in found],
        **{key: [numbers[key] for _, numbers in found] for key in _RANGES},
    )


def _read_row(
    row: Sequence[str], columns: Mapping[str, _Column], number: int
) -> tuple[str, dict[str, float]]:
    """Return the name and the numbers of a row."""
    values = {key: _value_of(row, columns.get(key), key, number) for key in _RANGES}
    values["ra"] = values["ra"] % 360.0 % 360.0  # tiny negative angles round up to 360 itself
    name = columns.get("name")
    text = row[name.place] if name is not None and name.place < len(row) else ""
    return "".join(filter(str.isprintable, text)).strip()[:_LONGEST_NAME], values


def _value_of(row: Sequence[str], column: _Column | None, key: str, number: int) -> float:
    text = row[column.place].strip() if column is not None and column.place < len(row) else ""
    if key in _DEFAULTS and text.lower() in ("", "nan", "null"):
        return _DEFAULTS[key]
    try:
        value = parse_number(text) * (1.0 if column is None else column.factor)
    except ValueError:
        value = math.nan
    low, high = _RANGES[key]
    if not low <= value <= high:
        raise MonitorListError(
            f"row {number}: {key} is {text[:40]!r}; give a number from {low:g} to {high:g}"
        )
    return value


def _read_csv(data: bytes) -> tuple[Iterator[Sequence[str]], dict[str, _Column]]:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise MonitorListError(f"the list is no UTF-8 text: {error}") from error
    lines = (line for line in io.StringIO(text, newline=None) if not line.startswith("#"))
    try:
        table = [row for row in csv.reader(lines, skipinitialspace=True) if any(row)]
    except csv.Error as error:
        raise MonitorListError(f"the list is no CSV: {error}") from error
    if not table:
        raise MonitorListError("the list is empty; its first line names the columns: name,ra,dec")
    names = [name.strip().lower() for name in table[0]]
    places = {key: _place_of(usual, names) for key, usual in _NAMES.items()}
    columns = {key: _Column(place, 1.0) for key, place in places.items() if place is not None}
    return iter(table[1:]), columns


def _place_of(wanted: Sequence[str], names: Sequence[str]) -> int | None:
    return next((names.index(each) for each in wanted if each in names), None)


def _read_votable(data: bytes) -> tuple[Iterator[Sequence[str]], dict[str, _Column]]:
    # Entities stay unread, and `huge_tree` off limits depth and text.
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        raise MonitorListError(f"the list is no XML: {error}") from error
    table = next(root.iter("{*}TABLE"), None)
    if table is None:
        raise MonitorListError("the VOTable has no TABLE")
    content = next(table.iter("{*}TABLEDATA"), None)
    if content is None:
        raise MonitorListError("the VOTable is not written as TABLEDATA; write it so")
    fields = list(table.iterchildren("{*}FIELD"))
    columns = {key: _find_field(key, fields) for key in _NAMES}
    rows = ([_text_of(cell) for cell in row.iterchildren("{*}TD")] for row in content)
    return rows, {key: column for key, column in columns.items() if column is not None}


def _text_of(cell: etree._Element) -> str:
    return cell.text or ""


def _find_field(key: str, fields: Sequence[etree._Element]) -> _Column | None:
    """Return the column of a quantity, by its UCD or else by its name."""
    ucds = [field.get("ucd", "").lower() for field in fields]
    names = [field.get("name", "").strip().lower() for field in fields]
    place = _place_of(_UCDS[key], ucds)
    if place is None:
        place = _place_of(_NAMES[key], names)
    if place is None:
        return None
    unit = fields[place].get("unit", "").strip() if key != "name" else ""
    factor = _UNITS[key].get(unit)
    if factor is None:
        raise MonitorListError(
            f"column {names[place]} is in {unit[:40]!r}; give it in one of "
            f"{', '.join(filter(None, _UNITS[key]))}"
        )
    return _Column(place, factor)


LIST_FORMATS: Mapping[
    str, Callable[[bytes], tuple[Iterator[Sequence[str]], dict[str, _Column]]]
] = {
    "text/csv": _read_csv,
    "application/x-votable+xml": _read_votable,
    "application/xml": _read_votable,
    "text/xml": _read_votable,
}
