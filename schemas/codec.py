"""Encode and decode messages: Avro after the five-byte prefix of a schema registry."""

import io
import struct
from dataclasses import fields
from typing import Any

import fastavro
import numpy as np

from schemas.avro_columns import read_columns, write_columns
from schemas.messages import (
    ForcedColumns,
    ForcedMeasurements,
    ForcedRequest,
    ImageDetections,
    ImageMetadata,
    ImageStamps,
    NegativePeaks,
    PositionColumns,
    RmsGrid,
    SourceColumns,
    SourceEvent,
    SourceOffset,
    StageTimes,
    StampColumns,
    StampFile,
    StampRequest,
)
from schemas.registry import SchemaVersion, current_version, find_version

__all__ = [
    "CodecError",
    "decode_forced_measurements",
    "decode_forced_request",
    "decode_image_detections",
    "decode_image_stamps",
    "decode_source_event",
    "decode_stamp_request",
    "encode_forced_measurements",
    "encode_forced_request",
    "encode_image_detections",
    "encode_image_stamps",
    "encode_record",
    "encode_source_event",
    "encode_stamp_request",
]

_MAGIC = 0


class CodecError(ValueError):
    """These bytes are not the record they should be."""


def encode_record(name: str, record: dict[str, Any]) -> bytes:
    """Return the Avro bytes of a record with the fields of its current schema."""
    version = current_version(name)
    buffer = io.BytesIO()
    buffer.write(struct.pack(">bI", _MAGIC, version.schema_id))
    write_columns(buffer, version.load(), record)
    return buffer.getvalue()


def _decode(name: str, data: bytes) -> dict[str, Any]:
    """Return the record in `data`, of any registered version, with the current fields."""
    writer = _find_writer(name, data)
    reader = None if writer.is_current else current_version(name).load()
    buffer = io.BytesIO(data)
    buffer.seek(5)
    try:
        record = (
            read_columns(buffer, writer.load())
            if reader is None
            else fastavro.schemaless_reader(buffer, writer.load(), reader)
        )
    except (EOFError, ValueError, IndexError, struct.error, OverflowError, TypeError) as error:
        raise CodecError(f"damaged Avro {name}: {error!r}") from error
    if buffer.tell() != len(data):
        raise CodecError(f"damaged Avro {name}: {len(data) - buffer.tell()} extra bytes")
    if not isinstance(record, dict):
        raise CodecError(f"damaged Avro {name}: not a record")
    return record


def _find_writer(name: str, data: bytes) -> SchemaVersion:
    """Return the version that the five-byte prefix of `data` names."""
    if len(data) < 5 or data[0] != _MAGIC:
        raise CodecError(f"not an Avro {name}: no five-byte schema prefix")
    (schema_id,) = struct.unpack(">I", data[1:5])
    writer = find_version(schema_id)
    if writer is None:
        raise CodecError(
            f"schema id {schema_id} is unknown, the newest {name} here is "
            f"{current_version(name).schema_id}: the producer is newer than this consumer; "
            "upgrade the consumer, then redrive the dead letter"
        )
    if writer.name != name:
        raise CodecError(
            f"schema id {schema_id} is {writer.name}, not {name}: it is on the wrong topic"
        )
    return writer


def _to_mapping(message: Any) -> dict[str, Any]:
    """Return the fields of a flat message."""
    return {part.name: getattr(message, part.name) for part in fields(message)}


def encode_image_detections(message: ImageDetections) -> bytes:
    """Return the Avro bytes of one image's record."""
    record = _to_mapping(message)
    record["source"] = _to_mapping(message.source)
    record["reasons"] = list(message.reasons)
    record["warnings"] = list(message.warnings)
    record["times"] = _to_mapping(message.times)
    record["metadata"] = None if message.metadata is None else _to_mapping(message.metadata)
    if message.negative_peaks is not None:
        record["negative_peaks"] = _to_mapping(message.negative_peaks)
    if message.rms_grid is not None:
        rows, columns = message.rms_grid.rms_jy_beam.shape
        record["rms_grid"] = {
            "cell_px": message.rms_grid.cell_px,
            "rows": rows,
            "columns": columns,
            "rms_jy_beam": message.rms_grid.rms_jy_beam.ravel().tolist(),
        }
    record["sources"] = _to_lists(message.sources)
    return encode_record("image_detections", record)


def decode_image_detections(data: bytes) -> ImageDetections:
    """Return the message in `data`.

    Raises
    ------
    CodecError
        If the bytes are of another schema, damaged, or of inconsistent lengths.
    """
    record = _decode("image_detections", data)
    grid = record.pop("rms_grid")
    metadata = record.pop("metadata")
    negative = record.pop("negative_peaks", None)
    columns = record.pop("sources")
    flags = columns.pop("quality_flags")
    # Records before schema 112 have none.
    p_false = columns.pop("p_false")
    if not len(p_false):
        p_false = np.zeros(len(flags))
    try:
        return ImageDetections(
            source=SourceOffset(**record.pop("source")),
            times=StageTimes(**record.pop("times")),
            reasons=tuple(record.pop("reasons")),
            warnings=tuple(record.pop("warnings")),
            metadata=None if metadata is None else ImageMetadata(**metadata),
            negative_peaks=None if negative is None else _to_negative_peaks(negative),
            rms_grid=None if grid is None else _to_rms_grid(grid),
            sources=SourceColumns(
                **{name: np.array(column, np.float64) for name, column in columns.items()},
                quality_flags=np.array(flags, np.int64),
                p_false=np.array(p_false, np.float64),
            ),
            **record,
        )
    except ValueError as error:
        raise CodecError(f"inconsistent image_detections: {error}") from error


def _to_negative_peaks(found: dict[str, Any]) -> NegativePeaks:
    return NegativePeaks(found["n_peaks"], tuple(found["snr"]), found["searched_deg2"])


def _to_rms_grid(grid: dict[str, Any]) -> RmsGrid:
    values = np.array(grid["rms_jy_beam"], np.float64)
    return RmsGrid(grid["cell_px"], values.reshape(grid["rows"], grid["columns"]))


def encode_source_event(message: SourceEvent) -> bytes:
    """Return the Avro bytes of one event."""
    record = _to_mapping(message)
    record["times"] = _to_mapping(message.times)
    record["earlier_trig_ids"] = list(message.earlier_trig_ids)
    return encode_record("source_event", record)


def decode_source_event(data: bytes) -> SourceEvent:
    """Return the event in `data`.

    Raises
    ------
    CodecError
        If the bytes are of another schema or damaged.
    """
    record = _decode("source_event", data)
    return SourceEvent(
        times=StageTimes(**record.pop("times")),
        earlier_trig_ids=tuple(record.pop("earlier_trig_ids")),
        **record,
    )


def encode_forced_request(message: ForcedRequest) -> bytes:
    """Return the Avro bytes of a request."""
    record = _to_mapping(message)
    record["source"] = _to_mapping(message.source)
    record["positions"] = _to_lists(message.positions)
    return encode_record("forced_request", record)


def decode_forced_request(data: bytes) -> ForcedRequest:
    """Return the message in `data`.

    Raises
    ------
    CodecError
        If the bytes are of another schema, damaged, or of inconsistent lengths.
    """
    record = _decode("forced_request", data)
    try:
        return ForcedRequest(
            source=SourceOffset(**record.pop("source")),
            positions=PositionColumns(**_to_columns(record.pop("positions"))),
            **record,
        )
    except ValueError as error:
        raise CodecError(f"inconsistent forced_request: {error}") from error


def encode_forced_measurements(message: ForcedMeasurements) -> bytes:
    """Return the Avro bytes of an answer."""
    record = _to_mapping(message)
    record["source"] = _to_mapping(message.source)
    record["measurements"] = _to_lists(message.measurements)
    return encode_record("forced_measurements", record)


def decode_forced_measurements(data: bytes) -> ForcedMeasurements:
    """Return the message in `data`.

    Raises
    ------
    CodecError
        If the bytes are of another schema, damaged, or of inconsistent lengths.
    """
    record = _decode("forced_measurements", data)
    try:
        return ForcedMeasurements(
            source=SourceOffset(**record.pop("source")),
            measurements=ForcedColumns(**_to_columns(record.pop("measurements"))),
            **record,
        )
    except ValueError as error:
        raise CodecError(f"inconsistent forced_measurements: {error}") from error


def encode_stamp_request(message: StampRequest) -> bytes:
    """Return the Avro bytes of a request for stamps."""
    record = _to_mapping(message)
    record["source"] = _to_mapping(message.source)
    record["stamps"] = _to_lists(message.stamps)
    return encode_record("stamp_request", record)


def decode_stamp_request(data: bytes) -> StampRequest:
    """Return the message in `data`.

    Raises
    ------
    CodecError
        If the bytes are of another schema, damaged, or of inconsistent lengths.
    """
    record = _decode("stamp_request", data)
    try:
        return StampRequest(
            source=SourceOffset(**record.pop("source")),
            stamps=StampColumns(**_to_columns(record.pop("stamps"))),
            **record,
        )
    except ValueError as error:
        raise CodecError(f"inconsistent stamp_request: {error}") from error


def encode_image_stamps(message: ImageStamps) -> bytes:
    """Return the Avro bytes of stamps."""
    record = _to_mapping(message)
    record["source"] = _to_mapping(message.source)
    record["stamps"] = [_to_mapping(each) for each in message.stamps]
    return encode_record("image_stamps", record)


def decode_image_stamps(data: bytes) -> ImageStamps:
    """Return the message in `data`.

    Raises
    ------
    CodecError
        If the bytes are of another schema or damaged.
    """
    record = _decode("image_stamps", data)
    return ImageStamps(
        source=SourceOffset(**record.pop("source")),
        stamps=tuple(StampFile(**each) for each in record.pop("stamps")),
        **record,
    )


def _to_lists(
    columns: SourceColumns | PositionColumns | ForcedColumns | StampColumns,
) -> dict[str, Any]:
    """Return columns as plain lists, but those of floats as they are."""
    return {
        name: column if _is_float(column) else np.asarray(column).tolist()
        for name, column in _to_mapping(columns).items()
    }


def _is_float(column: Any) -> bool:
    return isinstance(column, np.ndarray) and column.dtype.kind == "f"


def _to_columns(lists: dict[str, list[Any]]) -> dict[str, Any]:
    """Return texts as tuples, ids as int64 and the rest as float64."""
    columns: dict[str, Any] = {}
    for name, values in lists.items():
        if name in ("extraction_type", "reason", "stamp_id"):
            columns[name] = tuple(values)
        else:
            columns[name] = np.array(values, np.int64 if name == "position_id" else np.float64)
    return columns
