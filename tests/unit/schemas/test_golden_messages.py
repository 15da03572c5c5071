"""Avro messages as any other reader of their schema decodes them."""

import io
import struct
from dataclasses import replace
from typing import Any

import fastavro
import numpy as np
import pytest

from schemas.codec import (
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
    ImageStamps,
    PositionColumns,
    SourceOffset,
    StampColumns,
    StampFile,
    StampRequest,
)
from schemas.registry import find_version
from tests.support.golden import Golden, to_json_text
from tests.support.records import image, rejected, sources
from tests.support.vtp_events import source_event

IMAGE = image(0, sources([(123.0, 10.0), (123.5, 10.25)], flux_jy=(0.015, 0.25)), width_px=64)
OFFSET = SourceOffset("cluster", "images-v1", 3, 17)
POSITIONS = PositionColumns(
    np.array([7, 8]), ("forced", "monitor"), np.array([123.0, 124.0]), np.array([10.0, 11.0])
)
MEASUREMENTS = ForcedColumns(
    POSITIONS.position_id, POSITIONS.extraction_type, POSITIONS.ra, POSITIONS.dec,
    np.array([-0.001, np.nan]), np.array([0.0005, np.nan]), np.array([0.0005, np.nan]),
    ("", "blank"),
)  # fmt: skip
MESSAGES = {
    "image_detections": encode_image_detections(replace(IMAGE, source=OFFSET)),
    "image_detections_rejected": encode_image_detections(rejected(IMAGE)),
    "forced_request": encode_forced_request(
        ForcedRequest(IMAGE.image_id, "night", OFFSET, POSITIONS)
    ),
    "forced_measurements": encode_forced_measurements(
        ForcedMeasurements(IMAGE.image_id, "night", OFFSET, None, MEASUREMENTS)
    ),
    "forced_measurements_missing": encode_forced_measurements(
        ForcedMeasurements(IMAGE.image_id, "night", OFFSET, "image_gone")
    ),
    "stamp_request": encode_stamp_request(
        StampRequest(
            IMAGE.image_id,
            "night",
            OFFSET,
            StampColumns(("abc-now",), np.array([123.0]), np.array([10.0])),
        )
    ),
    "image_stamps": encode_image_stamps(
        ImageStamps(
            IMAGE.image_id,
            "night",
            OFFSET,
            (StampFile("abc-now", "", b"SIMPLE"), StampFile("abd-before", "outside")),
        )
    ),
    "source_event": encode_source_event(source_event()),
}


def decode(data: bytes) -> dict[str, Any]:
    """Read a message with its own schema, without the code under test."""
    _, schema_id = struct.unpack(">bI", data[:5])
    version = find_version(schema_id)
    assert version is not None
    record = fastavro.schemaless_reader(io.BytesIO(data[5:]), version.load(), None)
    for stamp in record.get("stamps", ()) if version.name == "image_stamps" else ():
        stamp["data"] = stamp["data"].decode("latin-1")
    return {"schema_id": schema_id, "record": record}


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_is_the_golden_one(name: str, golden: Golden) -> None:
    golden.check(f"avro/{name}.json", to_json_text(decode(MESSAGES[name])))
