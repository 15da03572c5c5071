"""What the formats of a table share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from api.models.columns import Column

__all__ = ["Row", "Rows", "TableFormat", "TableInfo"]

Row = Mapping[str, Any]
Rows = Sequence[Row]


@dataclass(frozen=True, slots=True)
class TableInfo:
    """What a table is about.

    Parameters
    ----------
    name : str
        Name of the table and, with a suffix, of its file.
    description : str
        One sentence.
    columns : tuple of Column
        Its columns.
    query : str
        Path and parameters that asked for it.
    version : str
        Version of the software.
    """

    name: str
    description: str
    columns: tuple[Column, ...]
    query: str
    version: str


class TableFormat(Protocol):
    """A format that is written in pieces: the header, rows many times, the footer."""

    media_type: ClassVar[str]
    suffix: ClassVar[str]

    def header(self) -> bytes:
        """Return what comes before the rows."""
        ...

    def rows(self, rows: Rows) -> bytes:
        """Return some rows."""
        ...

    def footer(self) -> bytes:
        """Return what comes after the rows."""
        ...
