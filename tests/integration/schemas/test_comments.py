"""Every table, column and function of the schema has a comment; numbers and times have a unit."""

import re

import asyncpg

_COLUMNS = """
select
    pg_class.relname || '.' || pg_attribute.attname as name,
    format_type(pg_attribute.atttypid, null) as type,
    col_description(pg_class.oid, pg_attribute.attnum) as comment
from pg_class
inner join pg_attribute on pg_class.oid = pg_attribute.attrelid
where
    pg_class.relnamespace = 'public'::regnamespace
    and pg_class.relkind in ('r', 'p')
    and not pg_class.relispartition
    and pg_attribute.attnum > 0
    and not pg_attribute.attisdropped
"""
_TABLES_AND_FUNCTIONS = """
select relname as name, obj_description(oid, 'pg_class') as comment
from pg_class
where
    relnamespace = 'public'::regnamespace
    and relkind in ('r', 'p', 'v', 'm')
    and not relispartition
union all
select proname as name, obj_description(oid, 'pg_proc') as comment
from pg_proc
where pronamespace = 'public'::regnamespace
"""
_SENTENCE = re.compile(r"[A-Za-z0-9]\S*( \S+)*[^.]")
_UNIT = re.compile(
    r" \[(-|deg|arcsec|arcsec/s|mas/yr|yr|px|s|Hz|UTC|deg\^2|1/deg\^2|[(]?(Jy|1/Jy|beam)\S*)\]$"
)
_WITHOUT_UNIT = {"text", "text[]", "boolean", "bytea", "json", "jsonb"}


def _find_fault(name: str, comment: str | None, *, needs_unit: bool) -> str | None:
    if comment is None:
        return f"{name} has no comment"
    if not _SENTENCE.fullmatch(comment):
        return f"{name}: {comment!r} is no plain sentence without a full stop"
    if bool(_UNIT.search(comment)) != needs_unit:
        return f"{name}: {comment!r} must {'end' if needs_unit else 'not end'} in a unit"
    return None


async def _fetch(postgres_url: str, query: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(postgres_url)
    try:
        return await connection.fetch(query)
    finally:
        await connection.close()


async def test_every_column_has_a_comment_and_every_number_or_time_a_unit(postgres_url: str):
    rows = await _fetch(postgres_url, _COLUMNS)
    faults = [
        _find_fault(row["name"], row["comment"], needs_unit=row["type"] not in _WITHOUT_UNIT)
        for row in rows
    ]
    assert len(rows) > 200
    assert [fault for fault in faults if fault] == []


async def test_times_are_utc(postgres_url: str):
    rows = await _fetch(postgres_url, _COLUMNS)
    times = [row for row in rows if "timestamp" in row["type"] or row["comment"].endswith("[UTC]")]
    assert {row["type"] for row in times} == {"timestamp with time zone"}
    assert [row["name"] for row in times if not row["comment"].endswith(" [UTC]")] == []


async def test_every_table_and_function_has_a_comment(postgres_url: str):
    rows = await _fetch(postgres_url, _TABLES_AND_FUNCTIONS)
    faults = [_find_fault(row["name"], row["comment"], needs_unit=False) for row in rows]
    assert len(rows) > 25
    assert [fault for fault in faults if fault] == []
