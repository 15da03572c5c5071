"""Tables in every format, read by other programs' readers."""

import csv
import io
import math
import tracemalloc
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from astropy.io.votable import parse
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from api.models import columns
from api.models.columns import Column
from api.steps.tables.base import TableFormat, TableInfo
from api.steps.tables.csv_format import CsvFormat
from api.steps.tables.parquet_format import ParquetFormat
from api.steps.tables.votable_format import VoTableFormat
from tests.support.examples import examples

TABLES = {
    name: getattr(columns, name)
    for name in ("ALERTS", "DETECTIONS", "IMAGES", "SOURCES", "TRANSIENTS")
}
VALUES = {
    "double": st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False)),
    "long": st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)),
    "boolean": st.one_of(st.none(), st.booleans()),
    "time": st.one_of(st.none(), st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1),  # noqa: DTZ001
                                              timezones=st.just(UTC))),
    "text": st.one_of(st.none(), st.text("abc <&>\"'#:/", min_size=1, max_size=8)),
}  # fmt: skip

# The tables have columns of the same few kinds: together as many as of other properties.
OF_A_TABLE = 100 // len(TABLES)


def info(name: str) -> TableInfo:
    return TableInfo(name.lower(), "A table & more.", TABLES[name], "/api/v1/x?a=1&b=<2>", "1.2")


def write(table: TableFormat, rows: list[dict[str, Any]], size: int = 3) -> bytes:
    pieces = [table.rows(rows[start : start + size]) for start in range(0, len(rows), size)]
    return b"".join([table.header(), *pieces, table.footer()])


def rows_of(name: str) -> st.SearchStrategy[list[dict[str, Any]]]:
    row = st.fixed_dictionaries({each.name: VALUES[each.kind] for each in TABLES[name]})
    return st.lists(row, max_size=5)


def cell(value: Any, column: Column) -> Any:
    """Return a value as astropy reads it."""
    if isinstance(value, datetime):
        return value.isoformat(timespec="microseconds").replace("+00:00", "Z")
    return value.rstrip() if column.kind == "text" and value else value


def test_a_votable_names_only_systems_that_it_refers_to() -> None:
    plain = TableInfo("x", "x", (Column("n", "int"),), "", "1")
    assert b"SYS" not in VoTableFormat(plain).header()
    timed = TableInfo("x", "x", (Column("t", "time"),), "", "1")
    assert b"TIMESYS" in VoTableFormat(timed).header()
    assert b"COOSYS" not in VoTableFormat(timed).header()


@pytest.mark.parametrize("name", TABLES)
@settings(max_examples=examples(OF_A_TABLE))
@given(data=st.data())
def test_astropy_reads_what_a_votable_was_made_of(name: str, data: st.DataObject) -> None:
    rows = data.draw(rows_of(name))
    document = parse(io.BytesIO(write(VoTableFormat(info(name)), rows)), verify="exception")
    table = document.get_first_table()
    assert len(table.array) == len(rows)
    for column in TABLES[name]:
        for got, is_null, row in zip(
            table.array[column.name].data, table.array.mask[column.name], rows, strict=True
        ):
            wanted = cell(row[column.name], column)
            if wanted is None and column.kind in {"text", "time"}:
                assert is_null or not str(got).rstrip("\0 ")
            elif wanted is None:
                assert is_null or (column.kind == "double" and math.isnan(got))
            elif column.kind in {"text", "time"}:
                assert str(got).rstrip("\0 ") == wanted.rstrip()
            else:
                assert got == wanted


@pytest.mark.parametrize("name", TABLES)
def test_a_votable_has_units_systems_and_the_query(name: str) -> None:
    document = parse(io.BytesIO(write(VoTableFormat(info(name)), [])), verify="exception")
    assert document.version == "1.4"
    assert [each.system for each in document.coordinate_systems] == ["ICRS"]
    assert [each.timescale for each in document.time_systems] == ["UTC"]
    facts = {each.name: each.value for each in document.resources[0].infos}
    assert facts == {"query": "/api/v1/x?a=1&b=<2>", "software": "LiveTrap 1.2"}
    fields = {each.name: each for each in document.get_first_table().fields}
    for column in TABLES[name]:
        field = fields[column.name]
        assert field.ucd, column.name
        assert (field.ref == "utc", field.xtype) == (
            (True, "timestamp") if column.kind == "time" else (False, None)
        )
        assert (column.unit is None) == (field.unit is None)
    if "ra" in fields:
        assert fields["ra"].ref == fields["dec"].ref == "icrs"


@pytest.mark.parametrize("name", TABLES)
@settings(max_examples=examples(OF_A_TABLE))
@given(data=st.data())
def test_parquet_has_the_same_rows_and_the_query(name: str, data: st.DataObject) -> None:
    rows = data.draw(rows_of(name))
    table = parquet.read_table(io.BytesIO(write(ParquetFormat(info(name)), rows)))
    assert table.to_pylist() == rows
    assert table.schema.metadata[b"query"] == b"/api/v1/x?a=1&b=<2>"


@given(data=st.data())
def test_csv_has_the_same_rows(data: st.DataObject) -> None:
    rows = data.draw(rows_of("ALERTS"))
    text = write(CsvFormat(info("ALERTS")), rows).decode()
    read = list(csv.DictReader(io.StringIO(text)))
    assert [each["ivorn"] for each in read] == [row["ivorn"] or "" for row in rows]
    for got, row in zip(read, rows, strict=True):
        assert (float(got["snr"]) if got["snr"] else None) == row["snr"]


def test_memory_does_not_grow_with_the_rows() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    kinds = {"double": 1.5, "long": 7, "boolean": True, "text": "abc"}
    rows = [
        {each.name: kinds.get(each.kind, start + timedelta(seconds=number))
         for each in TABLES["SOURCES"]}
        for number in range(200)
    ]  # fmt: skip
    table = VoTableFormat(info("SOURCES"))
    table.rows(rows)
    tracemalloc.start()
    n_bytes = sum(len(table.rows(rows)) for _ in range(20))
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert n_bytes > 4_000 * 200
    assert peak_bytes < n_bytes / 2
