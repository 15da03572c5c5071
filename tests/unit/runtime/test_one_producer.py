"""All producers of the product are made in one place, so that all place keys alike."""

import ast
from collections.abc import Iterator
from pathlib import Path

import api
import livetrap
import runtime
import services

_MADE_IN = "runtime/kafka/clients.py"
_PRODUCERS = {"Producer", "AIOKafkaProducer", "SerializingProducer", "KafkaProducer"}


def _makers() -> Iterator[str]:
    """Return the files of the product that call a class of producers."""
    for package in (api, livetrap, runtime, services):
        root = Path(next(iter(package.__path__)))
        for path in root.rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            if not any(name in text for name in _PRODUCERS):
                continue
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.Call):
                    name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                    if name in _PRODUCERS:
                        yield str(path.relative_to(root.parent))


def test_producers_are_made_where_the_partitioner_is_set() -> None:
    assert list(_makers()) == [_MADE_IN]
