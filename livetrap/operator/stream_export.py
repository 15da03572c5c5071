"""Write a stream as Parquet files: one a table, typed, compressed, in batches."""

import asyncio
import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg

from livetrap.database.connection import connect
from livetrap.operator.streams import find_stream
from runtime.errors import FatalError, SettingsError
from runtime.settings import Settings
from runtime.sql import load_statement

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["TABLES", "export_stream"]

TABLES = ("images", "sources", "statistics", "detections", "shared_detections", "transients")
_BATCH_ROWS = 20_000


def export_stream(settings: Settings, name: str, folder: Path) -> dict[str, int]:
    """Write every table of a stream to ``<folder>/<table>.parquet``, as of one moment.

    A file appears when it is whole; what is there is not overwritten.

    Parameters
    ----------
    settings : Settings
        Where the database is.
    name : str
        The stream.
    folder : Path
        Made if it is missing.

    Returns
    -------
    dict
        Rows by table.

    Raises
    ------
    SettingsError
        If there is no such stream, a file is there already, the folder cannot be written, or
        pyarrow is not installed.
    TransientError, FatalError
        As of `livetrap.database.connection.connect`.
    """
    try:
        importlib.import_module("pyarrow.parquet")
    except ImportError as error:
        raise SettingsError(
            "export needs pyarrow: python -m pip install 'livetrap[export]'"
        ) from error
    try:
        folder.mkdir(parents=True, exist_ok=True)
        present = [table for table in TABLES if _path(folder, table).exists()]
        if present:
            raise SettingsError(
                f"{_path(folder, present[0])} is there already; choose another --to"
            )
        return asyncio.run(_export(settings, name, folder))
    except OSError as error:
        raise SettingsError(f"cannot write to {folder}: {error}") from error


def _path(folder: Path, table: str) -> Path:
    return folder / f"{table}.parquet"


async def _export(settings: Settings, name: str, folder: Path) -> dict[str, int]:
    async with connect(settings.postgres) as connection:
        stream = await find_stream(connection, name)
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            return {
                table: await _export_table(
                    connection, table, stream_id=stream["id"], path=_path(folder, table)
                )
                for table in TABLES
            }


async def _export_table(
    connection: asyncpg.Connection, table: str, *, stream_id: int, path: Path
) -> int:
    """Write one table; return the number of its rows."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    query = load_statement("livetrap.operator", f"export_{table}")
    statement = await connection.prepare(query.text)
    schema = pa.schema(
        [(column.name, _to_arrow(column.type.name)) for column in statement.get_attributes()]
    )
    cursor = await statement.cursor(*query.to_arguments({"stream_id": stream_id}))
    partial = path.with_suffix(".parquet.partial")
    n_rows = 0
    with pq.ParquetWriter(partial, schema, compression="zstd") as writer:
        while rows := await cursor.fetch(_BATCH_ROWS):
            columns = [
                pa.array(values, field.type)
                for values, field in zip(zip(*rows, strict=True), schema, strict=True)
            ]
            writer.write_batch(pa.record_batch(columns, schema=schema))
            n_rows += len(rows)
    partial.replace(path)
    return n_rows


def _to_arrow(type_name: str) -> "pa.DataType":
    """Return the Arrow type of a PostgreSQL type."""
    import pyarrow as pa  # noqa: PLC0415

    known: dict[str, Any] = {
        "int2": pa.int16(),
        "int4": pa.int32(),
        "int8": pa.int64(),
        "float4": pa.float32(),
        "float8": pa.float64(),
        "bool": pa.bool_(),
        "text": pa.string(),
        "bytea": pa.binary(),
        "timestamptz": pa.timestamp("us", "UTC"),
        "text[]": pa.list_(pa.string()),
        "float4[]": pa.list_(pa.float32()),
    }
    if type_name not in known:
        raise FatalError(f"no Parquet type for PostgreSQL's {type_name}: a defect of this export")
    return known[type_name]
