"""The whole alert service as a process, on a real Kafka and a real PostgreSQL."""

import io
import json
import signal
import struct
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import fastavro
import psutil
import pytest

from schemas.messages import SourceEvent
from services.alert.steps.facts import name_alert
from services.alert.steps.validation import assert_valid
from tests.support.vtp_events import source_event
from tests.support.vtp_proxy import proxy_to
from tests.support.vtp_service import AlertSite, ServiceProcess, alert_site, wait_until

AVRO = Path(__file__).parents[3] / "schemas" / "avro"
STATIC = {"LIVETRAP_KAFKA__INSTANCE_ID": "alert"}


@pytest.fixture
def site(kafka_bootstrap: str, postgres_url: str, tmp_path: Path) -> Iterator[AlertSite]:
    with alert_site(kafka_bootstrap, postgres_url, tmp_path) as made:
        yield made


def events(start: int, stop: int) -> list[SourceEvent]:
    return [source_event(number) for number in range(start, stop)]


def ivorns(of: list[SourceEvent]) -> Counter[str]:
    return Counter(name_alert(event, "org.test", 0).ivorn for event in of)


def n_alerts(site: AlertSite) -> int:
    return len(site.read(site.topics.alerts_gcn))


def assert_each_once(site: AlertSite, expected: Counter[str], timeout_s: float = 60) -> None:
    """Wait until every alert is on each topic; none may be there twice."""
    topics = (site.topics.alerts_voevent, site.topics.alerts_gcn, site.topics.alerts_avro)
    for topic in topics:
        wait_until(
            lambda topic=topic: sum(site.ivorns(topic).values()) >= sum(expected.values()),
            timeout_s=timeout_s,
            what=f"{sum(expected.values())} alerts on {topic}",
        )
    # What is marked is not sent again: afterwards no duplicate is on its way.
    query = "select ivorn from alert where time_published is null"
    wait_until(lambda: site.fetch(query) == [], what="all alerts marked")
    for topic in topics:
        assert site.ivorns(topic) == expected
    assert {row["ivorn"] for row in site.fetch("select ivorn from alert")} == set(expected)


def read_avro(value: bytes) -> Any:
    """Return an Avro packet as a client of a schema registry reads it, by fastavro alone."""
    magic, schema_id = struct.unpack_from(">bI", value)
    assert magic == 0
    (file,) = [
        each["file"]
        for each in json.loads((AVRO / "registry.json").read_bytes())
        if each["schema_id"] == schema_id
    ]
    schema = json.loads((AVRO / file).read_bytes())
    return fastavro.schemaless_reader(io.BytesIO(value[5:]), schema, None)


def assert_stops(service: ServiceProcess) -> None:
    assert service.terminate() == 0, service.log.read_text()
    service.lines()  # every line is JSON


def test_alerts_on_kafka_with_the_headers_that_others_expect(site: AlertSite) -> None:
    service = site.start_and_wait(**STATIC, LIVETRAP_ALERT__ROLE="test")
    site.publish(events(0, 5))
    assert_each_once(site, ivorns(events(0, 5)))
    for key, value, headers in site.read(site.topics.alerts_voevent):
        assert_valid(value)
        assert headers["_format"] == b"voevent"
        assert headers["_test"] == b"true"
        assert len(headers["_id"]) == 16
        assert headers["ivorn"].split(b"#")[1] == key + b".0"
    for key, value, headers in site.read(site.topics.alerts_gcn):
        notice = json.loads(value)
        assert notice["id"].encode() == key
        assert notice["ivorn"].encode() == headers["ivorn"]
        assert notice["alert_tense"] == "test"
    for key, value, headers in site.read(site.topics.alerts_avro):
        packet = read_avro(value)
        assert packet["trig_id"].encode() == key
        assert packet["ivorn"].encode() == headers["ivorn"]
        assert packet["role"] == "test"
    wait_until(lambda: len(site.read(site.topics.heartbeat)) >= 2, what="heartbeats")
    _, value, _ = site.read(site.topics.heartbeat)[0]
    assert list(json.loads(value)) == ["alert_datetime"]
    assert json.loads(value)["alert_datetime"].endswith("Z")
    assert_stops(service)


def test_sigkill_in_the_middle_loses_and_doubles_nothing(site: AlertSite) -> None:
    n_events, n_kills = 600, 6
    calm = STATIC | {"LIVETRAP_ALERT__MAX_PER_MINUTE": "100000"}
    site.start_and_wait(**calm)
    for kill in range(n_kills):
        first = kill * n_events // n_kills
        site.publish(events(first, first + n_events // n_kills))
        # At another moment each time.
        wait_until(lambda least=first + 3 * kill: n_alerts(site) > least, what="alerts")
        site.services[-1].kill()
        site.start_and_wait(**calm)
    assert_each_once(site, ivorns(events(0, n_events)))
    assert_stops(site.services[-1])


def test_a_restart_goes_on_where_the_process_before_was_killed(site: AlertSite) -> None:
    site.start_and_wait(**STATIC)
    site.publish(events(0, 1))
    assert_each_once(site, ivorns(events(0, 1)))
    site.services[-1].kill()
    site.publish(events(1, 2))
    site.start(**STATIC)
    wait_until(lambda: n_alerts(site) == 2, what="alert")


def test_what_can_never_be_an_alert_is_a_dead_letter_and_the_next_goes_on(
    site: AlertSite,
) -> None:
    service = site.start_and_wait(**STATIC)
    site.publish([b"garbage", *events(0, 1), source_event(7, dec=91.0), *events(1, 2)])
    assert_each_once(site, ivorns(events(0, 2)))
    wait_until(lambda: len(site.read(site.topics.dead_letters)) == 2, what="both dead letters")
    dead_letters = site.read(site.topics.dead_letters)
    assert sorted(headers["reason"] for _, _, headers in dead_letters) == [
        b"bad_avro",
        b"bad_position",
    ]
    by_reason = {headers["reason"]: (key, value, headers) for key, value, headers in dead_letters}
    key, value, headers = by_reason[b"bad_avro"]
    assert (key, value) == (b"night", b"garbage")
    assert headers["topic"].decode() == site.topics.transients
    assert headers["service"] == b"alert"
    assert_stops(service)


def test_a_defect_ends_the_process_and_the_event_comes_again(site: AlertSite) -> None:
    service = site.start_and_wait(**STATIC)
    site.fetch("alter table alert rename to elsewhere")
    site.publish(events(0, 1))
    assert service.process.wait(60) == 1
    assert "livetrap migrate" in service.log.read_text()
    site.fetch("alter table elsewhere rename to alert")
    service = site.start_and_wait(**STATIC)
    assert_each_once(site, ivorns(events(0, 1)))
    assert_stops(service)


def test_a_database_that_goes_away_and_comes_back(site: AlertSite) -> None:
    direct = site.postgres_url
    parts = urlsplit(direct)
    with proxy_to(parts.hostname or "", parts.port or 0) as proxy:
        address = f"{parts.username}:{parts.password}@127.0.0.1:{proxy.port}"
        through = {"LIVETRAP_POSTGRES__URL": urlunsplit(parts._replace(netloc=address))}
        proxy.shut()
        service = site.start(**STATIC, **through)
        wait_until(lambda: service.has_logged("dependency_unavailable"), what="the warning")
        site.publish(events(0, 10))
        proxy.open()
        assert_each_once(site, ivorns(events(0, 10)))

        proxy.shut()
        site.publish(events(10, 20))
        wait_until(lambda: n_outages(service) == 2, what="the second warning")
        assert_stops(service)  # also while it waits; what it has in flight is not lost

        service = site.start(**STATIC, **through)
        wait_until(lambda: n_outages(service) == 1, what="the warning")
        proxy.open()
        assert_each_once(site, ivorns(events(0, 20)))
        assert n_outages(service) <= 2
        assert_stops(service)


def n_outages(service: ServiceProcess) -> int:
    return sum(line["event"] == "dependency_unavailable" for line in service.lines())


def test_a_wrong_setting_is_one_line_and_exit_code_2(site: AlertSite) -> None:
    service = site.start(LIVETRAP_ALERT__AUTHORITY="!")
    assert service.process.wait(60) == 2
    assert len(service.log.read_text().splitlines()) == 1
    assert "LIVETRAP_ALERT__AUTHORITY" in service.log.read_text()


def test_a_second_process_stands_by_and_takes_over(site: AlertSite) -> None:
    site.start_and_wait(LIVETRAP_KAFKA__INSTANCE_ID="one")
    second = site.start(LIVETRAP_KAFKA__INSTANCE_ID="two")
    wait_until(lambda: second.has_logged("dependency_unavailable"), what="it stands by")
    assert "stands by" in second.log.read_text()
    site.publish(events(0, 60))
    wait_until(lambda: n_alerts(site) > 10, what="alerts")
    site.services[0].kill()
    site.publish(events(60, 90))
    wait_until(lambda: second.has_logged("service_started"), what="it takes over")
    assert_each_once(site, ivorns(events(0, 90)))
    assert_stops(second)


def assert_replaced_without_repetition(site: AlertSite, meanwhile: Callable[[], None]) -> None:
    """Stop a leader in the middle, do something, and wait until another has sent the rest once."""
    first = site.start(module="tests.support.stopped_alert", LIVETRAP_KAFKA__INSTANCE_ID="one")
    wait_until(lambda: first.has_logged("service_started"), what="the first leads")
    second = site.start(LIVETRAP_KAFKA__INSTANCE_ID="two")
    wait_until(lambda: second.has_logged("dependency_unavailable"), what="it stands by")
    site.publish(events(0, 10))
    wait_until(lambda: n_alerts(site) == 10, what="alerts of the first")
    site.publish(events(10, 60))
    process = psutil.Process(first.process.pid)
    wait_until(lambda: process.status() == psutil.STATUS_STOPPED, what="it stops itself")
    try:
        meanwhile()
        wait_until(lambda: n_alerts(site) == 60, timeout_s=120, what="all alerts of the second")
    finally:
        first.process.send_signal(signal.SIGCONT)
    assert first.process.wait(120) != 0  # another has taken over
    site.publish(events(60, 70))
    assert_each_once(site, ivorns(events(0, 70)))
    for topic in (site.topics.alerts_voevent, site.topics.alerts_gcn, site.topics.alerts_avro):
        assert site.ivorns(topic, isolation="read_uncommitted") == ivorns(events(0, 70))
    assert_stops(second)


def test_a_leader_that_is_stopped_is_replaced_and_sends_nothing_twice(site: AlertSite) -> None:
    def is_interrupted() -> None:
        assert n_alerts(site) < 60  # it gives one more to its client when it goes on

    assert_replaced_without_repetition(site, is_interrupted)
