"""A worker that fails ends at once, also while its broker hangs: who restarts it waits for it."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer

from livetrap.stack.ports import choose_port
from runtime.kafka import ensure_topics
from runtime.settings import KafkaSettings
from schemas.topics import Topics
from tests.support.forked import start_module
from tests.support.own_broker import OwnBroker, own_broker


@pytest.fixture(scope="module")
def broker() -> Iterator[OwnBroker]:
    with own_broker() as made:
        yield made


@pytest.mark.parametrize(
    ("how", "reason"), [("fatal", "the test ends it"), ("defect", "a defect outside of a message")]
)
def test_a_worker_that_fails_ends_while_its_broker_hangs(
    broker: OwnBroker, how: str, reason: str, tmp_path: Path
) -> None:
    kafka = KafkaSettings(bootstrap_servers=broker.bootstrap, topic_prefix=f"{how}.")
    ensure_topics(kafka)
    producer = Producer({"bootstrap.servers": broker.bootstrap})
    for _ in range(2):
        producer.produce(Topics(kafka.topic_prefix).images, b"any", partition=0)
    producer.flush()
    own = {
        "LIVETRAP_KAFKA__BOOTSTRAP_SERVERS": broker.bootstrap,
        "LIVETRAP_KAFKA__TOPIC_PREFIX": kafka.topic_prefix,
        "LIVETRAP_KAFKA__INSTANCE_ID": "one",
        "LIVETRAP_METRICS__PORT": str(choose_port(None, taken=set())),
        "LIVETRAP_STATE_DIR": str(tmp_path),
    }
    log = tmp_path / "worker.log"
    worker = start_module(
        "tests.support.failing_worker", how, str(broker.pid),
        environment=os.environ | own, log=log,
    )  # fmt: skip
    try:
        assert worker.wait(60) == 1, log.read_text()
    finally:
        worker.kill()
        broker.signal(signal.SIGCONT)
    assert reason in log.read_text()
