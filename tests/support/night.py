"""A whole simulated night through a whole real stack, driven as a user drives it."""

import asyncio
import csv
import os
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import numpy as np
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from livetrap.operator.status import get_status
from livetrap.stack.lifecycle import stop
from livetrap.stack.ports import choose_port
from runtime.dead_letter_topic import describe, read_newest
from runtime.settings import KafkaSettings
from schemas.topics import Topics
from tests.support.databases import clone_database
from tests.support.forked import ForkedProcess, can_fork
from tests.support.forked_stack import start_forked
from tests.support.polling import Pause

# Events wait for the answers to looks back, however long a fault lasts: what is announced
# follows from the images.
LONG_WAIT = {"LIVETRAP_ASSOCIATE__LOOKBACK_WAIT_MS": "3600000"}
LIVETRAP = [sys.executable, "-m", "livetrap"]
_LOG_TAIL_BYTES = 6000
# Making a client takes 20 ms of CPU time; the API at the other end may be another each time.
_CLIENT = httpx.Client(timeout=60, limits=httpx.Limits(max_keepalive_connections=0))


@dataclass(frozen=True)
class Stack:
    """A running stack and the addresses of its parts."""

    data_dir: Path
    status: dict[str, Any]
    topics: Topics = field(default=Topics())

    @property
    def api(self) -> str:
        return f"{self.status['api_url'].rstrip('/')}/api/v1"

    def refresh(self) -> dict[str, Any]:
        """Return what `livetrap status` prints; a command of its own takes a second to start."""
        return dict(get_status(self.data_dir))

    def get(self, path: str, **params: Any) -> Any:
        answer = _CLIENT.get(f"{self.api}/{path}", params=params)
        answer.raise_for_status()
        return answer.json()

    def alerts(self) -> list[dict[str, Any]]:
        return list(self.get("alerts", limit=500)["items"])

    def n_undecided(self) -> int:
        """Return how many looks, events and messages the service has yet to deal with."""
        return sum(self._undecided().values())

    def _undecided(self) -> Counter[str]:
        waiting = asyncio.run(_count_waiting(self.status["postgres_url"]))
        return waiting + Counter({"unread events": self._n_unread_events()})

    def wait_until_decided(self) -> None:
        """Wait for the last decision; each question makes two clients.

        Raises
        ------
        AssertionError
            If it does not come: how much waits, and where.
        """
        last: Counter[str] = Counter()

        def is_decided() -> bool:
            last.clear()
            last.update(self._undecided())
            return not last.total()

        try:
            wait_for(is_decided, what="the last decision", every_s=1.0)
        except AssertionError as error:
            raise AssertionError(f"{error}; waiting: {dict(last)}") from None

    def _n_unread_events(self) -> int:
        """Return how many events the alert service has not dealt with."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.status["kafka"],
                "group.id": f"{self.topics.prefix}livetrap-alert",
                "enable.auto.commit": False,
            }
        )
        try:
            known = consumer.list_topics(self.topics.transients, timeout=60).topics
            partitions = [
                TopicPartition(self.topics.transients, each)
                for each in known[self.topics.transients].partitions
            ]
            committed = consumer.committed(partitions, timeout=60)
            return sum(
                consumer.get_watermark_offsets(each, timeout=60)[1] - max(each.offset, 0)
                for each in committed
            )
        finally:
            consumer.close()

    def outcomes(self, stream: str | None = None) -> dict[str, int]:
        """Return how many images, of one stream or of all, had which outcome."""
        ledger = self.get("ledger")
        of_stream = {each["stream"]: each["outcomes"] for each in ledger["streams"]}
        return dict(ledger["outcomes"] if stream is None else of_stream.get(stream, {}))

    def n_in_ledger(self, stream: str | None = None) -> int:
        """Return how many images had an outcome."""
        return sum(self.outcomes(stream).values())


def run(*arguments: str, timeout_s: float = 600, expect: int = 0) -> str:
    """Run one `livetrap` command and return what it printed."""
    done = subprocess.run(
        [*LIVETRAP, *arguments], capture_output=True, text=True, timeout=timeout_s, check=False
    )
    assert done.returncode == expect, (
        f"livetrap {' '.join(arguments)} -> {done.returncode}\n{done.stdout}\n{done.stderr}"
    )
    return done.stdout


def run_forked(*arguments: str, expect: int = 0) -> str:
    """Do what `run` does without a new interpreter, for the work that a test is not about."""
    done = run_process(*arguments)
    assert done.returncode == expect, f"{arguments} -> {done}"
    return done.stdout


def run_process(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run one `livetrap` command in a process of its own, which is forked where that is possible.

    Parameters
    ----------
    *arguments : str
        Its command line.
    **settings : str
        Variables beside those of this process.
    """
    environment = os.environ | settings
    if not can_fork():
        return subprocess.run(
            [*LIVETRAP, *arguments], env=environment, capture_output=True, text=True, timeout=600,
            check=False,
        )  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="livetrap-test-") as folder:
        output, errors = Path(folder) / "output", Path(folder) / "errors"
        process = ForkedProcess(
            "livetrap", arguments, environment=environment, log=output, errors=errors
        )
        code = process.wait(600)
        return subprocess.CompletedProcess(arguments, code, output.read_text(), errors.read_text())


def start_stack(data_dir: Path, *options: str) -> None:
    """Run `livetrap up --detach`."""
    run("up", "--detach", "--data-dir", str(data_dir), *options)


@dataclass(frozen=True)
class RunServers:
    """The Kafka and the PostgreSQL of the test run, for stacks that do not kill theirs."""

    kafka: str
    postgres_url: str

    @contextmanager
    def stack(self, **settings: str) -> Iterator[Stack]:
        """Start the services on topics and a database of their own; stop and remove them."""
        with clone_database(self.postgres_url, prefix="stack") as url:
            own = {
                "LIVETRAP_KAFKA__BOOTSTRAP_SERVERS": self.kafka,
                "LIVETRAP_KAFKA__TOPIC_PREFIX": f"stack_{uuid.uuid4().hex[:12]}.",
                "LIVETRAP_POSTGRES__URL": url,
            }
            with running_stack(**own, **settings) as stack:
                yield stack


_WAITING = """
    select (select count(*) from look_back where verdict is null) as look_back,
        (select count(*) from waiting_timestep where source_ids <> '{}') as waiting_timestep,
        (select count(*) from outbox) as outbox
"""


async def _count_waiting(postgres_url: str) -> Counter[str]:
    connection = await asyncpg.connect(postgres_url)
    try:
        return Counter(dict(await connection.fetchrow(_WAITING)))
    finally:
        await connection.close()


def _print_logs(folder: Path) -> None:
    """Print how each log ends: a failure on another machine must be understood from here."""
    for path in sorted(folder.glob("*.log")):
        with path.open("rb") as file:
            file.seek(max(path.stat().st_size - _LOG_TAIL_BYTES, 0))
            sys.stderr.write(f"== {path.name}\n{file.read().decode(errors='replace')}\n")


@contextmanager
def running_stack(**settings: str) -> Iterator[Stack]:
    """Start the whole service in an empty folder; stop it and remove the folder."""
    data_dir = Path(tempfile.mkdtemp(prefix="livetrap-test-"))
    before = dict(os.environ)
    taken: set[int] = set()
    ports = {
        f"LIVETRAP_{name}__PORT": str(choose_port(None, taken=taken)) for name in ("API", "VTP")
    }
    os.environ.update(ports | settings)
    topics = Topics(settings.get("LIVETRAP_KAFKA__TOPIC_PREFIX", ""))
    try:
        start_forked(data_dir)
        yield Stack(data_dir, dict(get_status(data_dir)), topics)
    except BaseException:
        _print_logs(data_dir / "logs")
        raise
    finally:
        stop(data_dir)
        os.environ.clear()
        os.environ.update(before)
        shutil.rmtree(data_dir, ignore_errors=True)


def publish(stack: Stack, topic: str, values: list[bytes], **headers: str) -> None:
    """Put bytes on a topic as a telescope does that has no `livetrap ingest`."""
    producer = Producer(
        {"bootstrap.servers": stack.status["kafka"], "message.max.bytes": 100_000_000}
    )
    for value in values:
        producer.produce(
            topic, value, headers=[(name, text.encode()) for name, text in headers.items()]
        )
    assert producer.flush(60) == 0


def dead_letters(stack: Stack) -> list[dict[str, str | int]]:
    """Return the dead letters as `livetrap dead-letters list` prints them, oldest first."""
    kafka = KafkaSettings(
        bootstrap_servers=stack.status["kafka"], topic_prefix=stack.topics.prefix
    )
    return [describe(each) for each in read_newest(kafka)]


def wait_for(
    condition: Callable[[], Any], *, what: str, timeout_s: float = 300, every_s: float = 0.3
) -> Any:
    """Return the first true answer of `condition`."""
    deadline_s = time.monotonic() + timeout_s
    pause = Pause(every_s)
    answer = None
    while time.monotonic() < deadline_s:
        try:
            answer = condition()
        except (httpx.HTTPError, KafkaException) as error:  # it may have been killed just now
            answer = None
            last = repr(error)
        else:
            last = repr(answer)
        if answer:
            return answer
        pause.sleep()
    raise AssertionError(f"waited {timeout_s} s for {what}; last: {last}")


def ivorns_on_kafka(stack: Stack) -> list[str]:
    """Return the ivorn of every packet on the alert topic, from the first on."""
    consumer = Consumer(
        {
            "bootstrap.servers": stack.status["kafka"],
            "group.id": "test",
            "enable.auto.commit": False,
        }
    )
    topic = stack.topics.alerts_voevent
    try:
        _, end = consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=60)
        consumer.assign([TopicPartition(topic, 0, 0)])
        ivorns: list[str] = []
        while len(ivorns) < end:
            messages = consumer.consume(end - len(ivorns), 5)
            ivorns.extend(dict(message.headers())["ivorn"].decode() for message in messages)
    finally:
        consumer.close()
    return ivorns


def ivorns_of(alerts: list[dict[str, Any]]) -> list[str]:
    return [alert["ivorn"] for alert in alerts]


def published(stack: Stack, n_least: int = 1) -> list[dict[str, Any]] | None:
    """Return the alerts once there are enough, and each is on Kafka once."""
    alerts = stack.alerts()
    is_published = Counter(ivorns_on_kafka(stack)) == Counter(ivorns_of(alerts))
    return alerts if is_published and len(alerts) >= n_least else None


def read_truth(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(line for line in file if not line.startswith("#")))


def separation_arcsec(ra1: float, dec1: float, ra2: float, dec2: float) -> float:
    """Return the angle between two positions (Vincenty-free haversine)."""
    ra1, dec1, ra2, dec2 = np.radians([ra1, dec1, ra2, dec2])
    half = np.sin((dec2 - dec1) / 2) ** 2 + np.cos(dec1) * np.cos(dec2) * (
        np.sin((ra2 - ra1) / 2) ** 2
    )
    return float(np.degrees(2 * np.arcsin(np.sqrt(half))) * 3600)
