"""Arrays as asyncpg gives them to PostgreSQL: the bytes of `array_recv`, and back."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.array_codecs import ARRAY_TYPES, ArrayType, decode_array, encode_array

TYPES = {each.name: each for each in ARRAY_TYPES}
_BITS = {"_int2": 16, "_int4": 32, "_int8": 64}


def _values(array_type: ArrayType) -> st.SearchStrategy[object]:
    if array_type.name == "_bool":
        return st.booleans()
    if array_type.name == "_bytea":
        return st.binary(max_size=9)
    if array_type.name in _BITS:
        limit = 1 << (_BITS[array_type.name] - 1)
        return st.integers(-limit, limit - 1)
    return st.floats(width=32 if array_type.name == "_float4" else 64, allow_nan=False)


@given(st.data(), st.sampled_from(ARRAY_TYPES))
def test_a_list_comes_back_as_it_was(data: st.DataObject, array_type: ArrayType):
    values = data.draw(st.lists(st.none() | _values(array_type), max_size=20))
    assert decode_array(array_type, encode_array(array_type, values)) == values


@given(st.data(), st.sampled_from([each for each in ARRAY_TYPES if each.dtype is not None]))
def test_an_array_is_encoded_as_its_list(data: st.DataObject, array_type: ArrayType):
    values = data.draw(st.lists(_values(array_type), max_size=20))
    array = np.array(values, array_type.dtype)
    assert encode_array(array_type, array) == encode_array(array_type, values)
    every_second = encode_array(array_type, np.repeat(array, 2)[::2])
    assert every_second == encode_array(array_type, values)


def test_the_bytes_are_those_of_postgresql():
    # select array_send(array[1, -2]::int4[])
    wanted = struct.pack(">iiIiiiiii", 1, 0, 23, 2, 1, 4, 1, 4, -2)
    assert encode_array(TYPES["_int4"], np.array([1, -2])) == wanted


def test_bytes_of_one_length_come_from_a_structured_array():
    rows = np.zeros(2, [("number", "i8"), ("state", "V3")])
    rows["state"] = np.array([b"abc", b"d\0\0"], "V3")
    data = encode_array(TYPES["_bytea"], rows["state"])
    assert decode_array(TYPES["_bytea"], data) == [b"abc", b"d\0\0"]


@pytest.mark.parametrize(
    ("name", "values", "error"),
    [
        ("_int4", [1.5], TypeError), ("_int4", np.array([1.5]), TypeError),
        ("_int8", np.array([True]), TypeError), ("_bool", [1], TypeError),
        ("_int2", [1 << 15], ValueError), ("_int4", np.array([-(1 << 31) - 1]), ValueError),
        ("_int8", [1 << 63], ValueError), ("_int8", [1 << 64], TypeError),
        ("_float4", [1e300], ValueError), ("_float8", ["1"], TypeError),
        ("_float8", [[1.0], [2.0]], ValueError),
        ("_float8", "12", TypeError), ("_bytea", ["text"], TypeError),
        ("_bytea", np.zeros(2), TypeError), ("_float8", [None, "1"], TypeError),
    ],
)  # fmt: skip
def test_what_the_type_cannot_hold_is_refused(name: str, values: object, error: type[Exception]):
    with pytest.raises(error, match=r"_\w+|array"):
        encode_array(TYPES[name], values)


def test_an_array_of_two_dimensions_is_not_read():
    data = struct.pack(">iiIiiii", 2, 0, 23, 1, 1, 1, 1) + struct.pack(">ii", 4, 7)
    with pytest.raises(ValueError, match="2 dimensions"):
        decode_array(TYPES["_int4"], data)
