"""A light curve as JSON, CSV or VOTable, in pieces."""

import math
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from operator import call, itemgetter
from typing import Any, ClassVar, Protocol
from xml.sax.saxutils import escape

import orjson

from api.steps.tables.base import TableInfo

__all__ = ["CsvTable", "LightCurveTable", "VoTable", "read_last_point", "to_page"]

Points = Sequence[Mapping[str, Any]]

# Column, VOTable datatype, unit, UCD.
_COLUMNS = (
    ("time_start", "char", None, "time.start;obs.exposure"),
    ("exposure_s", "double", "s", "time.duration;obs.exposure"),
    ("freq_eff_hz", "double", "Hz", "em.freq;instr"),
    ("freq_bw_hz", "double", "Hz", "instr.bandwidth"),
    ("stokes", "char", None, "phys.polarization.stokes"),
    ("flux_int_jy", "double", "Jy", "phot.flux.density;em.radio"),
    ("flux_int_err_jy", "double", "Jy", "stat.error;phot.flux.density;em.radio"),
    ("flux_peak_jy_beam", "double", "Jy/beam", "phot.flux.density;em.radio;stat.max"),
    ("flux_peak_err_jy_beam", "double", "Jy/beam", "stat.error;phot.flux.density;em.radio"),
    ("snr", "double", None, "stat.snr"),
    ("ra", "double", "deg", "pos.eq.ra"),
    ("dec", "double", "deg", "pos.eq.dec"),
    ("extraction_type", "char", None, "meta.code"),
    ("quality_flags", "long", None, "meta.code.qual"),
    ("p_false", "double", None, "stat.probability"),
    ("image_id", "char", None, "meta.id;obs.image"),
)
# Quotation marks in a text are escaped: no value has this in it.
_POINT = '{"time_start":'
_NAMES = tuple(column[0] for column in _COLUMNS)
_to_cells = itemgetter(*_NAMES)


def to_page(source_id: int, points: str, *, next_cursor: str | None) -> bytes:
    """Return a page of a light curve as JSON.

    Parameters
    ----------
    source_id : int
        Whose light curve.
    points : str
        Of ``list_lightcurve_page``: PostgreSQL has written them, with commas between.
    next_cursor : str or None
        Of the next page.
    """
    end = orjson.dumps(next_cursor).decode()
    return f'{{"source_id":{source_id},"points":[{points}],"next":{end}}}'.encode()


def read_last_point(points: str) -> dict[str, Any]:
    """Return the last of the points that PostgreSQL has written, at least one."""
    point: dict[str, Any] = orjson.loads(points[points.rindex(_POINT) :])
    return point


class LightCurveTable(Protocol):
    """A format that is written in pieces: the header, points many times, the footer."""

    media_type: ClassVar[str]
    suffix: ClassVar[str]

    def header(self) -> bytes:
        """Return what comes before the points."""
        ...

    def rows(self, points: Points) -> bytes:
        """Return some points."""
        ...

    def footer(self) -> bytes:
        """Return what comes after the points."""
        ...


class CsvTable:
    """CSV with a header line; the units are in the names, an unknown value is empty."""

    media_type: ClassVar[str] = "text/csv"
    suffix: ClassVar[str] = "csv"

    def header(self) -> bytes:
        """Return the line of names."""
        return f"{','.join(_NAMES)}\n".encode()

    def rows(self, points: Points) -> bytes:
        """Return one line a point: PostgreSQL has written it (``list_lightcurve_csv``)."""
        return "".join([f"{point['line']}\n" for point in points]).encode()

    def footer(self) -> bytes:
        """Return nothing."""
        return b""


class VoTable:
    """VOTable with units and UCDs; an unknown number is NaN.

    astropy writes the header. It needs 45 microseconds a row for the rest, so the rows are
    written here.

    Parameters
    ----------
    source_id : int
        Source of the light curve, for the description.

    References
    ----------
    Ochsenbein et al. (2019), VOTable 1.4, IVOA Recommendation.
    """

    media_type: ClassVar[str] = "application/x-votable+xml"
    suffix: ClassVar[str] = "xml"

    def __init__(self, source_id: int) -> None:
        head, end, tail = _write_empty_votable(source_id).partition("  </TABLE>\n")
        self._header = f"{head}   <DATA>\n    <TABLEDATA>\n"
        self._footer = f"    </TABLEDATA>\n   </DATA>\n{end}{tail}"

    def header(self) -> bytes:
        """Return the document up to its first row."""
        return self._header.encode()

    def rows(self, points: Points) -> bytes:
        """Return one element TR a point."""
        rows = (map(call, _TO_TEXT, cells) for cells in map(_to_cells, points))
        texts = (f"     <TR><TD>{'</TD><TD>'.join(cells)}</TD></TR>\n" for cells in rows)
        return "".join(texts).encode()

    def footer(self) -> bytes:
        """Return the rest of the document."""
        return self._footer.encode()


def _write_empty_votable(source_id: int) -> str:
    from api.steps.tables.votable_document import write_empty_votable  # noqa: PLC0415  (slow)

    words = f"/api/v1/sources/{source_id}/lightcurve"
    info = TableInfo(
        "lightcurve", f"Light curve of source {source_id}", (), words, version("livetrap")
    )
    return write_empty_votable(info, [_to_field(*column) for column in _COLUMNS])


def _to_field(name: str, datatype: str, unit: str | None, ucd: str) -> dict[str, Any]:
    """Return the attributes of element FIELD."""
    field = {"name": name, "ID": name, "datatype": datatype, "unit": unit, "ucd": ucd}
    if name == "time_start":
        field |= {"xtype": "timestamp", "ref": "utc"}
    if name in {"ra", "dec"}:
        field["ref"] = "icrs"
    return field | ({"arraysize": "*"} if datatype == "char" else {})


def _to_iso(time: Any) -> str:
    return str(time.isoformat()).replace("+00:00", "Z")


def _to_double(value: float | None) -> str:
    """Return all digits of a number, without the fraction of a whole one, as astropy does."""
    if value is None or math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return repr(value).removesuffix(".0")


_BY_DATATYPE: dict[str, Callable[[Any], str]] = {
    "char": escape,
    "double": _to_double,
    "long": str,
}
_TO_TEXT = [
    _to_iso if name == "time_start" else _BY_DATATYPE[datatype]
    for name, datatype, _, _ in _COLUMNS
]
