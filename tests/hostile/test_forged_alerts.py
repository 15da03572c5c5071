"""Packets that somebody else writes to the topic of alerts, in our name or in another one."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.vtp import VtpClient, transport
from tests.support.vtp_events import alert_packet, ivorn_at, source_event
from tests.support.vtp_service import AlertSite, alert_site, wait_until


@pytest.fixture
def site(kafka_bootstrap: str, postgres_url: str, tmp_path: Path) -> Iterator[AlertSite]:
    with alert_site(kafka_bootstrap, postgres_url, tmp_path) as made:
        yield made


def test_a_forged_packet_goes_to_nobody_and_the_alerts_around_it_do(site: AlertSite) -> None:
    service = site.start_and_wait("distribute")
    before = site.issue([source_event(0)])
    wait_until(lambda: service.has_logged("alert_broadcast"), what="the first alert")
    (genuine,) = (row["voevent"] for row in site.fetch("select voevent from alert"))
    forged = {
        "in our name": (alert_packet(9), ivorn_at(9)),
        "of another": (alert_packet(9, authority="org.else"), ivorn_at(9, authority="org.else")),
        "with the name of an alert": (alert_packet(9), before[0]),
        "an alert with more in it": (genuine.replace(b"</Why>", b"<Name>a</Name></Why>"), ""),
        "a name that no column takes": (alert_packet(9), "ivo://org.test/\x01\ud7ff"),
    }
    heard, after = asyncio.run(_hear(site, [*forged.values()]))
    assert heard == after
    letters = site.read(site.topics.dead_letters)
    assert [headers["reason"] for _, _, headers in letters] == [b"unknown_alert"] * len(forged)
    assert [value for _, value, _ in letters] == [packet for packet, _ in forged.values()]


async def _hear(site: AlertSite, forged: list[tuple[bytes, str]]) -> tuple[list[str], list[str]]:
    """Send forged packets and alerts; return what a subscriber heard, and the alerts."""
    client = await VtpClient.connect(site.vtp_port)
    assert await client.receive_role() == "authenticate"
    await client.send(transport("authenticate", response=""))
    await client.send(transport("iamalive"))
    alerts: list[str] = []
    for number, (packet, name) in enumerate(forged, start=1):
        site.send_raw(site.topics.alerts_voevent, packet, ivorn=name)
        alerts += await asyncio.to_thread(site.issue, [source_event(number)])
    heard = await client.receive_events(len(alerts))
    await client.aclose()
    await asyncio.to_thread(
        wait_until,
        lambda: len(site.read(site.topics.dead_letters)) == len(forged),
        what="the dead letters",
    )
    return heard, alerts
