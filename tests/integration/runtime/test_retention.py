"""What Kafka deletes before its consumer has read it is booked, not skipped."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

from runtime.kafka import (
    InMessage,
    LostMessages,
    OutMessage,
    consume_batch,
    create_consumer,
    create_producer,
    ensure_topics,
    produce_and_wait,
)
from runtime.settings import KafkaSettings
from schemas.topics import Topics
from tests.support.fits_images import make
from tests.support.vtp_events import source_event
from tests.support.vtp_service import AlertSite, alert_site, wait_until


def delete_records(bootstrap: str, topic: str, before: int) -> None:
    """Delete what a partition has before an offset, as the retention does.

    A broker whose heartbeat is late on a busy machine leads nothing until the next one.
    """
    admin = AdminClient({"bootstrap.servers": bootstrap})

    def delete() -> int:
        (future,) = admin.delete_records([TopicPartition(topic, 0, before)]).values()
        return int(future.result(30).low_watermark)

    assert wait_until(delete, what="the leader") == before


@pytest.fixture
def settings(kafka_bootstrap: str) -> KafkaSettings:
    made = KafkaSettings(
        bootstrap_servers=kafka_bootstrap, topic_prefix=f"{uuid.uuid4().hex}.", partitions=1
    )
    ensure_topics(made)
    return made


@pytest.fixture
def site(kafka_bootstrap: str, postgres_url: str, tmp_path: Path) -> Iterator[AlertSite]:
    with alert_site(kafka_bootstrap, postgres_url, tmp_path, partitions=1) as made:
        yield made


def n_on(site: AlertSite, topic: str) -> int:
    """Return the end of a topic of one partition."""
    reader = Consumer({"bootstrap.servers": site.bootstrap, "group.id": "test"})
    _, end = reader.get_watermark_offsets(TopicPartition(topic, 0), timeout=30)
    reader.close()
    return int(end)


def is_read(site: AlertSite, n: int) -> bool:
    """Return whether the alert service has committed `n` events."""
    group = {"group.id": f"{site.prefix}livetrap-alert"}
    reader = Consumer({"bootstrap.servers": site.bootstrap, **group})
    (partition,) = reader.committed([TopicPartition(site.topics.transients, 0)], timeout=60)
    reader.close()
    return bool(partition.offset == n)


def offsets(lost: Iterator[InMessage]) -> list[int]:
    return [each.offset for each in lost]


def read(consumer: Consumer, n: int) -> list[InMessage]:
    found: list[InMessage] = []

    def has_all() -> bool:
        found.extend(consume_batch(consumer, limit=1, timeout_s=0.5))
        return len(found) >= n

    wait_until(has_all, what=f"{n} messages")
    return found


def test_offsets_that_were_deleted_are_found_once(settings: KafkaSettings) -> None:
    topic = Topics(settings.topic_prefix).images
    messages = [OutMessage(topic, b"", b"%d" % number) for number in range(12)]
    produce_and_wait(create_producer(settings), messages)
    consumer = create_consumer(settings, group="test")
    lost = LostMessages(consumer)
    consumer.subscribe([topic], on_assign=lost.on_assign)
    first = read(consumer, 1)[0]
    assert offsets(lost.at_start()) == offsets(lost.before(first)) == []
    consumer.commit(offsets=[TopicPartition(topic, 0, 1)], asynchronous=False)
    consumer.close()

    delete_records(settings.bootstrap_servers, topic, 5)
    consumer = create_consumer(settings, group="test")
    lost = LostMessages(consumer)
    consumer.subscribe([topic], on_assign=lost.on_assign)
    found = read(consumer, 1)[0]
    assert found.offset == 5
    assert offsets(lost.at_start()) == [1, 2, 3, 4]
    assert offsets(lost.at_start()) == offsets(lost.before(found)) == []
    # A running consumer that is overtaken: what it has fetched already is not lost.
    delete_records(settings.bootstrap_servers, topic, 9)
    assert offsets(lost.before(InMessage(topic, 0, 10, b"", b""))) == [6, 7, 8]
    consumer.close()


def test_an_offset_without_a_message_is_no_loss(settings: KafkaSettings) -> None:
    topic = Topics(settings.topic_prefix).images
    produce_and_wait(create_producer(settings), [OutMessage(topic, b"", b"0")])
    consumer = create_consumer(settings, group="test")
    lost = LostMessages(consumer)
    lost.assign([TopicPartition(topic, 0, 0)])
    assert offsets(lost.at_start()) == []
    assert offsets(lost.before(InMessage(topic, 0, 3, b"", b""))) == []
    consumer.close()


def test_lost_images_are_in_the_ledger(site: AlertSite) -> None:
    own = {"LIVETRAP_STATE_DIR": str(site.folder / "state")}

    def reasons() -> list[str]:
        rows = site.fetch("select reasons from image_ledger")
        return sorted(",".join(row["reasons"]) for row in rows)

    def send(*seconds: int) -> None:
        for second in seconds:
            value = make(**{"DATE-OBS": f"2026-01-01T00:00:{second:02d}"})
            site.send_raw(site.topics.images, value, key=b"one")

    fast = {"LIVETRAP_ASSOCIATE__FIRST_TIMESTEP_WAIT_S": "0.1"}
    extract, associate = site.start("extract", **own), site.start("associate", **own, **fast)
    send(0)
    wait_until(lambda: reasons() == [""], what="the first image")
    assert extract.terminate() == associate.terminate() == 0

    # Two images before extract is back, then a record before the associator is.
    send(1, 2, 3)
    delete_records(site.bootstrap, site.topics.images, 3)
    extract = site.start("extract", **own)
    wait_until(lambda: n_on(site, site.topics.detections) == 4, what="a record an image")
    delete_records(site.bootstrap, site.topics.detections, 2)
    site.start("associate", **own, **fast)
    wait_until(lambda: len(reasons()) == 4, what="all images in the ledger")
    assert reasons() == ["", "", "lost_by_retention", "lost_by_retention"]

    def services() -> set[bytes]:
        return {headers["service"] for _, _, headers in site.read(site.topics.dead_letters)}

    wait_until(lambda: services() == {b"extract", b"associate"}, what="dead letters of both")


def test_lost_events_are_dead_letters(site: AlertSite) -> None:
    own = {"LIVETRAP_STATE_DIR": str(site.folder / "state"), "LIVETRAP_KAFKA__INSTANCE_ID": "a"}
    alert = site.start("alert", **own)
    site.publish([source_event(0)])
    wait_until(lambda: len(site.read(site.topics.alerts_gcn)) == 1, what="the first alert")
    # What is not committed comes again, and nobody knows of events that were gone before.
    wait_until(lambda: is_read(site, 1), what="the commit of the first event")
    assert alert.terminate() == 0
    site.publish([source_event(1), source_event(2), source_event(3)])
    delete_records(site.bootstrap, site.topics.transients, 3)
    site.start("alert", **own)
    wait_until(lambda: len(site.read(site.topics.alerts_gcn)) == 2, what="the last alert")
    # They are sent once the events that came with them are handled.
    wait_until(lambda: n_on(site, site.topics.dead_letters) == 2, what="the dead letters")
    letters = [headers for _, _, headers in site.read(site.topics.dead_letters)]
    assert [letter["offset"] for letter in letters] == [b"1", b"2"]
    assert {letter["reason"] for letter in letters} == {b"lost_by_retention"}
