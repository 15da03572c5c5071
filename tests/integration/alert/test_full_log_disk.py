"""Alerts go out of services whose every line of log is refused by a full disk."""

import asyncio
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from livetrap.stack.ports import choose_port
from schemas.messages import SourceEvent
from services.alert.steps.facts import name_alert
from tests.support.fits_images import make
from tests.support.vtp import VtpClient, transport
from tests.support.vtp_events import source_event
from tests.support.vtp_service import AlertSite, ServiceProcess, alert_site, wait_until

SERVICES = ("alert", "distribute")


@pytest.fixture
def site(kafka_bootstrap: str, postgres_url: str, tmp_path: Path) -> Iterator[AlertSite]:
    with alert_site(kafka_bootstrap, postgres_url, tmp_path) as made:
        yield made


def ivorn(event: SourceEvent) -> str:
    return name_alert(event, "org.test", 0).ivorn


async def connect(port: int) -> VtpClient:
    """Return a subscriber as soon as the port is open."""
    async with asyncio.timeout(120):
        while True:
            try:
                return await VtpClient.connect(port)
            except OSError:
                await asyncio.sleep(0.05)


async def hear(site: AlertSite, events: list[SourceEvent]) -> list[str]:
    """Publish events; return the alerts that a subscriber gets."""
    subscriber = await connect(site.vtp_port)
    assert await subscriber.receive_role() == "authenticate"
    await subscriber.send(transport("authenticate", response=""))
    await asyncio.to_thread(site.publish, [*events, b"a dead letter, which is logged"])
    heard = await subscriber.receive_events(len(events), timeout_s=120)
    await subscriber.aclose()
    return heard


def test_alerts_go_out_although_no_line_can_be_logged(site: AlertSite) -> None:
    for number, service in enumerate(SERVICES):
        (site.folder / f"{service}-{number}.log").symlink_to("/dev/full")
    running = [site.start(service) for service in SERVICES]
    events = [source_event(number) for number in range(20)]
    assert Counter(asyncio.run(hear(site, events))) == Counter(map(ivorn, events))
    wait_until(
        lambda: site.ivorns(site.topics.alerts_gcn) == Counter(map(ivorn, events)), what="alerts"
    )
    assert [each.process.poll() for each in running] == [None, None]
    assert [each.terminate() for each in running] == [0, 0]


def start_without_log(site: AlertSite, service: str, **settings: str) -> ServiceProcess:
    (site.folder / f"{service}-{len(site.services)}.log").symlink_to("/dev/full")
    return site.start(service, **settings)


def test_images_are_stored_although_no_line_can_be_logged(site: AlertSite) -> None:
    own = {
        "LIVETRAP_STATE_DIR": str(site.folder / "state"),
        "LIVETRAP_ASSOCIATE__FIRST_TIMESTEP_WAIT_S": "0.1",
    }
    running = [start_without_log(site, each, **own) for each in ("extract", "associate")]
    site.send_raw(site.topics.images, b"a dead letter, which is logged", key=b"one")
    site.send_raw(site.topics.images, make(), key=b"one")

    def verdicts() -> list[str]:
        return sorted(row["verdict"] for row in site.fetch("select verdict from image"))

    wait_until(lambda: verdicts() == ["accepted", "rejected"], what="both images")
    wait_until(lambda: len(site.read(site.topics.dead_letters)) == 1, what="the dead letter")
    assert [each.process.poll() for each in running] == [None, None]
    assert [each.terminate() for each in running] == [0, 0]


def test_the_api_answers_although_no_line_can_be_logged(site: AlertSite) -> None:
    port = choose_port(None, taken={site.vtp_port})
    service = start_without_log(site, "api", LIVETRAP_API__PORT=str(port))

    def ask(path: str) -> int:
        assert service.process.poll() is None
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except urllib.error.URLError:  # it does not listen yet
            return 0

    wait_until(lambda: ask("/readyz") == 200, what="the API")
    for _ in range(20):
        assert ask("/api/v1/transients") == 200
        assert ask("/api/v1/transients/999999999") == 404
        assert ask("/api/v1/transients?limit=x") in {400, 422}
    assert service.terminate() == 0
