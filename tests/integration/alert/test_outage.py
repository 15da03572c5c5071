"""The alert service while its broker dies, hangs and comes back."""

import asyncio
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.kafka import ensure_topics
from runtime.settings import KafkaSettings
from schemas.topics import Topics
from services.alert.app.sender import KafkaSender
from services.alert.models import StoredAlert
from tests.integration.alert.test_sender import has_leaders
from tests.integration.alert.test_service import (
    STATIC,
    assert_each_once,
    assert_stops,
    events,
    ivorns,
    n_alerts,
)
from tests.support.own_broker import OwnBroker, own_broker
from tests.support.vtp_service import AlertSite, alert_site, wait_until

# The faults, not waits; a request may take 30 s.
AWAY_S = 3
HANGS_S = 40


@pytest.fixture(scope="module")
def broker() -> Iterator[OwnBroker]:
    with own_broker() as made:
        yield made


@pytest.fixture
def site(broker: OwnBroker, postgres_url: str, tmp_path: Path) -> Iterator[AlertSite]:
    with alert_site(broker.bootstrap, postgres_url, tmp_path) as made:
        yield made


def test_a_broker_that_is_killed_and_comes_back(broker: OwnBroker, site: AlertSite) -> None:
    service = site.start_and_wait(**STATIC)
    site.publish(events(0, 60))
    wait_until(lambda: n_alerts(site) > 5, what="alerts")
    broker.kill()
    time.sleep(AWAY_S)
    broker.start()
    site.publish(events(60, 80))
    assert_each_once(site, ivorns(events(0, 80)))
    assert service.process.poll() is None

    broker.kill()
    time.sleep(AWAY_S)
    assert_stops(service)
    service = site.start(**STATIC)  # nothing is there: it waits
    wait_until(lambda: service.has_logged("dependency_unavailable"), what="the warning")
    broker.start()
    site.publish(events(80, 90))
    assert_each_once(site, ivorns(events(0, 90)))
    assert_stops(service)


def test_a_broker_that_hangs_for_longer_than_a_request_may_take(
    broker: OwnBroker, site: AlertSite
) -> None:
    other = KafkaSettings(bootstrap_servers=broker.bootstrap, topic_prefix="other.")
    ensure_topics(other)
    sender = KafkaSender(other, group="other")
    wait_until(lambda: has_leaders(sender), what="leaders of the new topics")
    service = site.start_and_wait(**STATIC)
    site.publish(events(0, 60))
    wait_until(lambda: n_alerts(site) > 5, what="alerts")
    broker.signal(signal.SIGSTOP)
    resume = threading.Timer(HANGS_S, broker.signal, [signal.SIGCONT])
    resume.start()
    # It must not give up, and be asked again, while its message may still arrive.
    asyncio.run(sender.send([ALERT], {}))
    resume.join()
    assert_each_once(site, ivorns(events(0, 60)))
    assert service.process.poll() is None
    for topic in (Topics("other.").alerts_voevent, Topics("other.").alerts_gcn):
        assert wait_until(lambda topic=topic: site.ivorns(topic), what="one") == {ALERT.ivorn: 1}
    sender.close()


ALERT = StoredAlert(
    1, "ivo://a/b#c.0", "c", "observation", b"<a/>", b"{}", {},
    is_published=False, latency_s=None, may_be_sent=False,
)  # fmt: skip
