"""Lists as whole tables: CSV, VOTable or Parquet, of one moment, streamed."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
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
from api.steps.tables.base import Row, Rows, TableFormat, TableInfo
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
    """

    request: Request
    context: ApiContext
    client: str
    format: str

    async def answer(
        self,
        query: str,
        columns: tuple[Column, ...],
        *,
        name: str,
        parameters: Mapping[str, object],
        convert: Callable[[Row], Row] | None = None,
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
        """
        asked = self.request.query_params
        if "cursor" in asked:
            raise ProblemError(400, f"cursor is for format=json; {self.format} is not paged")
        limits = {} if "limit" in asked else {"limit": None}
        words = self.request.url.path + ("?" + self.request.url.query) * bool(asked)
        info = TableInfo(name, f"LiveTrap: {name}", columns, words, version("livetrap"))
        table = await asyncio.to_thread(_FORMATS[self.format], info)
        rows = self.context.database.stream(query, client=self.client, **{**parameters, **limits})
        return await start_table(
            encode_table(table, rows if convert is None else _converted(rows, convert)),
            media_type=table.media_type,
            file_name=f"livetrap-{name}.{table.suffix}",
            headers={"X-LiveTrap-Query": words, "X-LiveTrap-Version": info.version},
        )


async def _converted(
    chunks: AsyncGenerator[Rows, None], convert: Callable[[Row], Row]
) -> AsyncGenerator[Rows, None]:
    async with aclosing(chunks):
        async for rows in chunks:
            yield [convert(row) for row in rows]


async def _export(
    request: Request,
    context: Context,
    client: ClientAddress,
    format: Annotated[  # noqa: A002  (the name of the query parameter)
        Literal["json", "csv", "votable", "parquet"],
        Query(description="JSON is paged; the others hold every row, all of one moment"),
    ] = "json",
) -> Export | None:
    """Return None for JSON."""
    return None if format == "json" else Export(request, context, client, format)


ExportParameter = Annotated[Export | None, Depends(_export)]
