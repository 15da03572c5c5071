"""A flood on the topic of alerts: of bounded memory, and the alerts go on."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from confluent_kafka import Producer

from runtime.kafka.connection import common_config
from tests.support.vtp import VtpClient, transport
from tests.support.vtp_events import alert_packet, source_event
from tests.support.vtp_service import AlertSite, alert_site, wait_until

# Of a megabyte each, and of two kilobytes.
FLOODS = {"large": (b" " * 900_000, 500), "small": (alert_packet(9), 30_000)}
# What a flood may add, with the buffers of two clients of Kafka [bytes].
MOST_BYTES = 300 << 20
N_ALERTS = 5


@pytest.fixture
def site(kafka_bootstrap: str, postgres_url: str, tmp_path: Path) -> Iterator[AlertSite]:
    with alert_site(kafka_bootstrap, postgres_url, tmp_path) as made:
        yield made


@contextmanager
def flooding(site: AlertSite, packet: bytes, n_packets: int) -> Iterator[None]:
    """Put packets on the topic of alerts as fast as Kafka takes them."""
    producer = Producer(common_config(site.kafka) | {"log_level": 0, "linger.ms": 20})

    def flood() -> None:
        for _ in range(n_packets):
            while True:
                try:
                    producer.produce(site.topics.alerts_voevent, packet)
                except BufferError:
                    producer.poll(0.1)
                else:
                    break
        producer.flush(120)

    thread = threading.Thread(target=flood)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def most_bytes(pid: int) -> int:
    """Return the most memory that a process has had so far [bytes]."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (line,) = (each for each in lines if each.startswith("VmHWM:"))
    return int(line.split()[1]) << 10


@pytest.mark.parametrize("kind", FLOODS)
def test_alerts_reach_a_subscriber_once_under_a_flood_and_memory_is_bounded(
    site: AlertSite, kind: str
) -> None:
    service = site.start_and_wait("distribute")
    site.issue([source_event(0)])
    wait_until(lambda: service.has_logged("alert_broadcast"), what="the first alert")
    before = most_bytes(service.process.pid)
    packet, n_packets = FLOODS[kind]
    heard, alerts = asyncio.run(_hear(site, packet, n_packets))
    assert sorted(heard) == sorted(alerts)
    service.assert_alive()
    assert most_bytes(service.process.pid) - before < MOST_BYTES
    # Nothing of the flood is lost in silence.
    dead = site.topics.dead_letters
    wait_until(lambda: site.count(dead) == n_packets, what="the dead letters", timeout_s=300)


async def _hear(site: AlertSite, packet: bytes, n_packets: int) -> tuple[list[str], list[str]]:
    """Issue alerts while packets flood the topic; return what a subscriber heard, and these."""
    client = await VtpClient.connect(site.vtp_port)
    assert await client.receive_role() == "authenticate"
    await client.send(transport("authenticate", response=""))
    await client.send(transport("iamalive"))
    with flooding(site, packet, n_packets):
        alerts = []
        for number in range(1, N_ALERTS + 1):
            alerts += await asyncio.to_thread(site.issue, [source_event(number)])
        heard = await client.receive_events(N_ALERTS)
    await client.aclose()
    return heard, alerts
