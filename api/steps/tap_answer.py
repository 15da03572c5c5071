"""Answers of TAP: rows of a question as a table, while they arrive."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any

from api.models.columns import Column, Kind
from api.models.tap import TapColumn, Translation
from api.steps.tables.base import TableFormat, TableInfo
from api.steps.tables.csv_format import CsvFormat
from api.steps.tables.parquet_format import ParquetFormat
from api.steps.tables.votable_format import VoTableFormat
from api.storage.database import Database
from api.storage.questions import ask
from api.storage.retained_images import PixelLinks

__all__ = ["FORMATS", "MAX_RECORDS", "AnswerFormat", "Question", "encode_answer", "to_format"]

MAX_RECORDS = 1_000_000
_TYPES: dict[str, Kind] = {
    "float8": "double", "float4": "double", "numeric": "double", "int2": "long", "int4": "long",
    "int8": "long", "bool": "boolean", "timestamptz": "time", "timestamp": "time",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class AnswerFormat:
    """A format of an answer.

    Parameters
    ----------
    name : str
        Short name, of RESPONSEFORMAT too.
    media_types : tuple of str
        Other names of it.
    build : callable
        Makes the table.
    suffix : str
        Of a file.
    """

    name: str
    media_types: tuple[str, ...]
    suffix: str
    build: Callable[[TableInfo], TableFormat]


FORMATS = (
    AnswerFormat(
        "votable",
        media_types=(
            VoTableFormat.media_type,
            f"{VoTableFormat.media_type};serialization=binary2",
            "votable/b2",
            "text/xml",
            "application/xml",
        ),
        suffix=VoTableFormat.suffix,
        build=lambda info: VoTableFormat(info, status="OK"),
    ),
    AnswerFormat(
        "csv",
        media_types=(CsvFormat.media_type, "text/csv;header=present"),
        suffix=CsvFormat.suffix,
        build=CsvFormat,
    ),
    AnswerFormat(
        "parquet",
        media_types=(ParquetFormat.media_type,),
        suffix=ParquetFormat.suffix,
        build=ParquetFormat,
    ),
)


@dataclass(frozen=True, slots=True)
class Question:
    """A translated query and how its answer is wanted.

    Parameters
    ----------
    adql : str
        As it was asked.
    translation : Translation
        The same in SQL.
    answer_format : AnswerFormat
        Format of the answer.
    max_records : int
        Most rows.
    arguments : tuple
        Parameters of the statement.
    """

    adql: str
    translation: Translation
    answer_format: AnswerFormat
    max_records: int
    arguments: tuple[object, ...] = ()


def to_format(name: str | None) -> AnswerFormat:
    """Return the format of a value of RESPONSEFORMAT.

    Parameters
    ----------
    name : str or None
        Short name or media type; None is VOTable.

    Raises
    ------
    ValueError
        If there is none of the name.
    """
    plain = (name or "votable").replace(" ", "").lower()
    for each in FORMATS:
        if plain == each.name or plain in each.media_types:
            return each
    offer = ", ".join(each.name for each in FORMATS)
    raise ValueError(f"RESPONSEFORMAT: {name} is not offered; write {offer}")


async def encode_answer(
    database: Database,
    question: Question,
    *,
    client: str | None,
    timeout_s: float,
    links: PixelLinks,
) -> AsyncGenerator[bytes, None]:
    """Ask a question and return the table in pieces.

    Parameters
    ----------
    database : Database
        Connections to PostgreSQL.
    question : Question
        What is asked.
    client : str
        As of `ask`.
    timeout_s : float
        As of `ask` [s].
    links : PixelLinks
        As of `ask`.

    Yields
    ------
    bytes
        The header with the first rows, further rows, and the footer.

    Raises
    ------
    AdqlError, ProblemError
        As of `ask`.
    """
    limits: dict[str, Any] = {"client": client, "timeout_s": timeout_s, "links": links}
    asked = question.translation.sql, question.arguments
    async with ask(database, *asked, **limits) as answer:
        columns = _to_columns(question.translation, answer.types)
        info = TableInfo(
            "result", "LiveTrap: answer to a query", columns, question.adql, version("livetrap")
        )
        table = await asyncio.to_thread(question.answer_format.build, info)
        piece = table.header()
        n_left = question.max_records
        async with aclosing(answer.chunks) as chunks:
            async for rows in chunks:
                named = [dict(zip(question.translation.names, row, strict=True)) for row in rows]
                piece += await asyncio.to_thread(table.rows, named[:n_left])
                if len(rows) > n_left:
                    _mark_overflow(table)
                    break
                n_left -= len(rows)
                yield piece
                piece = b""
    yield piece + table.footer()


def _mark_overflow(table: TableFormat) -> None:
    if isinstance(table, VoTableFormat):
        table.mark_overflow()


def _to_columns(translation: Translation, types: Sequence[str]) -> tuple[Column, ...]:
    return tuple(
        _to_column(name, type_name, origin)
        for name, type_name, origin in zip(
            translation.names, types, translation.origins, strict=True
        )
    )


def _to_column(name: str, type_name: str, origin: TapColumn | None) -> Column:
    column = Column(name, _TYPES.get(type_name, "text"), size=0)
    if origin is None:
        return column
    # TAP_SCHEMA has columns of int; what others see of this service is long.
    is_short = column.kind == "long" and origin.datatype == "int"
    return replace(
        column,
        kind="int" if is_short else column.kind,
        unit=origin.unit,
        ucd=origin.ucd or "",
        description=origin.description,
        xtype=None if column.kind == "time" else origin.xtype,
        utype=origin.utype,
    )
