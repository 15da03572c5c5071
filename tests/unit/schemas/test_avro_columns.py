"""Columns of numbers are read and written as fastavro does, damaged or not."""

import io
from typing import Any

import fastavro
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.avro_columns import read_columns, write_columns
from schemas.registry import current_version, list_versions

_INNER = {
    "type": "record", "name": "inner",
    "fields": [
        {"name": "x", "type": {"type": "array", "items": "double"}},
        {"name": "flags", "type": {"type": "array", "items": "long"}},
        {"name": "y", "type": {"type": "array", "items": "float"}},
    ],
}  # fmt: skip
SCHEMA = fastavro.parse_schema(
    {
        "type": "record", "name": "outer",
        "fields": [
            {"name": "first", "type": "string"},
            {"name": "level", "type": ["null", "double"]},
            {"name": "inner", "type": _INNER},
            {"name": "alone", "type": {"type": "array", "items": "double"}},
            {"name": "names", "type": {"type": "array", "items": "string"}},
        ],
    }
)  # fmt: skip
_DOUBLES = st.lists(st.floats(), max_size=20)
_FLOATS = st.lists(st.floats(width=32), max_size=20)
_RECORDS = st.fixed_dictionaries(
    {
        "first": st.text(max_size=5),
        "level": st.none() | st.floats(),
        "inner": st.fixed_dictionaries(
            {"x": _DOUBLES, "flags": st.lists(st.integers(0, 9)), "y": _FLOATS}
        ),
        "alone": _DOUBLES,
        "names": st.lists(st.text(max_size=3), max_size=3),
    }
)


def _write(record: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, SCHEMA, record)
    return buffer.getvalue()


def _read(data: bytes) -> dict[str, Any]:
    buffer = io.BytesIO(data)
    record = read_columns(buffer, SCHEMA)
    assert buffer.tell() == len(data)
    return record


@given(_RECORDS)
def test_a_record_is_what_fastavro_reads(record: dict[str, Any]):
    data = _write(record)
    expected, found = fastavro.schemaless_reader(io.BytesIO(data), SCHEMA, None), _read(data)
    for column in (found["inner"]["x"], found["inner"]["y"], found["alone"]):
        assert column.flags.writeable
        assert column.dtype.isnative
    np.testing.assert_equal(found, _with_arrays(expected))
    assert list(found) == list(expected)


def _with_arrays(record: dict[str, Any]) -> dict[str, Any]:
    inner = record["inner"]
    inner = inner | {"x": np.array(inner["x"]), "y": np.array(inner["y"], np.float32)}
    return record | {"inner": inner, "alone": np.array(record["alone"])}


@given(_RECORDS)
def test_a_record_is_what_fastavro_writes(record: dict[str, Any]):
    for columns in (record, _with_arrays(record)):
        buffer = io.BytesIO()
        write_columns(buffer, SCHEMA, columns)
        assert buffer.getvalue() == _write(record)


@pytest.mark.parametrize("n", [0, 1, 63, 64, 8191, 8192, 1_048_576])
def test_a_column_of_any_length_is_what_fastavro_writes(n: int):
    schema = fastavro.parse_schema(
        {"type": "record", "name": "long",
         "fields": [{"name": "x", "type": {"type": "array", "items": "float"}}]}
    )  # fmt: skip
    expected, found = io.BytesIO(), io.BytesIO()
    fastavro.schemaless_writer(expected, schema, {"x": [0.5] * n})
    write_columns(found, schema, {"x": np.full((2 * n,), 0.5)[::2]})
    assert found.getvalue() == expected.getvalue()


@given(_RECORDS, st.data())
def test_a_record_that_ends_early_is_damaged(record: dict[str, Any], data: st.DataObject):
    whole = _write(record)
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    with pytest.raises((EOFError, ValueError, IndexError, TypeError)):
        _read(cut)


def test_blocks_with_their_sizes_are_one_array():
    one, two = np.arange(3.0), np.arange(2.0)
    # Counts of -3 and -2, each with the bytes that follow; 0 ends the array.
    blocks = b"\x05\x30" + one.tobytes() + b"\x03\x20" + two.tobytes() + b"\x00"
    data = _write({"first": "", "level": None, "inner": {"x": [], "flags": [], "y": []},
                   "alone": [], "names": []})  # fmt: skip
    assert data[-2:] == b"\x00\x00"
    found = _read(data[:-2] + blocks + b"\x00")
    assert found["alone"].tolist() == [0.0, 1.0, 2.0, 0.0, 1.0]


@pytest.mark.parametrize("count", [b"\xff" * 11, b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01"])
def test_an_impossible_count_is_damage_and_takes_no_memory(count: bytes):
    data = _write({"first": "", "level": None, "inner": {"x": [], "flags": [], "y": []},
                   "alone": [], "names": []})  # fmt: skip
    with pytest.raises((EOFError, ValueError, OverflowError)):
        _read(data[:-2] + count + b"\x00")


def test_only_the_numbers_of_the_messages_are_read():
    version = current_version("image_detections")
    assert version in list_versions()
    columns = next(each for each in version.load()["fields"] if each["name"] == "sources")
    kinds = {str(each["type"]["items"]) for each in columns["type"]["fields"]}
    assert kinds == {"double", "long"}
