"""Arrays of PostgreSQL to and from bytes, without a Python object for each number.

asyncpg inspects and encodes every element of an array by itself: about 0.3 us a number, of which a
timestep of the associator with a thousand detections has 24 000.
"""

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, cast

import asyncpg
import numpy as np
import numpy.typing as npt

__all__ = ["ARRAY_TYPES", "ArrayType", "decode_array", "encode_array", "take_numpy"]

Array = npt.NDArray[np.generic] | Sequence[object]

# Number of dimensions, whether there are nulls, type of an element; length and first index.
_HEADER = struct.Struct(">iiIii")
_NO_DIMENSIONS = struct.Struct(">iiI")
_LENGTH = struct.Struct(">i")
_NULL = -1


@dataclass(frozen=True, slots=True)
class ArrayType:
    """A type of array.

    Parameters
    ----------
    name : str
        Of `pg_type`.
    oid, element_oid : int
        Fixed numbers of the built-in types, `pg_type.dat` in PostgreSQL's source.
    dtype : dtype or None
        Of an element, as wide as that of PostgreSQL; None: bytes of one length.
    """

    name: str
    oid: int
    element_oid: int
    dtype: np.dtype[np.generic] | None


ARRAY_TYPES = tuple(
    ArrayType(name, oid, element_oid, None if kind is None else np.dtype(kind))
    for name, oid, element_oid, kind in (
        ("_bool", 1000, 16, "?"),
        ("_bytea", 1001, 17, None),
        ("_int2", 1005, 21, "i2"),
        ("_int4", 1007, 23, "i4"),
        ("_int8", 1016, 20, "i8"),
        ("_float4", 1021, 700, "f4"),
        ("_float8", 1022, 701, "f8"),
    )
)


async def take_numpy(connection: asyncpg.Connection) -> None:
    """Let a connection take one-dimensional arrays of numbers as numpy arrays, and lists as ever.

    Nothing is sent to the server: the numbers of the types are fixed.
    """
    # `Connection.set_type_codec` does the same for every type but arrays.
    protocol = cast("Any", connection)._protocol  # noqa: SLF001  (there is no public way)
    settings = protocol.get_settings()
    for each in ARRAY_TYPES:
        settings.add_python_codec(
            each.oid, each.name, "pg_catalog", [], "scalar",
            partial(encode_array, each), partial(decode_array, each), "binary",
        )  # fmt: skip


def encode_array(array_type: ArrayType, values: Array) -> bytes:
    """Return an array as PostgreSQL's `array_recv` reads it.

    Parameters
    ----------
    array_type : ArrayType
        What the statement expects.
    values : (n,) array or sequence
        Numbers that the type can hold, None for null; bytes for bytea, or an array of dtype V or
        S, whose elements have one length.

    Raises
    ------
    TypeError
        If they are of another kind: a fraction for an integer, or texts.
    ValueError
        If one is out of the range of the type, or they have two dimensions.
    """
    if isinstance(values, (str, bytes, bytearray)):
        raise TypeError(f"an array is expected, not {type(values).__name__}")
    if not isinstance(values, np.ndarray):
        values = list(values)
        if array_type.dtype is None or any(value is None for value in values):
            return _encode_each(array_type, values)
    column = _to_column(array_type, np.asarray(values))
    rows = np.empty(column.size, _layout(column.dtype))
    rows["length"] = column.dtype.itemsize
    rows["value"] = column
    return _HEADER.pack(1, 0, array_type.element_oid, column.size, 1) + rows.tobytes()


@lru_cache(maxsize=64)
def _layout(dtype: np.dtype[np.generic]) -> np.dtype[np.void]:
    return np.dtype([("length", ">i4"), ("value", dtype.newbyteorder(">"))])


def _to_column(array_type: ArrayType, column: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    """Return the values in the width of the type."""
    if column.ndim != 1:
        raise ValueError(f"an array of {array_type.name} has {column.ndim} dimensions, not one")
    wanted = array_type.dtype
    if wanted is None:
        if column.dtype.kind not in "VS":
            raise TypeError(f"{column.dtype} for an array of {array_type.name}")
        return column
    if column.dtype == wanted or not column.size:
        return column.astype(wanted, copy=False)
    if (column.dtype.kind == "b") != (wanted.kind == "b") or not np.can_cast(
        column.dtype, wanted, "same_kind"
    ):
        raise TypeError(f"{column.dtype} for an array of {array_type.name}")
    if wanted.kind == "i":
        limit = 1 << (8 * wanted.itemsize - 1)
        if column.min() < -limit or column.max() >= limit:
            raise ValueError(f"a number is out of the range of {array_type.name}")
    with np.errstate(over="ignore"):
        plain = column.astype(wanted)
    if wanted.kind == "f" and np.any(np.isinf(plain) & np.isfinite(column)):
        raise ValueError(f"a number is out of the range of {array_type.name}")
    return plain


def _encode_each(array_type: ArrayType, values: Sequence[object]) -> bytes:
    """Return an array with nulls, or of bytes of any length."""
    parts = []
    for value in values:
        if value is None:
            parts.append(_LENGTH.pack(_NULL))
            continue
        data = _to_bytes(array_type, value)
        parts += [_LENGTH.pack(len(data)), data]
    has_nulls = any(value is None for value in values)
    header = _HEADER.pack(1, int(has_nulls), array_type.element_oid, len(values), 1)
    return header + b"".join(parts)


def _to_bytes(array_type: ArrayType, value: object) -> bytes:
    if array_type.dtype is None:
        if not isinstance(value, (bytes, bytearray, memoryview)):
            raise TypeError(f"{type(value).__name__} for an element of {array_type.name}")
        return bytes(value)
    column = _to_column(array_type, np.asarray([value]))
    return column.astype(column.dtype.newbyteorder(">")).tobytes()


def decode_array(array_type: ArrayType, data: bytes) -> list[object]:
    """Return the elements of an array as `array_send` writes it; null is None.

    Raises
    ------
    ValueError
        If it has more than one dimension.
    """
    n_dimensions, has_nulls, _ = _NO_DIMENSIONS.unpack_from(data)
    if n_dimensions == 0:
        return []
    if n_dimensions != 1:
        raise ValueError(f"an array of {array_type.name} has {n_dimensions} dimensions, not one")
    if has_nulls or array_type.dtype is None:
        return _decode_each(array_type, data)
    rows = np.frombuffer(data, _layout(array_type.dtype), offset=_HEADER.size)
    return list(rows["value"].tolist())


def _decode_each(array_type: ArrayType, data: bytes) -> list[object]:
    values: list[object] = []
    to_value = _reader(array_type)
    at = _HEADER.size
    while at < len(data):
        (length,) = _LENGTH.unpack_from(data, at)
        at += _LENGTH.size
        if length == _NULL:
            values.append(None)
            continue
        values.append(to_value(data[at : at + length]))
        at += length
    return values


def _reader(array_type: ArrayType) -> Callable[[bytes], object]:
    if array_type.dtype is None:
        return bytes
    dtype = array_type.dtype.newbyteorder(">")
    return lambda data: np.frombuffer(data, dtype)[0].item()
