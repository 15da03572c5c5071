"""Read and write Avro records with columns of numbers, without a Python object for each one."""

import io
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import fastavro
import numpy as np
import numpy.typing as npt

__all__ = ["read_columns", "write_columns"]

_DTYPES: dict[str, np.dtype[Any]] = {"double": np.dtype("<f8"), "float": np.dtype("<f4")}
# A varint of 64 bits has ten bytes at most.
_MOST_VARINT_BYTES = 10


def read_columns(buffer: io.BytesIO, schema: Any) -> dict[str, Any]:
    """Return the record at the position of a buffer, as fastavro does, but for arrays of numbers.

    An array of float or double is a numpy array, in a record as in the records inside it; the
    fields of a record follow one another without a frame, so that fastavro reads the others.

    Parameters
    ----------
    buffer : BytesIO
        Moved behind the record.
    schema : parsed schema
        The writer's.

    Raises
    ------
    EOFError
        If the bytes end within an array of numbers; fastavro's own errors within another field.
    """
    record: dict[str, Any] = {}
    for name, dtype, part in _plan(_Schema(schema)):
        if dtype is not None:
            record[name] = _read_array(buffer, dtype)
        elif name:
            record[name] = read_columns(buffer, part)
        else:
            record.update(fastavro.schemaless_reader(buffer, part, None))
    return record


def write_columns(buffer: io.BytesIO, schema: Any, record: Mapping[str, Any]) -> None:
    """Write a record as fastavro does, byte for byte; its arrays of numbers may be numpy's.

    Parameters
    ----------
    buffer : BytesIO
        Takes the record.
    schema : parsed schema
        Every field of it is in the record.
    record : mapping of str to value
        Arrays of float or double: whatever numpy makes an array of.

    Raises
    ------
    KeyError
        If an array, or a record with arrays, is missing; fastavro's own errors for other fields.
    """
    for name, dtype, part in _plan(_Schema(schema)):
        if dtype is not None:
            _write_array(buffer, np.asarray(record[name], dtype))
        elif name:
            write_columns(buffer, part, record[name])
        else:
            fastavro.schemaless_writer(buffer, part, record)


class _Schema:
    """A parsed schema that is a key by its identity: those of the registry live for ever."""

    def __init__(self, parsed: Any) -> None:
        self.parsed = parsed

    def __hash__(self) -> int:
        return id(self.parsed)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Schema) and self.parsed is other.parsed


@lru_cache(maxsize=64)
def _plan(schema: _Schema) -> tuple[tuple[str, np.dtype[Any] | None, Any], ...]:
    """Return the parts of a record in order.

    Each is the name and dtype of an array, the name and schema of a record with arrays, or the
    schema of the fields between these.
    """
    parts: list[tuple[str, np.dtype[Any] | None, Any]] = []
    between: list[Any] = []
    for field in [*schema.parsed["fields"], None]:
        dtype = None if field is None else _dtype_of(field["type"])
        if field is not None and dtype is None and not _has_arrays(field["type"]):
            between.append(field)
            continue
        if between:
            parts.append(("", None, _to_record(between)))
            between = []
        if field is not None:
            parts.append((field["name"], dtype, field["type"]))
    return tuple(parts)


def _dtype_of(kind: Any) -> np.dtype[Any] | None:
    """Return the numbers of an array; None for every other type."""
    if not isinstance(kind, dict) or kind["type"] != "array":
        return None
    return _DTYPES.get(kind["items"]) if isinstance(kind["items"], str) else None


def _has_arrays(kind: Any) -> bool:
    return (
        isinstance(kind, dict)
        and kind["type"] == "record"
        and any(_dtype_of(field["type"]) is not None for field in kind["fields"])
    )


def _to_record(fields: list[Any]) -> Any:
    return fastavro.parse_schema({"type": "record", "name": "part", "fields": fields}, _force=True)


def _read_array(buffer: io.BytesIO, dtype: np.dtype[Any]) -> npt.NDArray[np.floating[Any]]:
    """Return an array: blocks of a count and so many numbers, until a count of 0."""
    blocks = []
    while count := _read_long(buffer):
        if count < 0:
            count = -count
            _read_long(buffer)  # the size of the block [byte]
        data = buffer.read(count * dtype.itemsize)
        if len(data) != count * dtype.itemsize:
            raise EOFError(f"{count} numbers are announced, {len(data)} bytes follow")
        blocks.append(np.frombuffer(data, dtype))
    if not blocks:
        return np.empty(0, dtype.newbyteorder("="))
    return np.concatenate(blocks).astype(dtype.newbyteorder("="), copy=False)


def _write_array(buffer: io.BytesIO, values: npt.NDArray[np.floating[Any]]) -> None:
    """Write an array as one block; an empty one has none."""
    if values.size:
        buffer.write(_to_long(values.size) + values.tobytes())
    buffer.write(b"\0")


def _to_long(number: int) -> bytes:
    """Return a count as a zigzag varint."""
    rest, data = number << 1, bytearray()
    while rest > 0x7F:
        data.append(rest & 0x7F | 0x80)
        rest >>= 7
    data.append(rest)
    return bytes(data)


def _read_long(buffer: io.BytesIO) -> int:
    """Return a zigzag varint.

    References
    ----------
    Apache Avro specification, "Binary encoding": int and long, arrays.
    """
    number = 0
    for place in range(_MOST_VARINT_BYTES):
        [byte] = buffer.read(1) or _end()
        number |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return (number >> 1) ^ -(number & 1)
    raise ValueError("a number of Avro has more than ten bytes")


def _end() -> bytes:
    raise EOFError("the bytes end within an array")
