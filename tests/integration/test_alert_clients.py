"""Kafka clients that others wrote: gcn-kafka and hop-client, pointed at our broker."""

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import voeventparse as vp

from services.alert.steps.facts import name_alert
from tests.support.vtp_events import source_event
from tests.support.vtp_service import AlertSite, alert_site, wait_until

N = 12

GCN = """
import sys
from gcn_kafka import Consumer
bootstrap, topic, n = sys.argv[1], sys.argv[2], int(sys.argv[3])
consumer = Consumer(
    config={"bootstrap.servers": bootstrap, "security.protocol": "plaintext",
            "auto.offset.reset": "earliest"}
)
consumer.subscribe([topic])
while n:
    for message in consumer.consume(n, timeout=1):
        assert message.error() is None, message.error()
        print(message.value().decode().replace("\\n", " "), flush=True)
        n -= 1
consumer.close()
"""

HOP = """
import sys
from hop.io import StartPosition, Stream
bootstrap, topic, n = sys.argv[1], sys.argv[2], int(sys.argv[3])
stream = Stream(auth=False, start_at=StartPosition.EARLIEST)
with stream.open(f"kafka://{bootstrap}/{topic}", "r") as source:
    for message in source:
        print(type(message).__name__, message.ivorn if hasattr(message, "ivorn")
              else message.content["ivorn"], flush=True)
        n -= 1
        if not n:
            break
"""


@pytest.fixture
def site(kafka_bootstrap: str, postgres_url: str, tmp_path: Path) -> Iterator[AlertSite]:
    with alert_site(kafka_bootstrap, postgres_url, tmp_path) as made:
        yield made


@pytest.fixture
def night(site: AlertSite) -> list[str]:
    """Send alerts; return their ivorns."""
    site.start_and_wait()
    made = [source_event(number) for number in range(N)]
    site.publish(made)
    wait_until(lambda: len(site.read(site.topics.alerts_gcn)) == N, what="alerts")
    time.sleep(0.5)
    return [name_alert(event, "org.test", 0).ivorn for event in made]


def listen(program: str, site: AlertSite, topic: str) -> list[str]:
    """Run a client as its users do, in a process of its own; return the lines it prints."""
    done = subprocess.run(
        [sys.executable, "-c", program, site.bootstrap, topic, str(N)],
        capture_output=True, text=True, timeout=90, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_gcn_kafka_receives_every_notice_once(site: AlertSite, night: list[str]) -> None:
    notices = [json.loads(line) for line in listen(GCN, site, site.topics.alerts_gcn)]
    assert Counter(notice["ivorn"] for notice in notices) == Counter(night)


def test_gcn_kafka_receives_every_voevent(site: AlertSite, night: list[str]) -> None:
    packets = [vp.loads(line.encode()) for line in listen(GCN, site, site.topics.alerts_voevent)]
    assert all(vp.valid_as_v2_0(packet) for packet in packets)
    assert Counter(packet.get("ivorn") for packet in packets) == Counter(night)


def test_hop_knows_the_format_of_both_topics(site: AlertSite, night: list[str]) -> None:
    """The header `_format` decides: without it hop would see bytes."""
    for topic, kind in (
        (site.topics.alerts_gcn, "JSONBlob"), (site.topics.alerts_voevent, "VOEvent"),
    ):  # fmt: skip
        lines = [line.split(" ", 1) for line in listen(HOP, site, topic)]
        assert {line[0] for line in lines} == {kind}
        assert Counter(line[1] for line in lines) == Counter(night)
