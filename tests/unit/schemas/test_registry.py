"""Every schema id stands for one content, and older versions stay readable."""

import io
import json
import struct
from dataclasses import replace
from importlib.resources import files
from typing import Any

import fastavro
import pytest

from schemas.codec import CodecError, decode_image_detections, encode_image_detections
from schemas.registry import SchemaVersion, current_version, fingerprint, list_versions
from tests.support.records import image, sources

AVRO = files("schemas") / "avro"
HOW = "a changed schema needs a new id, see docs/adr/0017-a-schema-id-is-one-content.md"
VERSIONS = list_versions()
OLDER = [version for version in VERSIONS if not version.is_current]


@pytest.mark.parametrize("version", VERSIONS, ids=lambda each: f"{each.name}-{each.schema_id}")
def test_a_registered_schema_has_not_changed(version: SchemaVersion) -> None:
    assert fingerprint((AVRO / version.file).read_bytes()) == version.fingerprint, HOW


def test_ids_ascend_and_are_used_once() -> None:
    ids = [version.schema_id for version in VERSIONS]
    assert ids == sorted(set(ids))


def test_every_schema_file_is_registered() -> None:
    current = {each.name for each in AVRO.iterdir() if each.name.endswith(".avsc")}
    older = {f"older/{each.name}" for each in (AVRO / "older").iterdir()}
    assert {version.file for version in VERSIONS} == current | older


def test_the_current_version_has_the_highest_id_of_its_name() -> None:
    for version in VERSIONS:
        assert current_version(version.name).schema_id >= version.schema_id


SCHEMA: dict[str, Any] = {
    "type": "record",
    "name": "r",
    "doc": "d",
    "fields": [{"name": "a", "type": {"type": "long", "logicalType": "timestamp-micros"}}],
}


@pytest.mark.parametrize(
    "change",
    [
        {"name": "b", "type": "string"},
        {"name": "a", "type": "long"},
        {"name": "a", "type": SCHEMA["fields"][0]["type"], "default": 0},
    ],
    ids=["name", "logical type", "default"],
)
def test_a_change_of_a_field_changes_the_fingerprint(change: dict[str, Any]) -> None:
    changed = SCHEMA | {"fields": [change]}
    assert fingerprint(json.dumps(changed).encode()) != fingerprint(json.dumps(SCHEMA).encode())


def test_docs_and_layout_do_not_change_the_fingerprint() -> None:
    documented = SCHEMA | {"fields": [SCHEMA["fields"][0] | {"doc": "start [UTC]"}], "doc": "x"}
    as_text = json.dumps(documented, indent=4, sort_keys=True).encode()
    assert fingerprint(as_text) == fingerprint(json.dumps(SCHEMA).encode())


@pytest.mark.parametrize("version", OLDER, ids=lambda each: f"{each.name}-{each.schema_id}")
def test_an_older_version_is_read_with_the_current_fields(version: SchemaVersion) -> None:
    example = json.loads((AVRO / f"{version.name}.example.json").read_text(encoding="utf-8"))
    for each in version.load()["fields"]:
        if each["type"] == "double" and example[each["name"]] is None:
            example[each["name"]] = 0.5  # a number that may be null since
    older = json.dumps(_keep_known(example, version.load()))
    (record,) = fastavro.json_reader(io.StringIO(older), version.load())
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, version.load(), record)
    buffer.seek(0)
    current = current_version(version.name).load()
    again = fastavro.schemaless_reader(buffer, version.load(), current)
    assert isinstance(again, dict)
    assert set(again) == {each["name"] for each in current["fields"]}
    assert _keep_known(again, version.load()) == record


def _keep_known(record: dict[str, Any], schema: Any) -> dict[str, Any]:
    """Return a record with the fields of a schema, also those of the records in it."""
    kept = {}
    for field in schema["fields"]:
        value, kind = record[field["name"]], field["type"]
        items = kind.get("items") if isinstance(kind, dict) else None
        if isinstance(items, dict) and items["type"] == "record":
            value = [_keep_known(each, items) for each in value]
        elif isinstance(kind, dict) and kind["type"] == "record":
            value = _keep_known(value, kind)
        kept[field["name"]] = value
    return kept


def test_a_record_written_without_a_margin_is_decoded() -> None:
    record = image(0, sources([(10.0, 5.0)]))
    (version,) = [each for each in OLDER if each.schema_id == 101]
    fields = current_version("image_detections").load()
    body = io.BytesIO(encode_image_detections(record)[5:])
    plain = fastavro.schemaless_reader(body, fields, version.load())
    older = io.BytesIO()
    older.write(struct.pack(">bI", 0, 101))
    fastavro.schemaless_writer(older, version.load(), plain)
    again = decode_image_detections(older.getvalue())
    assert again.margin_px is None
    assert again.metadata == record.metadata
    assert replace(again, margin_px=10, sources=record.sources, rms_grid=record.rms_grid) == record


def test_the_error_for_a_newer_version_says_what_to_do() -> None:
    data = struct.pack(">bI", 0, 999) + b"anything"
    with pytest.raises(CodecError, match=r"schema id 999 is unknown.*upgrade the consumer"):
        decode_image_detections(data)
