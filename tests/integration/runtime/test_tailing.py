"""The tail of a topic: what is appended from now on, and nothing before it."""

import uuid
from collections.abc import Iterator

import pytest

from runtime.errors import TransientError
from runtime.kafka import OutMessage, TopicTail, create_producer, ensure_topics, produce_and_wait
from runtime.settings import KafkaSettings
from schemas.topics import Topics
from tests.support.vtp_service import wait_until


@pytest.fixture
def settings(kafka_bootstrap: str) -> KafkaSettings:
    made = KafkaSettings(
        bootstrap_servers=kafka_bootstrap, topic_prefix=f"{uuid.uuid4().hex}.", partitions=3
    )
    ensure_topics(made)
    return made


@pytest.fixture
def tail(settings: KafkaSettings) -> Iterator[TopicTail]:
    made = TopicTail(settings, Topics(settings.topic_prefix).transients, name="test")
    yield made
    made.close()


def append(settings: KafkaSettings, *values: bytes) -> None:
    topic = Topics(settings.topic_prefix).transients
    produce_and_wait(
        create_producer(settings), [OutMessage(topic, value, value) for value in values]
    )


def seek_to_end(tail: TopicTail) -> None:
    """Wait until the broker knows the topic, which was created a moment ago."""

    def has_sought() -> bool:
        try:
            tail.seek_to_end()
        except TransientError:
            return False
        return True

    wait_until(has_sought, what="leaders of the new topic")


def read(tail: TopicTail, n: int) -> list[bytes]:
    found: list[bytes] = []

    def has_all() -> bool:
        found.extend(message.value for message in tail.read(limit=100, timeout_s=0.5))
        return len(found) >= n

    wait_until(has_all, what=f"{n} messages")
    return found


def test_what_is_appended_later_is_read_from_every_partition(
    settings: KafkaSettings, tail: TopicTail
) -> None:
    append(settings, *[b"before %d" % number for number in range(20)])
    seek_to_end(tail)
    append(settings, *[b"after %d" % number for number in range(20)])
    assert sorted(read(tail, 20)) == sorted(b"after %d" % number for number in range(20))


def test_two_tails_read_everything_each(settings: KafkaSettings, tail: TopicTail) -> None:
    other = TopicTail(settings, Topics(settings.topic_prefix).transients, name="test")
    for each in (tail, other):
        seek_to_end(each)
    append(settings, b"one", b"two")
    assert sorted(read(tail, 2)) == sorted(read(other, 2)) == [b"one", b"two"]
    other.close()


def test_one_message_does_not_wait_for_more(settings: KafkaSettings, tail: TopicTail) -> None:
    seek_to_end(tail)
    append(settings, b"alone")
    # A batch that waits to be full would take the whole time.
    assert [message.value for message in tail.read(limit=100, timeout_s=250)] == [b"alone"]


def test_a_topic_that_does_not_exist_yet_is_worth_another_try(settings: KafkaSettings) -> None:
    missing = TopicTail(settings, f"{settings.topic_prefix}nothing", name="test")
    with pytest.raises(TransientError):
        missing.seek_to_end()
    missing.close()


def test_a_broker_that_is_away_is_worth_another_try(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.kafka.tailing._ANSWER_S", 0.3)
    nowhere = TopicTail(KafkaSettings(bootstrap_servers="127.0.0.1:1"), "x", name="test")
    with pytest.raises(TransientError):
        nowhere.seek_to_end()
    nowhere.close()
