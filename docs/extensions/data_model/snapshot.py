"""The schema as plain data: read from a migrated database, written to and read from JSON."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import asyncpg

__all__ = ["SNAPSHOT", "Column", "Function", "Schema", "Table", "read_schema"]

SNAPSHOT = Path(__file__).parents[2] / "data-model.json"
_QUERIES = Path(__file__).parent / "queries"


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Parameters
    ----------
    type : str
        As PostgreSQL names it.
    comment : str
        Meaning, with the unit in brackets at its end.
    references : str
        Table whose row the database checks it to be, or empty.
    """

    name: str
    type: str
    is_nullable: bool
    is_key: bool
    references: str
    comment: str


@dataclass(frozen=True, slots=True)
class Table:
    """One table.

    Parameters
    ----------
    unique : list of list of str
        Columns of each unique constraint.
    """

    name: str
    comment: str
    columns: list[Column]
    unique: list[list[str]]


@dataclass(frozen=True, slots=True)
class Function:
    """One function of the database."""

    name: str
    arguments: str
    result: str
    comment: str


@dataclass(frozen=True, slots=True)
class Schema:
    """Tables and functions, by name."""

    tables: list[Table]
    functions: list[Function]

    def to_json(self) -> str:
        """Return the text of the committed file."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Schema":
        """Return the schema of a committed file."""
        content = json.loads(text)
        tables = [
            Table(**{**table, "columns": [Column(**column) for column in table["columns"]]})
            for table in content["tables"]
        ]
        return cls(tables, [Function(**each) for each in content["functions"]])


async def read_schema(postgres_url: str) -> Schema:
    """Read the schema of a migrated database.

    Parameters
    ----------
    postgres_url : str
        Its address.

    Returns
    -------
    Schema
        What stands in schema ``public``, without partitions.
    """
    connection = await asyncpg.connect(postgres_url)
    try:
        columns, constraints, functions = [
            await connection.fetch((_QUERIES / f"{name}.sql").read_text(encoding="utf-8"))
            for name in ("list_columns", "list_constraints", "list_functions")
        ]
    finally:
        await connection.close()
    names = sorted({row["table_name"] for row in columns})
    return Schema(
        [_table(name, columns, constraints) for name in names],
        [Function(**dict(row)) for row in functions],
    )


def _table(name: str, columns: list[asyncpg.Record], constraints: list[asyncpg.Record]) -> Table:
    rows = [row for row in columns if row["table_name"] == name]
    mine = [row for row in constraints if row["table_name"] == name]
    keys = {column for row in mine if row["kind"] == "p" for column in row["column_names"]}
    references = {
        row["column_names"][0]: row["referenced_table"] for row in mine if row["kind"] == "f"
    }
    return Table(
        name=name,
        comment=rows[0]["table_comment"] or "",
        columns=[
            Column(
                name=row["column_name"],
                type=row["column_type"],
                is_nullable=row["is_nullable"],
                is_key=row["column_name"] in keys,
                references=references.get(row["column_name"], ""),
                comment=row["column_comment"] or "",
            )
            for row in rows
        ],
        unique=[row["column_names"] for row in mine if row["kind"] == "u"],
    )
