"""Alert and distribute as processes, on a database and topics of one test."""

import asyncio
import json
import os
import signal
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import asyncpg
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from pydantic import SecretStr

from livetrap.stack.ports import choose_port
from runtime.errors import TransientError
from runtime.kafka import ensure_topics
from runtime.kafka.connection import common_config
from runtime.settings import KafkaSettings
from schemas.codec import encode_source_event
from schemas.messages import SourceEvent
from schemas.topics import Topics
from services.alert.models import StoredAlert
from services.alert.storage import AlertStore
from tests.support.databases import clone_database
from tests.support.forked import ModuleProcess, start_module
from tests.support.polling import Pause
from tests.support.vtp_events import build_test_alert

__all__ = ["AlertSite", "ServiceProcess", "alert_site", "to_environment", "wait_until"]


def wait_until(condition: Callable[[], Any], *, timeout_s: float = 120, what: str = "") -> Any:
    """Return the first true answer of `condition`; a broker that is away is no answer."""
    deadline_s = time.monotonic() + timeout_s
    pause = Pause(0.05)
    last: object = None
    while time.monotonic() < deadline_s:
        try:
            last = condition()
        except KafkaException as error:
            last = error
        else:
            if last:
                return last
        pause.sleep()
    raise AssertionError(f"waited {timeout_s} s for {what}; last: {last!r}")


def to_environment(kafka: KafkaSettings) -> dict[str, str]:
    """Return the variables that make a process have these settings."""
    values = {name: getattr(kafka, name) for name in kafka.model_fields_set}
    return {
        f"LIVETRAP_KAFKA__{name.upper()}": (
            value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        )
        for name, value in values.items()
        if value is not None
    }


@dataclass
class ServiceProcess:
    """One process of a service."""

    process: ModuleProcess
    log: Path

    def lines(self) -> list[dict[str, Any]]:
        text = self.log.read_text(errors="replace")
        return [json.loads(line) for line in text.splitlines() if line]

    def assert_alive(self) -> None:
        if self.process.poll() is not None:
            raise AssertionError(f"the service died: {self.log.read_text()[-3000:]}")

    def has_logged(self, event: str) -> bool:
        self.assert_alive()
        return f'"{event}"' in self.log.read_text()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def terminate(self) -> int:
        """Send SIGTERM; return the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


@dataclass
class AlertSite:
    """Topics and a database of one test, and the processes that work on them."""

    kafka: KafkaSettings
    postgres_url: str
    vtp_port: int
    folder: Path
    services: list[ServiceProcess] = field(default_factory=list)

    @property
    def bootstrap(self) -> str:
        return self.kafka.bootstrap_servers

    @property
    def prefix(self) -> str:
        return self.kafka.topic_prefix

    @property
    def topics(self) -> Topics:
        return Topics(self.prefix)

    def start(
        self,
        service: str = "alert",
        *,
        dying: str = "",
        module: str = "",
        fork: bool = True,
        **settings: str,
    ) -> ServiceProcess:
        """Start a process; `dying` names the step of `tests.support` that kills it.

        A `module` is started instead of the service and gets its name. Without `fork` it has an
        interpreter of its own.
        """
        own = "api" if service == "api" else f"services.{service}"
        program = [f"tests.support.dying_{service}", dying] if dying else [own]
        if module:
            program = [module, service]
        log = self.folder / f"{service}-{len(self.services)}.log"
        environment = os.environ | to_environment(self.kafka) | {
            "LIVETRAP_POSTGRES__URL": self.postgres_url,
            "LIVETRAP_VTP__PORT": str(self.vtp_port),
            "LIVETRAP_ALERT__AUTHORITY": "org.test",
        }  # fmt: skip
        process = start_module(
            *program, environment=environment | settings, log=log, fork=fork, service=service
        )
        self.services.append(ServiceProcess(process, log))
        return self.services[-1]

    def start_and_wait(self, service: str = "alert", **settings: str) -> ServiceProcess:
        started = self.start(service, **settings)
        wait_until(lambda: started.has_logged("service_started"), what=f"start of {service}")
        return started

    def beside(self) -> "AlertSite":
        """Return the same site with a VTP port of its own, for a second process."""
        port = choose_port(None, taken={self.vtp_port})
        return replace(self, vtp_port=port, services=self.services)

    def issue(self, events: Sequence[SourceEvent], *, on_kafka: bool = True) -> list[str]:
        """Store and send alerts as the alert service does; return their ivorns.

        Without `on_kafka` they are stored only, as by a process that died before it sent them.
        """
        alerts = asyncio.run(self._store(events))
        if on_kafka:
            self.send(alerts)
        return [alert.ivorn for alert in alerts]

    def send(self, alerts: Sequence[StoredAlert]) -> None:
        """Send stored alerts to the topic that distribute reads."""
        producer = self._producer()
        for alert in alerts:
            producer.produce(
                self.topics.alerts_voevent, key=alert.trig_id.encode(), value=alert.voevent,
                headers={"ivorn": alert.ivorn},
            )  # fmt: skip
        assert producer.flush(60) == 0

    async def _store(self, events: Sequence[SourceEvent]) -> list[StoredAlert]:
        pool = await asyncpg.create_pool(self.postgres_url, min_size=1, max_size=1)
        async with AlertStore(pool).transaction() as transaction:
            stored = [await transaction.add(build_test_alert(each), {}) for each in events]
        await pool.close()
        return stored

    def _producer(self) -> Producer:
        return Producer(common_config(self.kafka) | {"linger.ms": 0, "log_level": 0})

    def publish(self, values: Iterable[SourceEvent | bytes]) -> None:
        producer = self._producer()
        for value in values:
            data = value if isinstance(value, bytes) else encode_source_event(value)
            producer.produce(self.topics.transients, key=b"night", value=data)
        assert producer.flush(60) == 0

    def send_raw(self, topic: str, value: bytes, *, key: bytes = b"", **headers: str) -> None:
        """Put bytes on a topic."""
        producer = self._producer()
        producer.produce(topic, value, key=key, headers=headers)
        assert producer.flush(60) == 0

    def read(
        self, topic: str, *, isolation: str = "read_committed"
    ) -> list[tuple[bytes, bytes, dict[str, bytes]]]:
        """Return key, value and headers of everything on a topic."""
        consumer = Consumer(
            common_config(self.kafka)
            | {"group.id": "test", "enable.auto.commit": False, "log_level": 0,
               "isolation.level": isolation}
        )  # fmt: skip
        found = []
        for number in consumer.list_topics(topic, 60).topics[topic].partitions:
            partition = TopicPartition(topic, number, 0)
            n_left = _end_of(consumer, partition)
            consumer.assign([partition])
            while n_left:
                batch = consumer.consume(n_left, 60)
                assert batch
                found += [(m.key(), m.value(), dict(m.headers() or [])) for m in batch]
                n_left -= len(batch)
        consumer.close()
        return found

    def count(self, topic: str) -> int:
        """Return how many messages a topic has."""
        consumer = Consumer(common_config(self.kafka) | {"group.id": "test", "log_level": 0})
        numbers = consumer.list_topics(topic, 60).topics[topic].partitions
        n_messages = sum(_end_of(consumer, TopicPartition(topic, each)) for each in numbers)
        consumer.close()
        return n_messages

    def ivorns(self, topic: str, *, isolation: str = "read_committed") -> Counter[str]:
        found = self.read(topic, isolation=isolation)
        return Counter(headers["ivorn"].decode() for _, _, headers in found)

    def fetch(self, query: str) -> list[asyncpg.Record]:
        async def ask() -> list[asyncpg.Record]:
            connection = await asyncpg.connect(self.postgres_url)
            try:
                return list(await connection.fetch(query))
            finally:
                await connection.close()

        return asyncio.run(ask())


def _end_of(consumer: Consumer, partition: TopicPartition) -> int:
    """Return how many messages a partition of a topic has; a new one has no leader at first."""
    no_leader = (
        KafkaError._UNKNOWN_PARTITION,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.LEADER_NOT_AVAILABLE,
    )
    deadline_s = time.monotonic() + 60
    while True:
        try:
            return int(consumer.get_watermark_offsets(partition, timeout=60)[1])
        except KafkaException as error:
            if error.args[0].code() not in no_leader or time.monotonic() > deadline_s:
                raise
        time.sleep(0.1)


def _has_topics(kafka: KafkaSettings) -> bool:
    """Make the topics; on a busy machine the first answer of a new broker may be late."""
    try:
        ensure_topics(kafka)
    except TransientError:
        return False
    return True


@contextmanager
def alert_site(
    kafka: str | KafkaSettings, postgres_url: str, folder: Path, *, partitions: int = 2
) -> Iterator[AlertSite]:
    """Make topics and a database; stop what was started there and drop the database."""
    if isinstance(kafka, str):
        kafka = KafkaSettings(bootstrap_servers=kafka)
    prefix = f"alert_{uuid.uuid4().hex[:12]}."
    own = kafka.model_copy(update={"topic_prefix": prefix, "partitions": partitions})
    wait_until(lambda: _has_topics(own), what="the topics")
    with clone_database(postgres_url, prefix="alert") as url:
        site = AlertSite(own, url, choose_port(None, taken=set()), folder)
        try:
            yield site
        finally:
            for service in site.services:
                service.kill()
