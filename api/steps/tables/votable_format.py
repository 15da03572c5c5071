"""VOTable 1.4 in BINARY2, with units, UCDs, coordinate and time system.

astropy writes the header. It needs 45 microseconds a row for the rest: rows are packed here.
"""

import base64
import math
import struct
from datetime import datetime
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from api.models.columns import Column
from api.steps.tables.base import Rows, TableInfo

__all__ = ["VoTableFormat"]

# Of a line of base64.
_LINE_BYTES = 57
_TIME_SIZE = 27
_TYPES: dict[str, str] = {"double": ">f8", "long": ">i8", "int": ">i4", "boolean": "S1"}
_OVERFLOW = '\n  <INFO name="QUERY_STATUS" value="OVERFLOW"/>'
_POSITIONS = ("pos.eq.ra", "pos.eq.dec", "stat.error;pos.eq", "POS_EQ")


class VoTableFormat:
    """A table as VOTable.

    Parameters
    ----------
    info : TableInfo
        What it is about.
    status : str or None
        ``OK`` where a protocol of the IVOA wants the status of the query.
    is_overflow : bool
        There are more rows than were asked for, which such a protocol says at the end.
    services : str
        Elements RESOURCE of services that take values of the table (DataLink 1.1, section 4).

    References
    ----------
    Ochsenbein et al. (2019), VOTable 1.4, IVOA Recommendation, sections 5.4 and 6.
    """

    media_type: ClassVar[str] = "application/x-votable+xml"
    suffix: ClassVar[str] = "vot"

    def __init__(
        self,
        info: TableInfo,
        *,
        status: str | None = None,
        is_overflow: bool = False,
        services: str = "",
    ) -> None:
        from api.steps.tables.votable_document import write_empty_votable  # noqa: PLC0415  (slow)

        self._columns = info.columns
        fields = [_to_field(column) for column in info.columns]
        head, end, tail = write_empty_votable(info, fields, status=status).partition("  </TABLE>")
        self._header = f'{head}   <DATA>\n    <BINARY2>\n     <STREAM encoding="base64">\n'
        body, closing, rest = tail.rpartition("</VOTABLE>")
        self._end, self._tail = end, f"{body}{services}{closing}{rest}"
        self._is_overflow = is_overflow
        self._dtype = _to_dtype(info.columns)
        self._has_long_texts = any(_is_variable(column) for column in info.columns)
        self._rest = b""

    def header(self) -> bytes:
        """Return the document up to its first row."""
        return self._header.encode()

    def rows(self, rows: Rows) -> bytes:
        """Return rows in whole lines of base64; what remains goes before the next ones."""
        packed = self._rest + self._pack(rows)
        n_whole = len(packed) // _LINE_BYTES * _LINE_BYTES
        self._rest = packed[n_whole:]
        return base64.encodebytes(packed[:n_whole])

    def footer(self) -> bytes:
        """Return the rest of the rows and of the document."""
        end = self._end + _OVERFLOW * self._is_overflow
        end = f"     </STREAM>\n    </BINARY2>\n   </DATA>\n{end}{self._tail}"
        return base64.encodebytes(self._rest) + end.encode()

    def mark_overflow(self) -> None:
        """Say at the end that there are more rows."""
        self._is_overflow = True

    def _pack(self, rows: Rows) -> bytes:
        table = np.zeros(len(rows), self._dtype)
        is_null = np.zeros((len(rows), len(self._columns)), np.bool_)
        for number, column in enumerate(self._columns):
            values = [row[column.name] for row in rows]
            is_null[:, number] = [value is None for value in values]
            if not _is_variable(column):
                table[f"f{number}"] = _to_array(values, column)
        table["nulls"] = np.packbits(is_null, axis=1)
        return self._pack_variable(table, rows) if self._has_long_texts else table.tobytes()

    def _pack_variable(self, table: npt.NDArray[np.void], rows: Rows) -> bytes:
        """Return rows of which some texts are as long as they are."""
        names = ("nulls", *(f"f{number}" for number in range(len(self._columns))))
        parts = [_to_long_texts(rows, None, table["nulls"])]
        parts += [
            _to_long_texts(rows, column, table[name])
            for name, column in zip(names[1:], self._columns, strict=True)
        ]
        return b"".join(piece for row in zip(*parts, strict=True) for piece in row)


def _is_variable(column: Column) -> bool:
    return column.kind == "text" and column.size == 0


def _to_long_texts(rows: Rows, column: Column | None, packed: npt.NDArray[Any]) -> list[bytes]:
    """Return the bytes of a column, row by row."""
    if column is not None and _is_variable(column):
        texts = [_to_ascii(row[column.name]) for row in rows]
        return [struct.pack(">I", len(text)) + text for text in texts]
    size = packed.itemsize * math.prod(packed.shape[1:])
    whole = packed.tobytes()
    return [whole[start : start + size] for start in range(0, size * len(rows), size)]


def _to_dtype(columns: tuple[Column, ...]) -> np.dtype[np.void]:
    fields: list[Any] = [("nulls", "u1", ((len(columns) + 7) // 8,))]
    fields += [(f"f{number}", _to_type(column)) for number, column in enumerate(columns)]
    return np.dtype(fields)


def _to_type(column: Column) -> str:
    if column.kind == "time":
        return f"S{_TIME_SIZE}"
    if _is_variable(column):
        return "S1"
    return _TYPES.get(column.kind, f"S{column.size}")


def _to_array(values: list[Any], column: Column) -> npt.NDArray[Any]:
    if column.kind == "double":
        return np.array([math.nan if value is None else value for value in values], ">f8")
    if column.kind in {"long", "int"}:
        return np.array([0 if value is None else value for value in values], _to_type(column))
    if column.kind == "boolean":
        return np.array([b"?" if value is None else b"FT"[value : value + 1] for value in values])
    return np.array([_to_ascii(value) for value in values], _to_type(column))


def _to_ascii(value: Any) -> bytes:
    return b"" if value is None else _to_text(value).encode("ascii", "replace")


def _to_text(value: Any) -> str:
    if not isinstance(value, datetime):
        return str(value)
    # Always as long: a shorter one would be filled with zero bytes, which are not of a timestamp.
    return value.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _to_field(column: Column) -> dict[str, Any]:
    """Return the attributes of element FIELD."""
    field: dict[str, Any] = {"unit": column.unit, "ucd": column.ucd or None}
    field["datatype"] = column.kind if column.kind in _TYPES else "char"
    if column.kind == "time":
        field |= {"arraysize": str(_TIME_SIZE), "xtype": "timestamp", "ref": "utc"}
    elif column.kind == "text":
        field["arraysize"] = str(column.size or "*")
    elif column.ucd.startswith(_POSITIONS):
        field["ref"] = "icrs"
    if column.xtype:
        field["xtype"] = column.xtype
    if column.utype:
        field["utype"] = column.utype
    return {"name": column.name, "ID": column.name, "description": column.description} | field
