"""Lists as whole tables: CSV, VOTable or Parquet, of one moment, streamed."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Annotated, Any, Literal

from fastapi import Depends, Query, Request
from fastapi.responses import Response

from api.errors import ProblemError
from api.handlers.context import ApiContext, ClientAddress, Context
from api.handlers.table_response import start_table
from api.models.columns import Column
from api.steps.export import encode_table
from api.steps.tables.base import Row, TableFormat, TableInfo
from api.steps.tables.csv_format import CsvFormat
from api.steps.tables.parquet_format import ParquetFormat
from api.steps.tables.votable_format import VoTableFormat

__all__ = ["TABLE_RESPONSES", "Export", "ExportParameter"]

_FORMATS: dict[str, Callable[[TableInfo], TableFormat]] = {
    "csv": CsvFormat,
    "votable": VoTableFormat,
    "parquet": ParquetFormat,
}
_BYTES = {"schema": {"type": "string", "format": "binary"}}
# For openapi.json.
TABLE_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A page of JSON, or every row as a table",
        "content": {
            CsvFormat.media_type: {
                "schema": {"type": "string"},
                "example": "id,stream\n1,lofar\n",
            },
            VoTableFormat.media_type: {
                "schema": {"type": "string"},
                "example": '<VOTABLE version="1.4">...</VOTABLE>',
            },
            ParquetFormat.media_type: {**_BYTES, "example": "PAR1..."},
        },
    }
}


@dataclass(frozen=True, slots=True)
class Export:
    """A wish for a whole table.

    Parameters
    ----------
    request : Request
        What was asked.
    context : ApiContext
        What the handlers share.
    client : str
        Address of who asks.
    format : str
        ``csv``, ``votable`` or ``parquet``.
    names : tuple of str or None
        Of the wanted columns; None: all.
    """

    request: Request
    context: ApiContext
    client: str
    format: str
    names: tuple[str, ...] | None = None

    async def answer(
        self,
        query: str,
        columns: tuple[Column, ...],
        *,
        name: str,
        parameters: Mapping[str, object],
        convert: Callable[[Row], Row] | None = None,
        converted: Collection[str] = (),
    ) -> Response:
        """Return every row of a query.

        Parameters
        ----------
        query : str
            Name of a file of ``api/queries``.
        columns : tuple of Column
            Columns of the table.
        name : str
            Name of the table.
        parameters : mapping
            Of the query; `limit` is as the request has it, no limit without.
        convert : callable or None
            Makes a row of the table of one of the query.
        converted : collection of str
            Columns that it makes: it is left out where none of them is wanted.
        """
        asked = self.request.query_params
        if "cursor" in asked:
            raise ProblemError(400, f"cursor is for format=json; {self.format} is not paged")
        limits = {} if "limit" in asked else {"limit": None}
        words = self.request.url.path + ("?" + self.request.url.query) * bool(asked)
        wanted = _choose(columns, self.names)
        info = TableInfo(name, f"LiveTrap: {name}", wanted, words, version("livetrap"))
        is_converted = any(column.name in converted for column in wanted)
        table = await asyncio.to_thread(_FORMATS[self.format], info)
        rows = self.context.database.stream(
            query,
            client=self.client,
            columns=None if is_converted else [column.name for column in wanted],
            **{**parameters, **limits},
        )
        return await start_table(
            encode_table(table, rows, convert=convert if is_converted else None),
            media_type=table.media_type,
            file_name=f"livetrap-{name}.{table.suffix}",
            headers={"X-LiveTrap-Query": words, "X-LiveTrap-Version": info.version},
        )


def _choose(columns: tuple[Column, ...], names: tuple[str, ...] | None) -> tuple[Column, ...]:
    """Return the columns of these names, in their order.

    Raises
    ------
    ProblemError
        400 if there is no such column, or one is named twice.
    """
    if names is None:
        return columns
    known = {column.name: column for column in columns}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ProblemError(
            400, f"columns: there is no {unknown[0]!r}; there are {', '.join(known)}"
        )
    if len(set(names)) < len(names):
        raise ProblemError(400, "columns: a name is there twice")
    return tuple(known[name] for name in names)


async def _export(
    request: Request,
    context: Context,
    client: ClientAddress,
    format: Annotated[  # noqa: A002  (the name of the query parameter)
        Literal["json", "csv", "votable", "parquet"],
        Query(description="JSON is paged; the others hold every row, all of one moment"),
    ] = "json",
    columns: Annotated[
        str | None,
        Query(
            max_length=2000,
            description="Columns of a table, by name with commas between; default: all",
            examples=["id,ra,dec"],
        ),
    ] = None,
) -> Export | None:
    """Return None for JSON."""
    names = None if columns is None else tuple(columns.split(","))
    if format != "json":
        return Export(request, context, client, format, names)
    if names is not None:
        raise ProblemError(400, "columns is for tables: give format=csv, votable or parquet too")
    return None


ExportParameter = Annotated[Export | None, Depends(_export)]
