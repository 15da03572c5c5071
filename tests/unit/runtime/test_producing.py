"""What a client refuses about a message is reported; anything else is waited for."""

from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from runtime.errors import FatalError, TransientError
from runtime.kafka import OutMessage, produce_and_wait

ABOUT_THE_MESSAGE = [KafkaError.MSG_SIZE_TOO_LARGE, KafkaError._INVALID_ARG]
ABOUT_THE_WORLD = [
    KafkaError._FAIL, KafkaError._TIMED_OUT, KafkaError._TRANSPORT,
    KafkaError._UNKNOWN_TOPIC, KafkaError.TOPIC_AUTHORIZATION_FAILED,
]  # fmt: skip


class Producer:
    """Refuses the first message with an error of Kafka; takes the others."""

    def __init__(self, *, code: int | None = None) -> None:
        self.code = code
        self.sent: list[dict[str, Any]] = []

    def produce(self, topic: str, *, on_delivery: Any, **message: Any) -> None:
        if self.code is not None:
            code, self.code = self.code, None
            raise KafkaException(KafkaError(code))
        self.sent.append({"topic": topic, **message})
        on_delivery(None, None)

    def poll(self, _timeout_s: float) -> int:
        return 0

    def flush(self, _timeout_s: float) -> int:
        return 0


def send(producer: Any, message: OutMessage) -> None:
    produce_and_wait(producer, [message])


@pytest.mark.parametrize("code", ABOUT_THE_WORLD)
def test_trouble_of_the_broker_is_waited_for(code: int) -> None:
    producer, message = Producer(code=code), OutMessage("t", b"k", b"v")
    with pytest.raises(TransientError, match="does not take a message"):
        send(producer, message)
    send(producer, message)
    assert [each["value"] for each in producer.sent] == [b"v"]


@pytest.mark.parametrize("code", ABOUT_THE_MESSAGE)
def test_a_message_that_can_never_be_sent_is_not_tried_for_ever(code: int) -> None:
    with pytest.raises(KafkaException):
        send(Producer(code=code), OutMessage("t", b"k", b"v"))


def test_a_client_that_has_ended_ends_the_process() -> None:
    with pytest.raises(FatalError, match="a restart connects"):
        send(Producer(code=KafkaError._FATAL), OutMessage("t", b"k", b"v"))


def test_a_header_that_is_no_text_is_sent_all_the_same() -> None:
    producer = Producer()
    send(producer, OutMessage("t", b"k", b"v", {"error": "file \udcff.fits", "raw": b"\xff"}))
    assert producer.sent[0]["headers"] == [("error", b"file ?.fits"), ("raw", b"\xff")]
