"""Avro schemas by id: every version that a message on Kafka may have been written with."""

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

import fastavro
import orjson

__all__ = ["SchemaVersion", "current_version", "find_version", "fingerprint", "list_versions"]

_FOLDER = files("schemas") / "avro"


@dataclass(frozen=True, slots=True)
class SchemaVersion:
    """One version of one record type.

    Parameters
    ----------
    schema_id : int
        Number in front of every message of this version; never used for anything else.
    name : str
        Record type, such as ``source_event``.
    file : str
        Where its schema is, under ``schemas/avro``; ``<name>.avsc`` is the current version.
    fingerprint : str
        As `fingerprint` returns it: the content that has this id.
    """

    schema_id: int
    name: str
    file: str
    fingerprint: str

    @property
    def is_current(self) -> bool:
        """Return whether messages are written with this version."""
        return self.file == f"{self.name}.avsc"

    def read_text(self) -> str:
        """Return the schema as JSON."""
        return (_FOLDER / self.file).read_text(encoding="utf-8")

    def load(self) -> Any:
        """Return the parsed schema."""
        return _parse(self.file)


def fingerprint(schema_text: bytes) -> str:
    """Return what identifies the content of a schema: a sha256 over all but its docs.

    Avro's own canonical form is no use here: it leaves out defaults and logical types, and both
    change what a reader gets.

    Parameters
    ----------
    schema_text : bytes
        An ``.avsc`` file.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    content = _without_docs(orjson.loads(schema_text))
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _without_docs(node: Any) -> Any:
    if isinstance(node, dict):
        return {name: _without_docs(value) for name, value in node.items() if name != "doc"}
    if isinstance(node, list):
        return [_without_docs(value) for value in node]
    return node


@lru_cache(maxsize=1)
def list_versions() -> tuple[SchemaVersion, ...]:
    """Return all registered versions in ascending order of their ids."""
    entries = orjson.loads((_FOLDER / "registry.json").read_bytes())
    return tuple(SchemaVersion(**entry) for entry in entries)


@lru_cache(maxsize=64)
def find_version(schema_id: int) -> SchemaVersion | None:
    """Return the version with an id, None if no version has it."""
    return next((each for each in list_versions() if each.schema_id == schema_id), None)


@lru_cache(maxsize=64)
def current_version(name: str) -> SchemaVersion:
    """Return the version that messages of a record type are written with.

    Raises
    ------
    KeyError
        If no current version of `name` is registered.
    """
    for version in list_versions():
        if version.name == name and version.is_current:
            return version
    raise KeyError(f"no current version of {name} in schemas/avro/registry.json")


@lru_cache(maxsize=64)
def _parse(file: str) -> Any:
    return fastavro.parse_schema(orjson.loads((_FOLDER / file).read_bytes()))
