"""What `make install` prepares for later starts."""

from types import SimpleNamespace

import pytest

from livetrap.cli import run
from livetrap.commands import stack


def test_fetch_compiles_the_kernels_when_kafka_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    monkeypatch.setattr(
        "livetrap.stack.kafka_jars.fetch_jars", lambda: done.append("jars") or "folder"
    )
    monkeypatch.setattr(
        "livetrap.stack.kafka_class_cache.prepare_classes", lambda: done.append("classes")
    )
    monkeypatch.setattr(stack, "importlib", SimpleNamespace(import_module=done.append))
    assert run(["fetch"]) == 0
    kernels = "services.extract.app", "services.extract.kernels.crowding"
    assert done == ["jars", "classes", *kernels]
