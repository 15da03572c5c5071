"""Consumers that hear nothing of their group, and those that get no partition of it."""

import time
import uuid

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from livetrap.stack.ports import choose_port
from runtime.errors import FatalError
from runtime.kafka import create_consumer, membership
from runtime.kafka.clients import CheckedConsumer, client_logger
from runtime.settings import KafkaSettings


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(membership, "_WAIT_S", 1.0)
    monkeypatch.setattr(membership, "_INTERVAL_S", 0.5)
    monkeypatch.setattr(membership, "_LONGEST_S", 600.0)


@pytest.fixture
def topic(kafka_bootstrap: str) -> str:
    name = f"{uuid.uuid4().hex}.one"
    admin = AdminClient({"bootstrap.servers": kafka_bootstrap})
    for future in admin.create_topics([NewTopic(name, 1, 1)]).values():
        future.result(30)
    return name


def test_a_consumer_whose_client_has_no_broker_any_more_ends(
    kafka_bootstrap: str, topic: str
) -> None:
    nobody = f"127.0.0.1:{choose_port(None, taken=set())}"
    consumer = CheckedConsumer(
        {"bootstrap.servers": nobody, "group.id": topic},
        settings=KafkaSettings(bootstrap_servers=kafka_bootstrap),
        logger=client_logger(),
    )
    consumer.subscribe([topic])
    with pytest.raises(FatalError, match="its client has lost the broker"):
        consume_for(consumer, seconds=60)
    consumer.close()


def consume_for(consumer: CheckedConsumer, *, seconds: float) -> None:
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        consumer.consume(1, 0.1)


def test_a_consumer_without_partitions_goes_on(kafka_bootstrap: str, topic: str) -> None:
    settings = KafkaSettings(bootstrap_servers=kafka_bootstrap)
    consumers = [create_consumer(settings, group=topic) for _ in range(2)]
    for each in consumers:
        each.subscribe([topic])
    n_together, deadline_s = 0, time.monotonic() + 120
    # Long enough for the silent one to be asked, and to end, if it counted as lost.
    while n_together < 40:
        assert time.monotonic() < deadline_s
        for each in consumers:
            each.consume(1, 0.05)
        n_together += sorted(len(each.assignment()) for each in consumers) == [0, 1]
    for each in consumers:
        each.close()
