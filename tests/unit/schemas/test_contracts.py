"""The Avro schemas, their examples and the dataclasses agree."""

import io
import json
from dataclasses import fields, replace
from importlib.resources import files
from typing import Any

import fastavro
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import alert_packet
from schemas.codec import (
    CodecError,
    decode_forced_measurements,
    decode_forced_request,
    decode_image_detections,
    decode_image_stamps,
    decode_source_event,
    decode_stamp_request,
    encode_forced_measurements,
    encode_forced_request,
    encode_image_detections,
    encode_image_stamps,
    encode_source_event,
    encode_stamp_request,
)
from schemas.messages import (
    ForcedColumns,
    ForcedMeasurements,
    ForcedRequest,
    ImageDetections,
    ImageMetadata,
    ImageStamps,
    PositionColumns,
    SourceColumns,
    SourceEvent,
    SourceOffset,
    StageTimes,
    StampColumns,
    StampFile,
    StampRequest,
)
from schemas.registry import current_version
from tests.support.records import image, rejected, sources

MIRRORS = {
    "image_detections": ImageDetections,
    "image_metadata": ImageMetadata,
    "source_columns": SourceColumns,
    "source_offset": SourceOffset,
    "stage_times": StageTimes,
    "source_event": SourceEvent,
    "forced_request": ForcedRequest,
    "forced_measurements": ForcedMeasurements,
    "position_columns": PositionColumns,
    "forced_columns": ForcedColumns,
    "alert_packet": alert_packet.AlertPacket,
    "alert_source": alert_packet.AlertSource,
    "measurement": alert_packet.Measurement,
    "upper_limit": alert_packet.UpperLimit,
    "catalogue_match": alert_packet.CatalogueMatch,
    "stamp": alert_packet.Stamp,
    "stamp_request": StampRequest,
    "stamp_columns": StampColumns,
    "image_stamps": ImageStamps,
    "stamp_file": StampFile,
}
NAMES = [
    "image_detections", "source_event", "forced_request", "forced_measurements", "alert_packet",
    "stamp_request", "image_stamps",
]  # fmt: skip


def records_in(schema: Any) -> dict[str, list[dict[str, Any]]]:
    """Return the fields of every record type in a schema, by its plain name."""
    if isinstance(schema, list):
        return {name: each for branch in schema for name, each in records_in(branch).items()}
    if not isinstance(schema, dict):
        return {}
    found = {}
    if schema.get("type") == "record":
        found[schema["name"].split(".")[-1]] = schema["fields"]
        for field in schema["fields"]:
            found |= records_in(field["type"])
    return found


@pytest.mark.parametrize("name", NAMES)
def test_schemas_mirror_the_dataclasses_and_document_every_field(name: str) -> None:
    for record, schema_fields in records_in(current_version(name).load()).items():
        assert all(each["doc"].endswith("]") for each in schema_fields), record
        if record in MIRRORS:
            assert [each["name"] for each in schema_fields] == [
                each.name for each in fields(MIRRORS[record])
            ]


def read_example(name: str) -> dict[str, Any]:
    text = (files("schemas") / "avro" / f"{name}.example.json").read_text(encoding="utf-8")
    one_line = io.StringIO(json.dumps(json.loads(text)))
    (record,) = fastavro.json_reader(one_line, current_version(name).load())
    assert isinstance(record, dict)
    return record


@pytest.mark.parametrize("name", NAMES)
def test_examples_fit_their_schemas(name: str) -> None:
    assert read_example(name)["stream"] == "example"


def example_event() -> SourceEvent:
    record = read_example("source_event")
    times = StageTimes(**record.pop("times"))
    earlier = tuple(record.pop("earlier_trig_ids"))
    return SourceEvent(times=times, earlier_trig_ids=earlier, **record)


def test_an_event_is_decoded_as_encoded() -> None:
    event = example_event()
    assert decode_source_event(encode_source_event(event)) == event


@pytest.mark.parametrize("n_sources", [0, 1, 100])
def test_an_image_is_decoded_as_encoded(n_sources: int) -> None:
    record = image(0, sources([(10.0 + 0.1 * each, 5.0) for each in range(n_sources)]))
    again = decode_image_detections(encode_image_detections(record))
    assert replace(again, sources=record.sources, rms_grid=record.rms_grid) == record
    for column in fields(SourceColumns):
        np.testing.assert_array_equal(
            getattr(again.sources, column.name), getattr(record.sources, column.name)
        )
    assert again.rms_grid is not None
    assert record.rms_grid is not None
    # The grid travels as single precision: it is an estimate.
    np.testing.assert_allclose(again.rms_grid.rms_jy_beam, record.rms_grid.rms_jy_beam, rtol=1e-6)


def test_a_rejected_image_is_decoded_as_encoded() -> None:
    record = rejected(image(0))
    again = decode_image_detections(encode_image_detections(record))
    assert again.reasons == ("no_beam",)
    assert again.metadata is None


@given(st.binary(max_size=60))
def test_strange_bytes_are_a_codec_error_and_nothing_else(data: bytes) -> None:
    for decode in (
        decode_image_detections,
        decode_source_event,
        decode_forced_request,
        decode_forced_measurements,
        decode_stamp_request,
        decode_image_stamps,
    ):
        with pytest.raises(CodecError):
            decode(data)


def test_another_schema_is_named_in_the_error() -> None:
    data = encode_source_event(example_event())
    schema_id = current_version("source_event").schema_id
    with pytest.raises(
        CodecError, match=f"schema id {schema_id} is source_event, not image_detections"
    ):
        decode_image_detections(data)


@given(st.data())
def test_damaged_bytes_are_a_codec_error_or_a_record(data: st.DataObject) -> None:
    good = bytearray(encode_image_detections(image(0, [(10.0, 5.0)])))
    for _ in range(3):
        good[data.draw(st.integers(5, len(good) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(5, len(good)))
    try:
        decode_image_detections(bytes(good[:cut]))
    except CodecError:
        return
    assert cut == len(good)


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="differ in length"):
        replace(sources([(1.0, 2.0)]), ra=np.zeros(2))


@pytest.mark.parametrize("n", [0, 1, 50])
def test_forced_photometry_is_decoded_as_encoded(n: int) -> None:
    rng = np.random.default_rng(n)
    source = SourceOffset("cluster", "images-v1", 3, 17)
    ids, types = np.arange(n), tuple(["forced", "monitor"][each % 2] for each in range(n))
    ra, dec, flux = rng.uniform(0, 90, (3, n))
    flux[: n // 2] = np.nan
    request = ForcedRequest("abc", "night", source, PositionColumns(ids, types, ra, dec))
    again = decode_forced_request(encode_forced_request(request))
    assert (again.image_id, again.stream, again.source) == ("abc", "night", source)
    assert again.positions.extraction_type == types
    np.testing.assert_array_equal(again.positions.position_id, ids)
    np.testing.assert_array_equal(again.positions.ra, ra)
    reasons = tuple("blank" if each < n // 2 else "" for each in range(n))
    columns = ForcedColumns(ids, types, ra, dec, flux, flux, flux, reasons)
    answer = ForcedMeasurements("abc", "night", source, None, columns)
    back = decode_forced_measurements(encode_forced_measurements(answer))
    np.testing.assert_array_equal(back.measurements.flux_peak_jy_beam, flux)
    assert back.measurements.reason == reasons
    gone = ForcedMeasurements("abc", "night", source, "image_gone")
    assert decode_forced_measurements(encode_forced_measurements(gone)).missing_reason is not None


def test_positions_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="differ in length"):
        PositionColumns(np.arange(2), ("forced",), np.zeros(2), np.zeros(2))


@pytest.mark.parametrize("n", [0, 1, 8])
def test_stamps_are_decoded_as_encoded(n: int) -> None:
    source = SourceOffset("cluster", "images-v1", 3, 17)
    names = tuple(f"abc{each}-now" for each in range(n))
    ra, dec = np.random.default_rng(n).uniform(0, 90, (2, n))
    request = StampRequest("abc", "night", source, StampColumns(names, ra, dec))
    again = decode_stamp_request(encode_stamp_request(request))
    assert (again.image_id, again.stream, again.source) == ("abc", "night", source)
    assert again.stamps.stamp_id == names
    np.testing.assert_array_equal(again.stamps.ra, ra)
    np.testing.assert_array_equal(again.stamps.dec, dec)
    files = tuple(StampFile(name, "blank", b"\x00\xff") for name in names)
    answer = ImageStamps("abc", "night", source, files)
    assert decode_image_stamps(encode_image_stamps(answer)) == answer
