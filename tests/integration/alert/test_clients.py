"""Kafka clients that others wrote: gcn-kafka and hop-client, pointed at our broker."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.alert.steps.facts import name_alert
from tests.support.clients import listen_by_gcn_kafka, listen_by_hop
from tests.support.voevent import read_packet
from tests.support.vtp_events import source_event
from tests.support.vtp_service import AlertSite, alert_site, wait_until

N = 12


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
    for topic in (site.topics.alerts_gcn, site.topics.alerts_voevent):
        wait_until(lambda topic=topic: len(site.read(topic)) == N, what="alerts")
    return [name_alert(event, "org.test", 0).ivorn for event in made]


def test_gcn_kafka_receives_every_notice_once(site: AlertSite, night: list[str]) -> None:
    notices = [
        json.loads(line) for line in listen_by_gcn_kafka(site.bootstrap, site.topics.alerts_gcn, N)
    ]
    assert Counter(notice["ivorn"] for notice in notices) == Counter(night)


def test_gcn_kafka_receives_every_voevent(site: AlertSite, night: list[str]) -> None:
    lines = listen_by_gcn_kafka(site.bootstrap, site.topics.alerts_voevent, N)
    packets = [read_packet(line.encode()) for line in lines]
    assert Counter(packet.get("ivorn") for packet in packets) == Counter(night)


def test_hop_knows_the_format_of_both_topics(site: AlertSite, night: list[str]) -> None:
    """The header `_format` decides: without it hop would see bytes."""
    for topic, kind in (
        (site.topics.alerts_gcn, "JSONBlob"), (site.topics.alerts_voevent, "VOEvent"),
    ):  # fmt: skip
        heard = listen_by_hop(site.bootstrap, topic, N)
        assert {known_as for known_as, _ in heard} == {kind}
        assert Counter(ivorn for _, ivorn in heard) == Counter(night)
