"""Questions that others write: run under a role that sees views, with limits of their own."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any

import asyncpg

from api.errors import AdqlError, ProblemError
from api.models.tap import Catalogue, TapColumn, TapKey, TapTable
from api.storage.database import Database
from api.storage.retained_images import PixelLinks
from runtime.sql import load_statement

__all__ = ["Answer", "ask", "fetch_rows", "read_catalogue"]

_CHUNK_ROWS = 1000
_MARGIN_S = 5.0
_NO_ROLE = (
    "TAP is not set up: PostgreSQL has no role livetrap_tap for this user; docs/operations.md has "
    "the two statements that create it"
)
# What else can be done, by whether it is a job.
_OTHERWISE = {False: ", or ask it as a job (async)", True: ", or raise EXECUTIONDURATION"}
# A question may be wrong in these ways; anything else is the fault of the server.
_OF_THE_QUESTION = (
    asyncpg.DataError,
    asyncpg.CardinalityViolationError,
    asyncpg.SyntaxOrAccessError,
    asyncpg.ProgramLimitExceededError,
    asyncpg.ConfigurationLimitExceededError,
    asyncpg.FeatureNotSupportedError,
)


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a question while it is read.

    Parameters
    ----------
    names, types : list of str
        Name and type of each column, as PostgreSQL has them.
    chunks : async generator
        Rows as tuples, a thousand at a time.
    """

    names: list[str]
    types: list[str]
    chunks: AsyncGenerator[list[tuple[object, ...]], None]


async def read_catalogue(database: Database) -> Catalogue:
    """Return the tables that can be asked.

    Parameters
    ----------
    database : Database
        Connections to PostgreSQL.

    Raises
    ------
    TransientError
        As of `Database.fetch`.
    """
    schemas: dict[str, str] = {}
    tables: dict[tuple[str, str], TapTable] = {}
    columns: dict[tuple[str, str], dict[str, TapColumn]] = {}
    for row in await database.fetch("list_tap_columns"):
        schema, name = row["schema_name"], row["table_name"].partition(".")[2]
        schemas[schema] = row["schema_description"]
        found = columns.setdefault((schema, name), {})
        tables[schema, name] = TapTable(
            schema, name, row["table_type"], row["table_utype"], row["table_description"], found
        )
        facts = {key: row[key] for key in TapColumn.__slots__ if key in row}
        found[row["plain_name"]] = TapColumn(name=row["column_name"], **facts)
    return Catalogue(schemas, tables, await _read_keys(database))


async def _read_keys(database: Database) -> tuple[TapKey, ...]:
    rows = await database.fetch("list_tap_keys")
    return tuple(_to_key(list(pairs)) for _, pairs in groupby(rows, itemgetter("key_id")))


def _to_key(rows: Sequence[Mapping[str, str]]) -> TapKey:
    first = rows[0]
    columns = tuple((row["from_column"], row["target_column"]) for row in rows)
    return TapKey(first["from_table"], first["target_table"], first["description"], columns)


@asynccontextmanager
async def ask(
    database: Database,
    sql: str,
    arguments: Sequence[object] = (),
    *,
    client: str | None,
    timeout_s: float,
    links: PixelLinks,
) -> AsyncIterator[Answer]:
    """Run a statement that somebody else asks for.

    Parameters
    ----------
    database : Database
        Connections to PostgreSQL.
    sql : str
        One SELECT.
    arguments : sequence
        Its parameters.
    client : str or None
        Address of who asks: each has a budget. None: a job, with a connection of its own.
    timeout_s : float
        Time that it may take [s].
    links : PixelLinks
        For the column `access_url`.

    Yields
    ------
    Answer
        Its rows are read while the context is open.

    Raises
    ------
    AdqlError
        If the question is wrong, or takes too long.
    ProblemError
        503 if too many are running, or there is no role to ask it.
    """
    lent = database.own_connection() if client is None else database.expensive_connection(client)
    async with lent as connection, connection.transaction():
        await _enter(connection, timeout_s=timeout_s, links=links)
        with_words = f"it took longer than {timeout_s:g} s; narrow it{_OTHERWISE[client is None]}"
        try:
            statement = await connection.prepare(sql, timeout=timeout_s + _MARGIN_S)
            attributes = statement.get_attributes()
            names = [attribute.name for attribute in attributes]
            types = [attribute.type.name for attribute in attributes]
            cursor = await statement.cursor(*arguments, timeout=timeout_s + _MARGIN_S)
            yield Answer(names, types, _read(cursor))
        except (asyncpg.QueryCanceledError, TimeoutError):
            raise AdqlError(with_words) from None
        except asyncpg.InsufficientPrivilegeError as error:
            raise ProblemError(503, f"TAP is not set up: {error}") from error
        except _OF_THE_QUESTION as error:
            raise AdqlError(str(error).partition("\n")[0]) from None


async def fetch_rows(
    database: Database,
    query: str,
    *,
    client: str,
    timeout_s: float,
    links: PixelLinks,
    **parameters: object,
) -> list[dict[str, Any]]:
    """Return all rows of a query of this service, asked as somebody else's is.

    Parameters
    ----------
    database : Database
        Connections to PostgreSQL.
    query : str
        Name of a file in ``api/queries``.
    client : str
        As of `ask`.
    timeout_s : float
        As of `ask` [s].
    links : PixelLinks
        As of `ask`.
    **parameters : object
        Of the query.

    Raises
    ------
    AdqlError, ProblemError
        As of `ask`.
    """
    statement = load_statement("api", query)
    arguments = statement.to_arguments(parameters)
    limits: dict[str, Any] = {"client": client, "timeout_s": timeout_s, "links": links}
    async with ask(database, statement.text, arguments, **limits) as answer:
        return [
            dict(zip(answer.names, row, strict=True))
            async for rows in answer.chunks
            for row in rows
        ]


async def _enter(
    connection: asyncpg.pool.PoolConnectionProxy | asyncpg.Connection,
    *,
    timeout_s: float,
    links: PixelLinks,
) -> None:
    limits = load_statement("api", "set_question_limits")
    values = {
        "timeout_ms": int(timeout_s * 1000),
        "base_url": links.base_url,
        "retained": links.retained,
        "archive": "on" if links.has_archive else "off",
    }
    await connection.fetch(limits.text, *limits.to_arguments(values))
    try:
        await connection.fetch(load_statement("api", "set_question_role").text)
    except (asyncpg.InvalidParameterValueError, asyncpg.InsufficientPrivilegeError) as error:
        raise ProblemError(503, _NO_ROLE) from error


async def _read(
    cursor: "asyncpg.cursor.Cursor",
) -> AsyncGenerator[list[tuple[object, ...]], None]:
    while rows := await cursor.fetch(_CHUNK_ROWS):
        yield [tuple(row) for row in rows]
