"""Kafka's classes are linked in advance, where Java can do that."""

import os
from pathlib import Path

import pytest

from livetrap.stack import kafka_class_cache
from livetrap.stack.kafka_broker import KafkaBroker


@pytest.fixture
def jars(tmp_path: Path) -> Path:
    folder = tmp_path / "kafka-1.0"
    folder.mkdir()
    return folder


def flags(folder: Path, jars: Path) -> list[str]:
    broker = KafkaBroker(folder, port=1, controller_port=2)
    return [word for word in broker.command(jars) if word.startswith("-XX:AOTCache=")]


def test_a_broker_loads_the_linked_classes_that_are_there(tmp_path: Path, jars: Path) -> None:
    assert flags(tmp_path, jars) == []
    classes = KafkaBroker.classes_file(jars)
    classes.touch()
    assert flags(tmp_path, jars) == [f"-XX:AOTCache={classes}"]


def test_classes_that_are_there_are_kept(monkeypatch: pytest.MonkeyPatch, jars: Path) -> None:
    monkeypatch.setattr(kafka_class_cache, "fetch_jars", lambda: jars)
    KafkaBroker.classes_file(jars).write_bytes(b"linked")
    assert kafka_class_cache.prepare_classes() == KafkaBroker.classes_file(jars)
    assert KafkaBroker.classes_file(jars).read_bytes() == b"linked"


def test_classes_of_older_jars_are_made_again(monkeypatch: pytest.MonkeyPatch, jars: Path) -> None:
    monkeypatch.setattr(kafka_class_cache, "fetch_jars", lambda: jars)
    loaded = []

    def run_once(_jars: Path, folder: Path, output: Path) -> None:
        loaded.append(flags(folder, jars))
        output.write_bytes(b"new")

    monkeypatch.setattr(kafka_class_cache, "_run_once", run_once)
    KafkaBroker.classes_file(jars).write_bytes(b"old")
    os.utime(KafkaBroker.classes_file(jars), (1, 1))
    (jars / "kafka.jar").touch()
    assert kafka_class_cache.prepare_classes() == KafkaBroker.classes_file(jars)
    assert KafkaBroker.classes_file(jars).read_bytes() == b"new"
    assert loaded == [[]]  # Java records none while it loads others


def test_without_them_nothing_fails(monkeypatch: pytest.MonkeyPatch, jars: Path) -> None:
    # The folder is empty: Java finds no Kafka there.
    monkeypatch.setattr(kafka_class_cache, "fetch_jars", lambda: jars)
    assert kafka_class_cache.prepare_classes() is None
    assert list(jars.parent.iterdir()) == [jars]
