"""A broker that has taken the port of ours is refused, at the start and in the middle."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer

from livetrap.stack.ports import choose_port
from runtime.errors import FatalError
from runtime.kafka import (
    OutMessage,
    TopicTail,
    consume_batch,
    create_consumer,
    create_producer,
    ensure_topics,
    fetch_cluster_id,
    identity,
    produce_and_wait,
)
from runtime.kafka.clients import CheckedConsumer
from runtime.retry import RetryPolicy
from runtime.settings import KafkaSettings
from runtime.stop_flag import StopFlag
from schemas.topics import Topics
from tests.support.own_broker import own_broker
from tests.support.vtp_service import alert_site, wait_until

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def settings(kafka_bootstrap: str) -> KafkaSettings:
    return KafkaSettings(
        bootstrap_servers=kafka_bootstrap, topic_prefix=f"{uuid.uuid4().hex}.", partitions=1
    )


def test_another_cluster_is_refused_with_words(settings: KafkaSettings) -> None:
    right = settings.model_copy(update={"cluster_id": fetch_cluster_id(settings)})
    ensure_topics(right)
    wrong = settings.model_copy(update={"cluster_id": "not-this-one"})
    for call in (ensure_topics, fetch_cluster_id):
        with pytest.raises(FatalError, match="another installation has taken the port"):
            call(wrong)


@pytest.mark.parametrize("service", ["extract", "associate", "alert", "distribute"])
def test_a_service_ends_with_words(
    service: str, kafka_bootstrap: str, postgres_url: str, tmp_path: Path
) -> None:
    with alert_site(kafka_bootstrap, postgres_url, tmp_path) as site:
        started = site.start(service, LIVETRAP_KAFKA__CLUSTER_ID="not-this-one")
        assert started.process.wait(60) == 1
        (failure,) = [line for line in started.lines() if line["event"] == "service_failed"]
        assert "is cluster" in failure["error"]
        assert "not not-this-one" in failure["error"]


def test_messages_of_a_broker_on_the_port_of_ours_are_not_consumed() -> None:
    taken: set[int] = set()
    ports = choose_port(None, taken=taken), choose_port(None, taken=taken)
    with own_broker(ports=ports) as broker:
        settings = KafkaSettings(bootstrap_servers=broker.bootstrap, partitions=1)
        ensure_topics(settings)
        produce_and_wait(create_producer(settings), [message(b"ours")])
        consumer = create_consumer(settings, group="test")
        consumer.subscribe([Topics().images])
        assert consume_one(consumer) == b"ours"
    with own_broker(ports=ports):
        ensure_topics(settings)
        produce_and_wait(create_producer(settings), [message(b"theirs")])
        with pytest.raises(FatalError, match="another installation has taken the port"):
            consume_one(consumer)
    consumer.close()


def test_no_message_waits_for_the_question_which_cluster_it_is_of(
    settings: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the connection of a consumer the broker answers after the fetch that waits there."""
    ensure_topics(settings)
    topic = Topics(settings.topic_prefix).images
    tail = TopicTail(settings, topic, name="test")
    retry = RetryPolicy(StopFlag())  # a new topic has no leader at first
    retry.retry_until_success(tail.seek_to_end)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("asked on the connection that fetches")

    monkeypatch.setattr(CheckedConsumer, "list_topics", refuse, raising=False)
    asked: list[str | None] = []
    monkeypatch.setattr(identity, "check_cluster_id", lambda _settings, found: asked.append(found))
    produce_and_wait(create_producer(settings), [OutMessage(topic, b"", b"an image")])
    found = wait_until(lambda: tail.read(limit=1, timeout_s=0.2), what="a message", timeout_s=120)
    assert [each.value for each in found] == [b"an image"]
    assert set(asked) == {fetch_cluster_id(settings)}
    tail.close()


def message(value: bytes) -> OutMessage:
    return OutMessage(Topics().images, b"", value)


def consume_one(consumer: Consumer) -> bytes:
    def values() -> Iterator[bytes]:
        return (each.value for each in consume_batch(consumer, limit=1, timeout_s=0.2))

    value: bytes = wait_until(lambda: next(values(), None), what="a message", timeout_s=120)
    return value
