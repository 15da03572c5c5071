"""A Kafka that asks for rights, with those and the topics that the Strimzi manifests declare."""

import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from confluent_kafka import KafkaException
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)
from confluent_kafka.cimpl import NewTopic
from structlog.testing import capture_logs

from runtime.advisory_lock import FENCE_S
from runtime.dead_letter_topic import find_one, read_newest, redrive
from runtime.errors import FatalError, TransientError
from runtime.kafka import (
    MessageFetcher,
    OutMessage,
    TopicTail,
    compare_topics,
    consume_batch,
    create_consumer,
    create_producer,
    delete_topics,
    ensure_alert_topic,
    ensure_topics,
    fence_topics,
    fetch_retention_bytes,
    produce_and_wait,
)
from runtime.settings import KafkaSettings
from schemas.topics import Topics
from tests.support.secure_broker import USER, SecureBroker, secure_broker
from tests.support.vtp_service import wait_until

STRIMZI = Path("deploy/k8s/components/strimzi")
TOPICS = Topics()
N_PARTITIONS = 2
ORIGIN = {"topic": TOPICS.detections, "partition": "0", "offset": "7", "service": "associate"}


def manifests(name: str) -> Iterator[dict[str, Any]]:
    yield from yaml.safe_load_all((STRIMZI / name).read_text())


def rights_of(user: str) -> Iterator[AclBinding]:
    """Give what the operator of Strimzi makes of a KafkaUser."""
    [manifest] = [each for each in manifests("users.yaml") if each["metadata"]["name"] == user]
    for rule in manifest["spec"]["authorization"]["acls"]:
        resource = rule["resource"]
        kind = {"cluster": ResourceType.BROKER}.get(
            resource["type"], getattr(ResourceType, resource["type"].upper(), None)
        )
        pattern = {"prefix": ResourcePatternType.PREFIXED}.get(
            resource.get("patternType"), ResourcePatternType.LITERAL
        )
        for operation in rule["operations"]:
            word = re.sub(r"(?<!^)(?=[A-Z])", "_", operation).upper()
            yield AclBinding(
                kind, resource.get("name", "kafka-cluster"), pattern, f"User:{USER}", "*",
                getattr(AclOperation, word), AclPermissionType.ALLOW,
            )  # fmt: skip


def declared_topics() -> list[NewTopic]:
    """Return what the operator makes of the KafkaTopics; here there is one broker."""
    made = []
    for each in manifests("topics.yaml"):
        is_many = each["metadata"]["labels"]["livetrap.org/partitions"] == "many"
        config = {name: str(value) for name, value in each["spec"]["config"].items()}
        made.append(
            NewTopic(
                each["spec"]["topicName"], N_PARTITIONS if is_many else 1, 1,
                config=config | {"min.insync.replicas": "1"},
            )
        )  # fmt: skip
    return made


@pytest.fixture(scope="module")
def broker() -> Iterator[SecureBroker]:
    with secure_broker(asks_for_rights=True) as started:
        operator = AdminClient({"bootstrap.servers": started.bootstrap, "log_level": 0})
        for granted in operator.create_acls(list(rights_of("livetrap"))).values():
            granted.result(30)
        for created in operator.create_topics(declared_topics()).values():
            created.result(30)
        wait_until(
            lambda: {*TOPICS.all()} <= set(operator.list_topics(timeout=30).topics),
            what="the topics",
        )
        yield started


@pytest.fixture
def kafka(broker: SecureBroker) -> KafkaSettings:
    """Return the login of the services."""
    return broker.sasl("SCRAM-SHA-512").model_copy(update={"partitions": N_PARTITIONS})


def test_the_alert_topics_are_fenced_and_nothing_is_altered(kafka: KafkaSettings) -> None:
    with capture_logs() as logs:
        ensure_topics(kafka)
        assert compare_topics(kafka) == []
        assert fence_topics(kafka, TOPICS.alerts(), longest_s=FENCE_S)
    assert logs == []
    # The services may alter nothing: other values would not be set.
    with capture_logs() as logs:
        assert not fence_topics(kafka, TOPICS.alerts(), longest_s=2 * FENCE_S)
    assert [each["event"] for each in logs] == ["topics_not_fenced"]
    kept = fetch_retention_bytes(kafka.model_copy(update={"retention_bytes": 1}), TOPICS.all())
    assert set(kept.values()) == {kafka.retention_bytes}


def test_an_alert_that_is_too_old_is_refused(kafka: KafkaSettings) -> None:
    for topic in TOPICS.alerts():
        old = [OutMessage(topic, b"a", b"b")]
        with pytest.raises(TransientError):
            produce_and_wait(create_producer(kafka), old, now_ms=lambda: 1_000_000)
        produce_and_wait(create_producer(kafka), old)


def test_dead_letters_are_read_and_sent_again(kafka: KafkaSettings) -> None:
    letters = [
        OutMessage(TOPICS.dead_letters, b"a", b"first", ORIGIN),
        OutMessage(TOPICS.dead_letters, b"a", b"gone", ORIGIN | {"value-cut": "lost"}),
        OutMessage(TOPICS.dead_letters, b"a", b"last", ORIGIN),
    ]
    produce_and_wait(create_producer(kafka), letters)
    found = read_newest(kafka)
    assert sorted(each.value for each in found) == [b"first", b"gone", b"last"]
    [gone] = [each for each in found if each.value == b"gone"]
    position = f"{gone.partition}:{gone.offset}"
    assert find_one(kafka, position) == gone
    done = redrive(kafka, found)
    assert done.n_sent == 2
    assert [line.split()[0] for line in done.refused] == [position]
    consumer = create_consumer(kafka, group="livetrap-associate")
    consumer.subscribe([TOPICS.detections])
    again: list[bytes] = []

    def has_both() -> bool:
        again.extend(each.value for each in consume_batch(consumer, limit=9, timeout_s=0.5))
        return len(again) == 2

    wait_until(has_both, what="the messages that were sent again")
    consumer.close()
    assert sorted(again) == [b"first", b"last"]


def test_a_group_of_another_name_is_refused(kafka: KafkaSettings) -> None:
    """The control of the test: with it dead letters could not be read."""
    consumer = create_consumer(kafka, group=f"cli-{uuid.uuid4().hex}")
    consumer.subscribe([TOPICS.dead_letters])

    def is_refused() -> bool:
        try:
            consume_batch(consumer, limit=1, timeout_s=0.5)
        except (FatalError, KafkaException):
            return True
        return False

    wait_until(is_refused, what="the refusal")
    consumer.close()


def test_clients_without_a_group_of_their_own_read(kafka: KafkaSettings) -> None:
    produce_and_wait(create_producer(kafka), [OutMessage(TOPICS.images, b"k", b"pixels")])
    fetcher = MessageFetcher(kafka, group="livetrap-api-pixels")
    ends = fetcher.fetch_offsets(TOPICS.images)
    [number] = [number for number, (low, high) in ends.items() if high > low]
    message = fetcher.fetch(TOPICS.images, number, ends[number][0])
    assert message is not None
    assert message.value == b"pixels"
    fetcher.close()
    tail = TopicTail(kafka, TOPICS.alerts_voevent, name="livetrap-distribute")
    tail.seek_to_end()
    assert tail.read(limit=1, timeout_s=0.1) == []
    tail.close()


def test_the_topic_of_a_subscription_is_made_and_deleted(kafka: KafkaSettings) -> None:
    topic = TOPICS.alerts_of("bright-north")
    ensure_alert_topic(kafka, topic)
    produce_and_wait(create_producer(kafka), [OutMessage(topic, b"a", b"b")])
    delete_topics(kafka, [topic])
    delete_topics(kafka, [topic])
    with pytest.raises(TransientError, match="Kafka does not delete topic images-v1"):
        delete_topics(kafka, [TOPICS.images])
