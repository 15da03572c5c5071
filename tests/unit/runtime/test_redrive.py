"""Dead letters go back as they came; those that lack a part are named, and hold up no other."""

from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runtime import dead_letter_topic
from runtime.dead_letter_topic import redrive
from runtime.kafka import InMessage, OutMessage
from runtime.settings import KafkaSettings

ORIGIN = {
    "topic": "images-v1", "partition": "3", "offset": "42", "service": "extract",
    "reason": "no_beam", "error": "no beam", "time": "2026-01-01T00:00:00Z",
}  # fmt: skip
CUTS = ("truncated-from", "value-cut", "key-cut", "headers-omitted")


def letter(offset: int, **headers: str) -> InMessage:
    value = b"%d" % offset
    return InMessage("dead-letters-v1", 1, offset, b"key", value, ORIGIN | headers)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[OutMessage]:
    taken: list[OutMessage] = []

    def take(_: object, messages: Sequence[OutMessage]) -> None:
        taken.extend(messages)

    monkeypatch.setattr(dead_letter_topic, "create_producer", lambda _: None)
    monkeypatch.setattr(dead_letter_topic, "produce_and_wait", take)
    return taken


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from([None, "topic", *CUTS])))
def test_all_that_are_whole_are_sent_and_all_others_named(
    sent: list[OutMessage], faults: list[str | None]
) -> None:
    sent.clear()
    letters = [
        letter(number, kept="yes", **({} if fault is None else {fault: ""}))
        for number, fault in enumerate(faults)
    ]
    done = redrive(KafkaSettings(), letters)
    whole = [number for number, fault in enumerate(faults) if fault is None]
    assert sent == [OutMessage("images-v1", b"key", b"%d" % n, {"kept": "yes"}) for n in whole]
    assert done.n_sent == len(whole)
    named = [int(line.split()[0].removeprefix("1:")) for line in done.refused]
    assert sorted([*named, *whole]) == list(range(len(faults)))


def test_what_is_not_sent_says_why(sent: list[OutMessage]) -> None:
    letters = [
        letter(7, **{"value-cut": "lost by retention"}),
        letter(8, **{"value-cut": "200000000 bytes", "file": "a.fits"}),
        letter(9, topic=""),
    ]
    done = redrive(KafkaSettings(), letters)
    assert (sent, done.n_sent) == ([], 0)
    assert done.refused == (
        "1:7 lacks a part of the message (value-cut: lost by retention); ingest the image again",
        "1:8 lacks a part of the message (value-cut: 200000000 bytes); ingest a.fits again",
        "1:9 has no header `topic`; send it yourself",
    )
