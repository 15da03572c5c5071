"""A message that can never be processed is kept with its reason, counted, and sent once."""

from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from runtime.dead_letters import DeadLetters
from runtime.errors import FatalError, RejectedMessageError, TransientError
from runtime.kafka import InMessage

SOURCE = InMessage("images-v1", 3, 42, b"key", b"bytes", {"stream": "night"})
NO_BEAM = RejectedMessageError("no_beam", "no beam: set BMAJ, BMIN, BPA")


class FakeProducer:
    """Acknowledges what it gets when it is flushed, if it is `up`."""

    def __init__(self, *, up: bool = True) -> None:
        self.up = up
        self.values: list[bytes] = []
        self._callbacks: list[Callable[[Any, Any], None]] = []

    def produce(
        self, _topic: str, *, value: bytes, on_delivery: Callable[[Any, Any], None], **_: object
    ) -> None:
        self.values.append(value)
        self._callbacks.append(on_delivery)

    def poll(self, _timeout_s: float) -> None:
        return None

    def flush(self, _timeout_s: float) -> None:
        for callback in self._callbacks:
            callback(None if self.up else "timed out", None)
        self._callbacks.clear()


def dead_letters() -> DeadLetters:
    return DeadLetters(topic="dead-letters-v1", service="extract")


def count(reason: str) -> float:
    labels = {"service": "extract", "reason": reason}
    return REGISTRY.get_sample_value("livetrap_dead_letters_total", labels) or 0.0


def test_a_dead_letter_has_the_bytes_and_the_reason() -> None:
    letter = dead_letters().build(SOURCE, NO_BEAM)
    assert (letter.topic, letter.key, letter.value) == ("dead-letters-v1", b"key", b"bytes")
    assert letter.headers["stream"] == "night"
    expected = {"topic": "images-v1", "partition": "3", "offset": "42", "service": "extract"}
    assert expected.items() <= letter.headers.items()
    assert letter.headers["reason"] == "no_beam"
    assert letter.headers["error"] == str(NO_BEAM)


def test_an_error_without_a_code_is_a_failure() -> None:
    assert dead_letters().build(SOURCE, FatalError("broken")).headers["reason"] == "failed"


def test_each_dead_letter_is_counted_by_its_reason() -> None:
    before = count("no_beam")
    letters = dead_letters()
    letters.build(SOURCE, NO_BEAM)
    letters.add(SOURCE, NO_BEAM)
    assert count("no_beam") == before + 2


def test_an_added_dead_letter_is_logged_and_sent_once() -> None:
    letters, producer = dead_letters(), FakeProducer()
    with capture_logs() as lines:
        letters.add(SOURCE, NO_BEAM)
    assert [(line["event"], line["reason"], line["offset"]) for line in lines] == [
        ("message_rejected", "no_beam", 42)
    ]
    letters.send(producer)  # type: ignore[arg-type]
    letters.send(producer)  # type: ignore[arg-type]
    assert producer.values == [b"bytes"]
    assert letters.pending == ()


def test_a_dead_letter_without_acknowledgement_stays_pending() -> None:
    letters, producer = dead_letters(), FakeProducer(up=False)
    letters.add(SOURCE, NO_BEAM)
    with pytest.raises(TransientError, match="timed out"):
        letters.send(producer)  # type: ignore[arg-type]
    assert len(letters.pending) == 1
