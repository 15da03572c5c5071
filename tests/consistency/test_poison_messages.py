"""Messages that kill or hang a service: three attempts each, then a dead letter; all else goes on.

A process that is killed while it waits for PostgreSQL is no attempt.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import asyncpg
import psutil
import pytest

from schemas.codec import decode_image_detections, encode_image_detections
from schemas.messages import SourceOffset
from tests.support import vtp_service
from tests.support.archive_site import archive_site
from tests.support.fits_images import make
from tests.support.records import image
from tests.support.robot import Robot, robot_at
from tests.support.vtp_events import source_event
from tests.support.vtp_service import AlertSite, ServiceProcess, alert_site

pytestmark = pytest.mark.timeout(900)

TIMEOUT_S = "2"
# Several starts of a service, on a machine that may be busy.
wait_until = partial(vtp_service.wait_until, timeout_s=240)
WAITING = (
    "select 1 from pg_stat_activity where datname = current_database() "
    "and wait_event_type = 'Lock' and application_name = 'livetrap-associate'"
)
END_WAITING = (
    "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() "
    "and wait_event_type = 'Lock' and application_name = 'livetrap-associate'"
)


@pytest.fixture
def site(kafka_bootstrap: str, postgres_url: str, tmp_path: Path) -> Iterator[AlertSite]:
    with alert_site(kafka_bootstrap, postgres_url, tmp_path) as made:
        yield made


@pytest.fixture
def robot(site: AlertSite) -> Iterator[Robot]:
    with robot_at(site.vtp_port) as made:
        yield made


def start(site: AlertSite, service: str, **settings: str) -> ServiceProcess:
    """Start a service that comes back whenever it ends."""
    own = {
        "LIVETRAP_STATE_DIR": str(site.folder / "state"),
        "LIVETRAP_KAFKA__INSTANCE_ID": service,
        f"LIVETRAP_{service.upper()}__TIMEOUT_S": TIMEOUT_S,
    }
    return site.start(service, module="tests.support.poisoned", **own, **settings)


def dead_letters(site: AlertSite) -> Counter[tuple[str, str]]:
    """Return how many messages or files have a dead letter, by service and reason.

    One may have two: a process that ends soon after it has not committed its offset.
    """
    names = ("service", "reason", "topic", "partition", "offset")
    found = {
        (*(headers[name].decode() for name in names), headers.get("file"))
        for _, _, headers in site.read(site.topics.dead_letters)
    }
    return Counter((service, reason) for service, reason, *_ in found)


def n_killed(site: AlertSite, service: str) -> int:
    return dead_letters(site)[service, "killed_the_process"]


def n_ended(service: ServiceProcess) -> int:
    return service.log.read_text().count('"process_ended"')


def kill_child(service: ServiceProcess) -> None:
    """Kill the service, not the process that starts it again."""
    (child,) = psutil.Process(service.process.pid).children()
    child.kill()


@contextmanager
def locked(url: str, table: str) -> Iterator[None]:
    """Let everybody wait who reads or writes a table."""
    with asyncio.Runner() as runner:
        connection = runner.run(asyncpg.connect(url))
        runner.run(connection.execute(f"begin; lock table {table}"))
        try:
            yield
        finally:
            runner.run(connection.close())


def test_extract_rejects_an_image_that_ended_three_processes(site: AlertSite) -> None:
    service = start(site, "extract")
    for number, stream in enumerate(("good", "kills", "hangs", "good")):
        # One key, so one partition: they are handled in this order.
        value = make(**{"DATE-OBS": f"2026-01-01T00:00:{number:02d}"})
        site.send_raw(site.topics.images, value, key=b"one", stream=stream)

    def reasons() -> dict[int, tuple[str, ...]]:
        records = site.read(site.topics.detections)
        decoded = [decode_image_detections(value) for _, value, _ in records]
        return {each.source.offset: each.reasons for each in decoded}

    wait_until(lambda: len(reasons()) == 4, what="a record an image")
    killed = ("killed_the_process",)
    assert reasons() == {0: (), 1: killed, 2: killed, 3: ()}
    assert n_killed(site, "extract") == 2
    assert n_ended(service) == 6


def test_ingest_rejects_a_file_that_ended_three_processes(site: AlertSite, tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    for number, mark in enumerate(("good", "kills", "hangs", "fine")):
        cards = {"DATE-OBS": f"2026-01-01T00:00:{number:02d}", "OBJECT": f"MARK/{mark}"}
        (inbox / f"{mark}.fits").write_bytes(make(**cards))
    service = start(site, "ingest", LIVETRAP_INGEST__INBOX=str(inbox))

    def names(folder: str) -> list[str]:
        return sorted(path.stem for path in (inbox / folder).glob("*.fits"))

    wait_until(lambda: names("") == [], what="the end of each file")
    assert names("published") == ["fine", "good"]
    assert names("rejected") == ["hangs", "kills"]
    assert n_killed(site, "ingest") == 2
    assert n_ended(service) == 6
    # A file before one that ends processes is sent with each, and known by its bytes.
    images = {headers["image-id"] for _, _, headers in site.read(site.topics.images)}
    assert len(images) == 2


def test_archive_books_an_image_that_ended_three_processes(
    kafka_bootstrap: str, postgres_url: str, tmp_path: Path
) -> None:
    with archive_site(kafka_bootstrap, postgres_url, tmp_path) as archive:
        own = {"LIVETRAP_ARCHIVE__URL": str(archive.folder)}
        service = start(archive.site, "archive", **own)
        sent = [archive.send(ORIGIN=f"MARK/{mark}") for mark in ("good", "kills", "hangs", "fine")]
        rows = archive.wait_for_rows(*sent)
        reasons = [row["gone_reason"] for row in rows]
        assert reasons == [None, "killed_the_process", "killed_the_process", None]
        assert len(archive.files()) == 2
        assert n_ended(service) == 6


def test_associate_rejects_an_image_that_ended_three_processes(site: AlertSite) -> None:
    service = start(
        site, "associate", LIVETRAP_ASSOCIATE__FIRST_TIMESTEP_WAIT_S="0.1",
        LIVETRAP_ASSOCIATE__WINDOW_TIMEOUT_S="0.5",
    )  # fmt: skip
    streams = ("good", "kills", "hangs", "read-kills", "read-hangs", "fine")
    for number, stream in enumerate(streams):
        source = SourceOffset("cluster", "images-v1", 0, number)
        record = replace(image(0, [(123.0, 10.0)], stream=stream), source=source)
        # As extract does: a record that cannot be read is booked in the stream of its key.
        value = encode_image_detections(record)
        site.send_raw(site.topics.detections, value, key=stream.encode())
    query = "select stream, outcome from image_ledger"
    wait_until(lambda: len(site.fetch(query)) == 6, what="all images in the ledger")
    assert {row["stream"]: row["outcome"] for row in site.fetch(query)} == {
        "good": "processed", "fine": "processed", "kills": "rejected", "hangs": "rejected",
        "read-kills": "rejected", "read-hangs": "rejected",
    }  # fmt: skip
    assert n_killed(site, "associate") == 4
    assert n_ended(service) == 12


def test_alert_rejects_an_event_that_ended_three_processes(site: AlertSite) -> None:
    service = start(site, "alert")
    streams = ("good", "kills", "good", "hangs", "good")
    site.publish([source_event(number, stream=name) for number, name in enumerate(streams)])
    wait_until(lambda: len(site.read(site.topics.alerts_gcn)) == 3, what="the good alerts")
    wait_until(lambda: n_killed(site, "alert") == 2, what="two dead letters")
    assert len(site.read(site.topics.alerts_voevent)) == 3
    # One fewer where both were in a batch that ended a process.
    assert n_ended(service) in {5, 6}


def test_distribute_rejects_an_alert_that_ended_three_processes(
    site: AlertSite, robot: Robot, tmp_path: Path
) -> None:
    service = start(site, "distribute", **robot.settings(tmp_path))
    wait_until(lambda: len(site.fetch("select 1 from subscriber")) == 2, what="the robot")
    # It reads from the end of the topic on; a dead letter shows that it is there again.
    poison: list[str] = []
    for number, stream in enumerate(("kills", "hangs")):
        poison += site.issue([source_event(number, stream=stream, salt="poison")])
        wait_until(lambda n=number: n_killed(site, "distribute") == n + 1, what="a dead letter")
    assert n_ended(service) == 6

    streams = ("good", "webhook-kills", "webhook-hangs", "good")
    issued = site.issue([source_event(number, stream=name) for number, name in enumerate(streams)])
    good = [*poison, issued[0], issued[-1]]  # to a webhook, which nothing ends
    wait_until(lambda: set(robot.posted) == set(good), what="the good alerts")
    wait_until(lambda: set(issued) <= set(robot.heard), what="all alerts by VTP")
    assert n_ended(service) == 12


def test_who_waits_for_the_database_may_be_killed(site: AlertSite) -> None:
    """Four times, which would be one too many for a message that ends its processes."""
    service = start(site, "associate", LIVETRAP_ASSOCIATE__FIRST_TIMESTEP_WAIT_S="0.1")
    with locked(site.postgres_url, "timestep"):
        record = image(0, [(123.0, 10.0)], stream="good")
        site.send_raw(site.topics.detections, encode_image_detections(record), key=b"one")
        for kill in range(4):
            wait_until(
                lambda: site.fetch(WAITING),
                what="the associator at the lock",
            )
            kill_child(service)
            wait_until(lambda n=kill: n_ended(service) == n + 1, what="its end")
            # The session of a process that is gone still waits for the lock.
            site.fetch(END_WAITING)
    wait_until(lambda: site.fetch("select 1 from image"), what="the image")
    assert [row["outcome"] for row in site.fetch("select outcome from image_ledger")] == [
        "processed"
    ]
    assert dead_letters(site) == Counter()
