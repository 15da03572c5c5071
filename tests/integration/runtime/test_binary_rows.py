"""Columns keep their values through COPY in binary form."""

import io
from datetime import UTC, datetime, timedelta

import asyncpg
import numpy as np

from runtime.binary_rows import decode_rows, encode_columns

MOMENT = datetime(1999, 12, 31, 23, 59, 59, 123456, tzinfo=UTC)


async def test_every_type_survives(postgres_url: str) -> None:
    n = 5
    times = [MOMENT + timedelta(days=300 * step) for step in range(n)]
    columns = {
        "a bigint": np.array([0, 1, -1, 2**62, -(2**62)]),
        "b int": np.arange(n, dtype=np.int32) - 2,
        "c smallint": np.arange(n, dtype=np.int16) - 2,
        "d float8": np.array([0.0, 1.5, -np.inf, np.nan, 1e-300]),
        "e boolean": np.array([True, False, True, False, True]),
        "f timestamptz": np.array([time.replace(tzinfo=None) for time in times], "M8[us]"),
        "g text": np.full(n, b"blind"),
        "h float8": None,
    }
    connection = await asyncpg.connect(postgres_url)
    try:
        await connection.execute(f"create temp table copied ({', '.join(columns)})")
        data = encode_columns([list(columns.values()), list(columns.values())])
        await connection.copy_to_table("copied", source=io.BytesIO(data), format="binary")
        rows = await connection.fetch("select * from copied")
        assert len(rows) == 2 * n
        for name, column in columns.items():
            found = [row[name.split()[0]] for row in rows]
            if name.startswith("f"):
                assert found == [*times, *times]
            elif name.startswith("g"):
                assert found == ["blind"] * 2 * n
            elif column is None:
                assert found == [None] * 2 * n
            else:
                both = np.concatenate([column, column])
                np.testing.assert_array_equal(np.array(found, column.dtype), both)
    finally:
        await connection.close()


async def test_no_rows_are_no_rows(postgres_url: str) -> None:
    connection = await asyncpg.connect(postgres_url)
    try:
        await connection.execute("create temp table copied (a bigint, b text)")
        data = encode_columns([[np.empty(0, np.int64), np.empty(0, "S1")]])
        await connection.copy_to_table("copied", source=io.BytesIO(data), format="binary")
        assert await connection.fetchval("select count(*) from copied") == 0
    finally:
        await connection.close()


async def test_rows_come_back_as_columns(postgres_url: str) -> None:
    dtype = np.dtype([("a", np.int64), ("b", np.int32), ("c", np.float64), ("d", np.bool_)])
    connection = await asyncpg.connect(postgres_url)
    try:
        data = await connection.fetchval(
            "select string_agg("
            "int8send(n) || int4send(n::int) || float8send(n / 4.0::float8) || boolsend(n > 2), "
            "'' order by n) from generate_series(1::bigint, 4) as n"
        )
    finally:
        await connection.close()
    rows = decode_rows(data, dtype)
    assert rows.tolist() == [(n, n, n / 4, n > 2) for n in range(1, 5)]
    assert decode_rows(b"", dtype).size == 0
