"""A stack of its own that a harness feeds, watches and asks when everything is done."""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from lxml import etree

from livetrap.stack.leftovers import remove_leftovers
from schemas.topics import Topics
from tests.support.default_ports import default_ports_taken
from tests.support.robot import Robot
from tests.support.stack_processes import StackProcesses

__all__ = ["RunningStack", "livetrap", "running_stack", "vtp_robot"]

_ANSWER_S = 20.0
# Nothing has changed for so long, with nothing left to read: the run is over.
_QUIET_S = 10.0
_COUNTS = """
    select (select count(*) from detection), (select count(*) from forced_gap),
        (select count(*) from source_event), (select count(*) from alert),
        (select count(*) from suppressed_event), (select count(*) from image_ledger),
        (select count(*) from delivery where time_acknowledged is not null)
"""
_PENDING = """
    select (select count(*) from outbox)
        + (select count(*) from alert where time_published is null)
"""


@dataclass(frozen=True)
class RunningStack:
    """The addresses of a stack."""

    data_dir: Path
    status: dict[str, Any]

    @property
    def kafka(self) -> str:
        return str(self.status["kafka"])

    @property
    def postgres_url(self) -> str:
        return str(self.status["postgres_url"])

    def processes(self) -> StackProcesses:
        return StackProcesses(self.status["services"]["api"]["pid"])

    def fetch(self, query: str) -> list[asyncpg.Record]:
        return asyncio.run(_fetch(self.postgres_url, query))

    def n_on_kafka(self, topic: str) -> int:
        """Return how many messages a topic has had."""
        with _reader(self.kafka) as consumer:
            metadata = consumer.list_topics(topic, timeout=_ANSWER_S)
            return sum(
                consumer.get_watermark_offsets(TopicPartition(topic, each), timeout=_ANSWER_S)[1]
                for each in metadata.topics[topic].partitions
            )

    def n_booked(self) -> int:
        """Return how many images have an entry in the ledger."""
        return int(self.fetch("select count(*) from image_ledger")[0][0])

    def lag_by_group(self) -> dict[str, int]:
        """Return how many messages each consumer group has not committed yet."""
        admin = AdminClient({"bootstrap.servers": self.kafka, "log_level": 0})
        listed = admin.list_consumer_groups(request_timeout=_ANSWER_S).result()
        groups = [each.group_id for each in listed.valid]
        with _reader(self.kafka) as consumer:
            return {group: _lag(admin, consumer, group) for group in groups}

    def wait_until_booked(self, n_images: int, *, timeout_s: float) -> None:
        """Return when so many images have an entry in the ledger."""
        deadline_s = time.monotonic() + timeout_s
        while (n_booked := self.n_booked()) < n_images:
            if time.monotonic() > deadline_s:
                raise TimeoutError(f"{n_booked} of {n_images} images after {timeout_s:.0f} s")
            time.sleep(0.2)

    def wait_until_done(
        self, *, timeout_s: float, report: Callable[[str], None] = lambda _: None
    ) -> None:
        """Return when every image is booked, nothing waits, and nothing changes any more."""
        deadline_s = time.monotonic() + timeout_s
        last: object = None
        quiet_since_s = time.monotonic()
        while time.monotonic() < deadline_s:
            state, is_idle = self._state()
            if state != last or not is_idle:
                last, quiet_since_s = state, time.monotonic()
            elif time.monotonic() - quiet_since_s > _QUIET_S:
                return
            report(str(state))
            time.sleep(1)
        raise TimeoutError(f"not done after {timeout_s:.0f} s: {self._state()}")

    def _state(self) -> tuple[object, bool]:
        """Return all counts, and whether nothing waits; a server may be away."""
        try:
            n_sent, n_booked = self.n_on_kafka(Topics().images), self.n_booked()
            if n_sent != n_booked:
                # A backlog: the counts below would cost the stack a part of its machine.
                return (n_sent, n_booked), False
            pending = int(self.fetch(_PENDING)[0][0])
            lags = self.lag_by_group()
            counts = tuple(self.fetch(_COUNTS)[0])
        except (OSError, asyncpg.PostgresError, KafkaException, TimeoutError) as error:
            return repr(error), False
        return (counts, pending, lags, n_sent, n_booked), not pending and not any(lags.values())

    def ivorns(self, topic: str, to_ivorn: Callable[[bytes], str]) -> Counter[str]:
        """Return how often each alert is on a topic."""
        with _reader(self.kafka) as consumer:
            partition = TopicPartition(topic, 0, 0)
            _, end = consumer.get_watermark_offsets(partition, timeout=_ANSWER_S)
            consumer.assign([partition])
            found: Counter[str] = Counter()
            while found.total() < end:
                for message in consumer.consume(500, 1.0):
                    assert message.error() is None, message.error()
                    found[to_ivorn(message.value() or b"")] += 1
            return found


def ivorn_of_voevent(packet: bytes) -> str:
    return str(etree.fromstring(packet).get("ivorn"))


def ivorn_of_notice(notice: bytes) -> str:
    return str(json.loads(notice)["ivorn"])


def _lag(admin: AdminClient, consumer: Consumer, group: str) -> int:
    request = [ConsumerGroupTopicPartitions(group)]
    answer = admin.list_consumer_group_offsets(request, request_timeout=_ANSWER_S)
    committed = {
        (each.topic, each.partition): each.offset
        for each in answer[group].result().topic_partitions
    }
    lag = 0
    for topic in {topic for topic, _ in committed}:
        for number in consumer.list_topics(topic, _ANSWER_S).topics[topic].partitions:
            place = TopicPartition(topic, number)
            first, end = consumer.get_watermark_offsets(place, timeout=_ANSWER_S)
            # Of a partition without a committed offset the group has read nothing.
            lag += end - max(first, committed.get((topic, number), first))
    return lag


@contextmanager
def _reader(servers: str) -> Iterator[Consumer]:
    consumer = Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": "harness",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "log_level": 0,
        }
    )
    try:
        yield consumer
    finally:
        consumer.close()


async def _fetch(url: str, query: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(url, timeout=_ANSWER_S)
    try:
        return list(await connection.fetch(query, timeout=_ANSWER_S))
    finally:
        await connection.close()


def livetrap(*arguments: str, environment: Mapping[str, str] | None = None) -> str:
    """Run one command; return what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "livetrap", *arguments],
        capture_output=True, text=True, check=False, env={**os.environ, **(environment or {})},
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"livetrap {' '.join(arguments)}: {done.stdout}{done.stderr}")
    return done.stdout


@contextmanager
def running_stack(
    data_dir: Path, *, extractors: int = 1, settings: Mapping[str, str]
) -> Iterator[RunningStack]:
    """Start the whole service in an empty folder; stop it after.

    The databases that earlier runs have left behind are removed.
    """
    if os.geteuid() == 0:
        remove_leftovers(Path(tempfile.gettempdir()))
    where = ("--data-dir", str(data_dir))
    try:
        with default_ports_taken():
            livetrap(
                "up", "--detach", *where, "--extractors", str(extractors), environment=settings
            )
        yield RunningStack(data_dir, json.loads(livetrap("status", "--json", *where)))
    finally:
        livetrap("down", *where)


@contextmanager
def vtp_robot(port: int, find_host: Callable[[], str] = lambda: "127.0.0.1") -> Iterator[Robot]:
    """Run a VTP subscriber with a name, which comes back whenever it is cut off."""
    robot = Robot()
    thread = threading.Thread(
        target=lambda: asyncio.run(robot.subscribe(port, find_host)), daemon=True
    )
    thread.start()
    try:
        yield robot
    finally:
        robot.is_done = True
        thread.join(10)
