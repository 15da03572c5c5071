"""What services do while an installation starts or changes: they wait, say so, and go on."""

import asyncio
import itertools
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest
from confluent_kafka import Producer

from livetrap.database.migrations import migrate
from livetrap.stack.ports import choose_port
from runtime.kafka import ensure_topics
from runtime.settings import KafkaSettings
from schemas.codec import encode_image_detections
from schemas.messages import ImageDetections, SourceOffset
from tests.support.databases import clone_database, execute, replace_database
from tests.support.records import image
from tests.support.vtp_service import AlertSite, ServiceProcess, wait_until

STREAMS = ("night-a", "night-b", "night-c", "night-d")
N_SOURCES = 6
OFFSETS = itertools.count()
# There are no pixels to look back at, and nothing waits for another band.
ALONE = {
    "LIVETRAP_ASSOCIATE__LOOKBACK_IMAGES": "0",
    "LIVETRAP_ASSOCIATE__FIRST_TIMESTEP_WAIT_S": "0.1",
}


@contextmanager
def site_on(kafka_bootstrap: str, postgres_url: str, folder: Path) -> Iterator[AlertSite]:
    kafka = KafkaSettings(
        bootstrap_servers=kafka_bootstrap,
        topic_prefix=f"rollout_{uuid.uuid4().hex[:12]}.",
        partitions=len(STREAMS),
    )
    ensure_topics(kafka)
    site = AlertSite(kafka, postgres_url, choose_port(None, taken=set()), folder)
    try:
        yield site
    finally:
        for service in site.services:
            service.kill()


@pytest.fixture
def site(kafka_bootstrap: str, postgres_server_url: str, tmp_path: Path) -> Iterator[AlertSite]:
    with (
        clone_database(postgres_server_url, prefix="rollout") as url,
        site_on(kafka_bootstrap, url, tmp_path) as made,
    ):
        yield made


@pytest.fixture
def empty_site(
    kafka_bootstrap: str, postgres_server_url: str, tmp_path: Path
) -> Iterator[AlertSite]:
    """A site whose database `livetrap migrate` has not seen."""
    name = f"rollout_{uuid.uuid4().hex[:12]}"
    server = replace_database(postgres_server_url, "postgres")
    execute(server, f"create database {name}")
    try:
        url = replace_database(postgres_server_url, name)
        with site_on(kafka_bootstrap, url, tmp_path) as made:
            yield made
    finally:
        execute(server, f"drop database {name} with (force)")


@dataclass(frozen=True)
class Pod:
    """A process with the port of its probes."""

    service: ServiceProcess
    port: int

    def ask(self, path: str) -> int:
        """Return the status of a probe; 0 if nothing listens yet."""
        assert self.service.process.poll() is None, self.service.log.read_text()[-3000:]
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{self.port}{path}", timeout=60
            ) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            error.close()
            return error.code
        except OSError:
            return 0

    def text(self, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=60) as answer:
            return str(answer.read().decode())


def start(site: AlertSite, name: str, **settings: str) -> Pod:
    port = choose_port(None, taken={site.vtp_port})
    kind = "API" if name == "api" else "METRICS"
    own = {f"LIVETRAP_{kind}__PORT": str(port)} | settings
    return Pod(site.start(name, **own), port)


def wait_for(pod: Pod, path: str, status: int) -> None:
    wait_until(lambda: pod.ask(path) == status, what=f"{status} at {path}", timeout_s=120)


def send(site: AlertSite, *records: ImageDetections) -> None:
    producer = Producer({"bootstrap.servers": site.bootstrap, "partitioner": "murmur2_random"})
    for record in records:
        # As extract does: each record names the message of its image.
        source = SourceOffset("test", site.topics.images, 0, next(OFFSETS))
        value = encode_image_detections(replace(record, source=source))
        producer.produce(site.topics.detections, value, key=record.stream.encode())
    assert producer.flush(60) == 0


def n_booked(site: AlertSite) -> int:
    return int(site.fetch("select count(*) from image_ledger")[0][0])


def test_services_wait_for_the_schema_and_go_on_without_a_restart(empty_site: AlertSite) -> None:
    names = ("associate", "alert", "distribute", "api")
    pods = {name: start(empty_site, name) for name in names}
    for name, pod in pods.items():
        wait_for(pod, "/healthz", 200)
        wait_until(
            lambda pod=pod: "livetrap migrate" in pod.service.log.read_text(),
            what=f"{name} to say what it waits for", timeout_s=120,
        )  # fmt: skip
        assert pod.ask("/readyz") == 503
        # Not at every attempt; once more where a connection was slow meanwhile.
        assert pod.service.log.read_text().count("livetrap migrate") <= 2, name
    migrate(empty_site.postgres_url)
    for pod in pods.values():
        wait_for(pod, "/readyz", 200)


def test_a_service_says_what_it_started_with(site: AlertSite) -> None:
    pods = {name: start(site, name) for name in ("extract", "associate", "alert", "distribute")}
    for name, pod in pods.items():
        wait_for(pod, "/readyz", 200)
        [started] = [line for line in pod.service.lines() if line["event"] == "service_started"]
        assert started["version"] == version("livetrap")
        assert len(started["settings_digest"]) == 12, name
    for name in ("extract", "associate"):
        wait_until(
            lambda name=name: pods[name].service.has_logged("partitions_assigned"),
            what=f"the partitions of {name}",
        )


def test_a_second_alert_process_is_ready_and_does_not_lead(site: AlertSite) -> None:
    pods = [start(site.beside(), "alert", LIVETRAP_KAFKA__INSTANCE_ID=each) for each in "ab"]
    for pod in pods:
        wait_for(pod, "/readyz", 200)

    def n_leaders() -> int:
        return sum(pod.text("/metrics").count("\nlivetrap_alert_leads 1.0") for pod in pods)

    wait_until(lambda: n_leaders() == 1, what="one leader", timeout_s=120)


def end_sessions(site: AlertSite, *, read_only: bool) -> None:
    """Change the database as a primary that is demoted, or takes over again."""
    name = urlsplit(site.postgres_url).path.lstrip("/")

    async def run() -> None:
        connection = await asyncpg.connect(replace_database(site.postgres_url, "postgres"))
        value = "on" if read_only else "off"
        await connection.execute(
            f"alter database {name} set default_transaction_read_only = {value}"
        )
        await connection.fetch(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1::text", name
        )
        await connection.close()

    asyncio.run(run())


def test_associate_survives_a_database_that_is_read_only_for_a_while(site: AlertSite) -> None:
    pod = start(site, "associate", **ALONE)
    wait_for(pod, "/readyz", 200)
    send(site, image(0, stream=STREAMS[0]))
    wait_until(lambda: n_booked(site) == 1, what="the first image", timeout_s=120)
    end_sessions(site, read_only=True)
    send(site, image(1, stream=STREAMS[0]))
    wait_until(
        lambda: "ReadOnlySQLTransactionError" in pod.service.log.read_text(),
        what="the outage", timeout_s=120,
    )  # fmt: skip
    assert pod.ask("/healthz") == 200
    assert n_booked(site) == 1
    end_sessions(site, read_only=False)
    wait_until(lambda: n_booked(site) == 2, what="the second image", timeout_s=120)


def events(site: AlertSite) -> list[bytes]:
    return [value for _, value, _ in site.read(site.topics.transients)]


def test_two_associators_relay_each_event_once(site: AlertSite) -> None:
    pods = [
        start(site, "associate", LIVETRAP_KAFKA__INSTANCE_ID=each, **ALONE) for each in ("a", "b")
    ]
    for pod in pods:
        wait_for(pod, "/readyz", 200)
    positions = [(122.0 + 0.3 * number, 10.0) for number in range(N_SOURCES)]
    send(site, *(image(0, stream=each) for each in STREAMS))
    wait_until(
        lambda: n_booked(site) == len(STREAMS), what="the images that show nothing", timeout_s=120
    )
    send(site, *(image(1, positions, stream=each) for each in STREAMS))
    n_events = N_SOURCES * len(STREAMS)
    wait_until(
        lambda: len(set(events(site))) == n_events,
        what="every event", timeout_s=120,
    )  # fmt: skip
    wait_until(
        lambda: site.fetch("select count(*) from outbox")[0][0] == 0, what="an empty outbox"
    )
    assert len(events(site)) == n_events
