"""CSV with a line of names; the units are in the names, an unknown value is empty."""

import csv
import io
import math
from collections.abc import Iterable
from datetime import datetime
from typing import ClassVar

from api.steps.tables.base import Rows, TableInfo

__all__ = ["CsvFormat"]


class CsvFormat:
    """A table as CSV.

    Parameters
    ----------
    info : TableInfo
        What it is about.
    """

    media_type: ClassVar[str] = "text/csv"
    suffix: ClassVar[str] = "csv"

    def __init__(self, info: TableInfo) -> None:
        self._names = [column.name for column in info.columns]

    def header(self) -> bytes:
        """Return the line of names."""
        return _to_csv([self._names])

    def rows(self, rows: Rows) -> bytes:
        """Return one line a row."""
        return _to_csv([_to_text(row[name]) for name in self._names] for row in rows)

    def footer(self) -> bytes:
        """Return nothing."""
        return b""


def _to_csv(lines: Iterable[Iterable[object]]) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(lines)
    return out.getvalue().encode()


def _to_text(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and not math.isfinite(value):
        return ""
    return value
