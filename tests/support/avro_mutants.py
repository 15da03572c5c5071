"""Avro messages as no service should send them: a good one, damaged by a rule of a number.

`avro_mutant(good, seed, number)` gives the same bytes for the same arguments, on every machine.
A rule damages either the bytes, or the values before they are encoded: then the Avro is right
and what it says is absurd.
"""

import copy
import io
import struct
from collections.abc import Callable, Iterator
from functools import lru_cache
from importlib.resources import files
from typing import Any

import fastavro
import numpy as np
import orjson

from schemas.registry import SchemaVersion, current_version, find_version, list_versions

__all__ = ["avro_mutant"]

Path = tuple[str | int, ...]
Rule = Callable[[np.random.Generator, bytes], bytes]

# fastavro writes no half of a surrogate pair: this character is replaced in the bytes, which
# are as many.
_STAND_IN = "\ue123"
_SURROGATE = b"\xed\xa0\x80"
_FLOATS = (
    float("nan"), float("inf"), float("-inf"), 1e308, -1e308, 5e-324, 0.0, -0.0, -1.0, 1.0, 1e40,
    -1e40, 1e-40, 1e12, 90.0, -90.0000001, 360.0, 1e5,
)  # fmt: skip
_INTEGERS = (
    0, 1, -1, 2, 64, 1 << 15, (1 << 31) - 1, 1 << 31, -(1 << 31), (1 << 63) - 1, -(1 << 63),
)  # fmt: skip
_TEXTS = (
    "", " ", "\x00", "a\x00b", _STAND_IN, "x" * 100_000, "é" * 300, "\uffff", "\U0010ffff",
    "\x1b[31m", "line\nline", "../../etc/passwd", "'; drop table image; --", "<a>&amp;", "a:b",
    "NaN", "\u202e", "UPPER Case", "0" * 64, "f" * 64, "default",
)  # fmt: skip
_MICROSECOND = 1_000_000
# The ends of int64, of datetime and of what telescopes know [microseconds since 1970].
_TIMES = (
    0, -1, (1 << 63) - 1, -(1 << 63), -62_135_596_800 * _MICROSECOND,
    253_402_300_799 * _MICROSECOND, 253_402_300_800 * _MICROSECOND,
    -1_300_000_000 * _MICROSECOND, 4_070_908_800 * _MICROSECOND, 5_000_000_000_000,
)  # fmt: skip
_RULES: list[Rule] = []


def avro_mutant(good: bytes, seed: int, number: int) -> tuple[str, bytes]:
    """Return the name of a rule, and what it makes of the bytes of a good message."""
    rng = np.random.default_rng((seed, number))
    rule = _RULES[number % len(_RULES)]
    return rule.__name__.strip("_"), rule(rng, good)


def _rule(function: Rule) -> Rule:
    _RULES.append(function)
    return function


def _value_rule(change: Callable[[np.random.Generator, Any, Path], bool]) -> Rule:
    """Register a rule that changes the decoded record at one place; False: not this place."""

    def rule(rng: np.random.Generator, good: bytes) -> bytes:
        version = _version_of(good)
        record = _decode(version, good)
        paths = list(_paths(record))
        for _ in range(int(rng.choice((1, 1, 1, 2, 3, 8)))):
            for index in rng.permutation(len(paths)):
                damaged = copy.deepcopy(record)
                if change(rng, damaged, paths[index]) and _can_be_encoded(version, damaged):
                    record = damaged
                    break
            paths = list(_paths(record))
        return _encode(version, record)

    rule.__name__ = getattr(change, "__name__", "")
    return _rule(rule)


@_value_rule
def _one_value(rng: np.random.Generator, record: Any, path: Path) -> bool:
    value = _get(record, path)
    choices = _choices(value, path)
    if not choices:
        return False
    _set(record, path, choices[int(rng.integers(0, len(choices)))])
    return True


@_value_rule
def _whole_column(rng: np.random.Generator, record: Any, path: Path) -> bool:
    column = _get(record, path)
    if not (isinstance(column, list) and column):
        return False
    choices = _choices(column[0], path)
    if choices:
        _set(record, path, [choices[int(rng.integers(0, len(choices)))]] * len(column))
    return bool(choices)


@_value_rule
def _other_length(rng: np.random.Generator, record: Any, path: Path) -> bool:
    column = _get(record, path)
    if not isinstance(column, list):
        return False
    lengths = ([], column[:-1], column * 2, (column or [""])[:1] * 1000, column + column[:1])
    _set(record, path, lengths[int(rng.integers(0, len(lengths)))])
    return True


@_value_rule
def _other_length_of_all(rng: np.random.Generator, record: Any, path: Path) -> bool:
    columns = _get(record, path)
    if not isinstance(columns, dict) or not all(isinstance(v, list) for v in columns.values()):
        return False
    keep = int(rng.integers(0, 4))
    for name, column in columns.items():
        # None, the first alone, all of them twice (so with every id twice), a thousand.
        columns[name] = ([], column[:1], column * 2, column[:1] * 1000)[keep]
    return bool(columns)


@_value_rule
def _nothing(_rng: np.random.Generator, record: Any, path: Path) -> bool:
    if not path or _get(record, path) is None:
        return False
    _set(record, path, None)
    return True


@_value_rule
def _two_values_swapped(rng: np.random.Generator, record: Any, path: Path) -> bool:
    value = _get(record, path)
    same = [p for p in _paths(record) if type(_get(record, p)) is type(value) and p != path]
    if not same or isinstance(value, dict):
        return False
    other = same[int(rng.integers(0, len(same)))]
    if other[: len(path)] == path or path[: len(other)] == other:
        return False
    _set(record, path, _get(record, other))
    _set(record, other, value)
    return True


@_rule
def _flipped_bits(rng: np.random.Generator, good: bytes) -> bytes:
    damaged = bytearray(good)
    for _ in range(int(rng.choice((1, 1, 2, 8, 64)))):
        damaged[int(rng.integers(0, len(good)))] ^= 1 << int(rng.integers(0, 8))
    return bytes(damaged)


@_rule
def _other_bytes(rng: np.random.Generator, good: bytes) -> bytes:
    at, n = int(rng.integers(5, len(good))), int(rng.integers(1, 40))
    return good[:at] + rng.bytes(n) + good[at + n * int(rng.integers(0, 2)) :]


@_rule
def _huge_length(rng: np.random.Generator, good: bytes) -> bytes:
    """Put a large variable-length integer somewhere: a text or an array of so many elements."""
    at = int(rng.integers(5, len(good)))
    number = b"\xfe" * int(rng.integers(1, 12)) + b"\x01"
    return good[:at] + number + good[at + int(rng.integers(0, 2)) :]


@_rule
def _truncated(rng: np.random.Generator, good: bytes) -> bytes:
    return good[: int(rng.integers(0, len(good)))]


@_rule
def _extended(rng: np.random.Generator, good: bytes) -> bytes:
    return good + (good if rng.random() < 0.3 else rng.bytes(int(rng.integers(1, 3000))))


@_rule
def _other_schema(rng: np.random.Generator, good: bytes) -> bytes:
    ids = [each.schema_id for each in list_versions()] + [0, 1, 107, 65536, (1 << 32) - 1]
    magic = 0 if rng.random() < 0.9 else int(rng.integers(0, 256))
    return struct.pack(">BI", magic, ids[int(rng.integers(0, len(ids)))]) + good[5:]


@_rule
def _older_schema(rng: np.random.Generator, good: bytes) -> bytes:
    """Write the record, perhaps with an absurd value, as an older version of its type."""
    version = _version_of(good)
    older = [each for each in list_versions() if each.name == version.name]
    chosen = older[int(rng.integers(0, len(older)))]
    return _encode(chosen, _decode(version, _RULES[int(rng.integers(0, 2))](rng, good)))


@_rule
def _rubbish(rng: np.random.Generator, good: bytes) -> bytes:
    return good[: int(rng.integers(0, 6))] + rng.bytes(int(rng.integers(0, 2000)))


def _version_of(data: bytes) -> SchemaVersion:
    """Return the current version of the record type that bytes are."""
    version = find_version(struct.unpack(">I", data[1:5])[0])
    assert version is not None
    return current_version(version.name)


@lru_cache(maxsize=16)
def _schema(file: str) -> Any:
    """Return a schema in which times are numbers, so that they can be impossible ones."""
    text = (files("schemas") / "avro" / file).read_bytes()
    return fastavro.parse_schema(_without_times(orjson.loads(text)))


def _without_times(node: Any) -> Any:
    if isinstance(node, dict):
        return {name: _without_times(each) for name, each in node.items() if name != "logicalType"}
    return [_without_times(each) for each in node] if isinstance(node, list) else node


def _decode(version: SchemaVersion, data: bytes) -> dict[str, Any]:
    buffer = io.BytesIO(data[5:].replace(_SURROGATE, _STAND_IN.encode()))
    record: Any = fastavro.schemaless_reader(buffer, _schema(version.file), None)
    return dict(record)


def _encode(version: SchemaVersion, record: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, _schema(version.file), record)
    body = buffer.getvalue().replace(_STAND_IN.encode(), _SURROGATE)
    return struct.pack(">bI", 0, version.schema_id) + body


def _can_be_encoded(version: SchemaVersion, record: dict[str, Any]) -> bool:
    """Return whether Avro has bytes for a record: its types are right."""
    try:
        _encode(version, record)
    except (TypeError, ValueError, OverflowError, AttributeError, IndexError, struct.error):
        return False
    return True


def _paths(node: Any, path: Path = ()) -> Iterator[Path]:
    """Return the places of everything in a record, without the elements of long columns."""
    yield path
    if isinstance(node, dict):
        for name, each in node.items():
            yield from _paths(each, (*path, name))
    elif isinstance(node, list):
        for index, each in enumerate(node[:3]):
            yield from _paths(each, (*path, index))


def _get(record: Any, path: Path) -> Any:
    for step in path:
        record = record[step]
    return record


def _set(record: Any, path: Path, value: Any) -> None:
    _get(record, path[:-1])[path[-1]] = value


def _choices(value: Any, path: Path) -> tuple[Any, ...]:
    """Return what a value may be replaced by; its type stays."""
    if isinstance(value, bool) or not path:
        return ()
    if isinstance(value, float):
        return (*_FLOATS, -value, value * 1e6)
    if isinstance(value, int):
        name = next(step for step in reversed(path) if isinstance(step, str))
        return _TIMES if name.startswith("time_") else (*_INTEGERS, -value, value + 1)
    return _TEXTS if isinstance(value, str) else ()
