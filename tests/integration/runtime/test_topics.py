"""Topics that exist: keys, copies, and what differs from the settings."""

import uuid

import pytest
from aiokafka.partitioner import murmur2
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource
from confluent_kafka.admin._resource import ResourceType
from confluent_kafka.cimpl import NewPartitions, NewTopic

from runtime.errors import FatalError, TransientError
from runtime.kafka import (
    InMessage,
    LostMessages,
    OutMessage,
    compare_topics,
    consume_batch,
    create_consumer,
    create_producer,
    ensure_topics,
    fetch_retention_bytes,
    produce_and_locate,
    produce_and_wait,
)
from runtime.kafka.admin import _new_topic
from runtime.settings import KafkaSettings
from schemas.topics import Topics
from tests.support.own_topics import make_topics
from tests.support.vtp_service import wait_until

N_PARTITIONS = 4
FENCED = KafkaError.FENCED_LEADER_EPOCH


@pytest.fixture
def settings(kafka_bootstrap: str) -> KafkaSettings:
    return make_topics(kafka_bootstrap, partitions=N_PARTITIONS)


def test_keys_are_placed_as_java_does(settings: KafkaSettings) -> None:
    topic = Topics(settings.topic_prefix).images
    producer = create_producer(settings)
    for number in range(12):
        key = f"night:{120 + number}.000MHz".encode()
        partition, _ = produce_and_locate(producer, OutMessage(topic, key, b"x"))
        assert partition == (murmur2(key) & 0x7FFFFFFF) % N_PARTITIONS


@pytest.mark.parametrize(("copies", "in_sync"), [(1, "1"), (2, "1"), (3, "2"), (5, "2")])
def test_three_copies_need_two_in_sync(copies: int, in_sync: str) -> None:
    topic = _new_topic("a", KafkaSettings(replication_factor=copies), Topics())
    assert topic.config is not None
    assert topic.config["min.insync.replicas"] == in_sync


@pytest.mark.parametrize("name", Topics("a.").all())
def test_dead_letters_are_kept_by_settings_of_their_own(name: str) -> None:
    kafka = KafkaSettings(
        topic_prefix="a.", retention_hours=2.0, retention_bytes=1 << 24,
        dead_letter_hours=500.0, dead_letter_bytes=1 << 26,
    )  # fmt: skip
    config = _new_topic(name, kafka, Topics("a.")).config or {}
    found = tuple(
        int(config[each]) for each in ("retention.ms", "retention.bytes", "segment.bytes")
    )
    if name == Topics("a.").dead_letters:
        assert found == (1_800_000_000, 1 << 26, 1 << 24)
    elif name == Topics("a.").heartbeat:
        assert found == (600_000, 1 << 24, 1 << 22)
    else:
        assert found == (7_200_000, 1 << 24, 1 << 22)


def test_differences_of_topics_are_told(settings: KafkaSettings) -> None:
    assert compare_topics(settings) == []
    changed = settings.model_copy(
        update={"retention_hours": 1.0, "dead_letter_hours": 2.0, "partitions": 8}
    )
    told = compare_topics(changed)
    images, dead_letters = (
        f"{settings.topic_prefix}{name}" for name in (Topics().images, Topics().dead_letters)
    )
    assert f"{images} has {N_PARTITIONS} partitions, LIVETRAP_KAFKA__PARTITIONS asks for 8" in told
    assert f"{images} has retention.ms=86400000, the settings ask for 3600000" in told
    # A week: the weekend that nobody looks.
    assert f"{dead_letters} has retention.ms=604800000, the settings ask for 7200000" in told
    # Alerts have one partition whatever the settings say, the heartbeat keeps ten minutes.
    assert len(told) == 8 + 11


def test_what_a_topic_keeps_is_asked_of_the_topic(settings: KafkaSettings) -> None:
    topics = Topics(settings.topic_prefix)
    admin = AdminClient({"bootstrap.servers": settings.bootstrap_servers})
    entry = ConfigEntry("retention.bytes", "-1", incremental_operation=AlterConfigOpType.SET)
    altered = ConfigResource(ResourceType.TOPIC, topics.images, incremental_configs=[entry])
    for future in admin.incremental_alter_configs([altered]).values():
        future.result(30)
    names = [topics.images, topics.detections, "never-made"]
    # What is set now is for topics to come; of one that is not there the settings tell.
    later = settings.model_copy(update={"retention_bytes": 7 << 30})
    made = settings.retention_bytes
    expected = {names[0]: -1, names[1]: made, names[2]: 7 << 30}
    wait_until(lambda: fetch_retention_bytes(later, names) == expected, what="the altered topic")


def test_images_and_requests_have_as_many_partitions(settings: KafkaSettings) -> None:
    topics = Topics(settings.topic_prefix)
    admin = AdminClient({"bootstrap.servers": settings.bootstrap_servers})
    for future in admin.create_partitions([NewPartitions(topics.images, 8)]).values():
        future.result(30)
    with pytest.raises(FatalError, match=r"images-v1 and .*forced-requests-v1 have 8 and 4"):
        wait_until(lambda: ensure_topics(settings), what="the new partitions to be seen")


def test_requests_get_as_many_partitions_as_the_images_that_are_there(
    kafka_bootstrap: str,
) -> None:
    made = KafkaSettings(
        bootstrap_servers=kafka_bootstrap, topic_prefix=f"{uuid.uuid4().hex}.", partitions=2
    )
    topics = Topics(made.topic_prefix)
    admin = AdminClient({"bootstrap.servers": kafka_bootstrap})
    for future in admin.create_topics([NewTopic(topics.images, 3, 1)]).values():
        future.result(30)
    wait_until(lambda: topics.images in admin.list_topics(timeout=30).topics, what="its metadata")
    ensure_topics(made)
    asked = (topics.forced_requests, topics.stamp_requests)
    # A broker knows a topic that it has made a moment later.
    wait_until(lambda: {*asked} <= set(admin.list_topics(timeout=30).topics), what="the topics")
    found = admin.list_topics(timeout=30).topics
    for name in asked:
        assert len(found[name].partitions) == 3


def test_images_that_are_deleted_while_no_other_comes_are_found(settings: KafkaSettings) -> None:
    topic = f"{settings.topic_prefix}one"
    admin = AdminClient({"bootstrap.servers": settings.bootstrap_servers})
    for future in admin.create_topics([NewTopic(topic, 1, 1)]).values():
        future.result(30)
    producer = create_producer(settings)
    produce_and_wait(producer, [OutMessage(topic, b"", b"%d" % number) for number in range(5)])
    consumer = create_consumer(settings, group="idle")
    lost = LostMessages(consumer)
    # It has read up to offset 2 and comes back when there is nothing left to read.
    lost.assign([TopicPartition(topic, 0, 2)])
    assert list(lost.at_start()) == []
    for deleted in admin.delete_records([TopicPartition(topic, 0, 5)]).values():
        deleted.result(30)
    found: list[int] = []

    def has_found() -> bool:
        found.extend(each.offset for each in lost.while_idle())
        return bool(found)

    wait_until(has_found, what="the answer of the broker")
    assert found == [2, 3, 4]
    assert list(lost.while_idle()) == []
    lost.release([TopicPartition(topic, 0)])
    assert list(lost.before(InMessage(topic, 0, 9, b"", b""))) == []
    consumer.close()


def test_what_is_lost_is_asked_beside_a_fetch_that_waits(settings: KafkaSettings) -> None:
    topic = Topics(settings.topic_prefix).images
    produce_and_wait(create_producer(settings), [OutMessage(topic, b"", b"0")])
    # Longer than the ten seconds that an answer may take.
    consumer = create_consumer(settings, group="waiting", fetch_wait_ms=12_000)
    lost = LostMessages(consumer)
    consumer.subscribe([topic], on_assign=lost.on_assign)
    read: list[InMessage] = []

    def has_read() -> bool:
        read.extend(consume_batch(consumer, limit=1, timeout_s=0.5))
        return bool(read)

    wait_until(has_read, what="the message")
    places = [TopicPartition(topic, number, 0) for number in range(N_PARTITIONS)]

    def has_asked() -> bool:
        lost.assign(places)
        try:
            assert list(lost.at_start()) == []
        except TransientError as error:
            # A busy broker leads no partition for a moment; an answer that is late is no excuse.
            cause = error.__cause__
            if not isinstance(cause, KafkaException) or cause.args[0].code() != FENCED:
                raise
            return False
        return True

    for _ in range(2):  # by then the fetch of what follows has reached the broker
        wait_until(has_asked, what="the first offsets")
    admin = AdminClient({"bootstrap.servers": settings.bootstrap_servers})
    for deleted in admin.delete_records([TopicPartition(topic, read[0].partition, 1)]).values():
        deleted.result(30)
    found: list[int] = []

    def has_found() -> bool:
        found.extend(each.offset for each in lost.while_idle())
        return bool(found)

    wait_until(has_found, what="the answer of the broker")
    assert found == [0]
    consumer.close()


def test_a_member_without_partitions_knows_that_it_has_none(settings: KafkaSettings) -> None:
    topic = Topics(settings.topic_prefix).alerts_gcn  # of one partition
    given: dict[str, int] = {}
    consumers: list[Consumer] = []
    for name in ("first", "second"):
        consumer = create_consumer(settings, group="standby")
        consumer.subscribe(
            [topic],
            on_assign=lambda _, partitions, name=name: given.update({name: len(partitions)}),
        )
        consumers.append(consumer)

    def has_settled() -> bool:
        for consumer in consumers:
            consume_batch(consumer, limit=1, timeout_s=0.1)
        return sorted(given.values()) == [0, 1]

    wait_until(has_settled, timeout_s=120, what="one partition for one of two")
    for consumer in consumers:
        consumer.close()
