"""The alert service while PostgreSQL restarts or ends its sessions, and with them every lock."""

import asyncio
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest

from livetrap.database.migrations import migrate
from tests.integration.alert.test_service import (
    STATIC,
    assert_each_once,
    assert_stops,
    events,
    ivorns,
    n_alerts,
)
from tests.support.databases import freeze_template
from tests.support.own_postgres import OwnPostgres, own_postgres
from tests.support.vtp_service import AlertSite, alert_site, wait_until


@pytest.fixture(scope="module")
def server() -> Iterator[OwnPostgres]:
    with own_postgres() as made:
        migrate(made.url)
        freeze_template(made.url)
        yield made


@pytest.fixture
def site(kafka_bootstrap: str, server: OwnPostgres, tmp_path: Path) -> Iterator[AlertSite]:
    with alert_site(kafka_bootstrap, server.url, tmp_path) as made:
        yield made


def restart(server: OwnPostgres, _site: AlertSite) -> None:
    server.stop()
    server.start()


def test_alerts_go_on_after_a_restart(server: OwnPostgres, site: AlertSite) -> None:
    service = site.start_and_wait(**STATIC)
    site.publish(events(0, 60))
    wait_until(lambda: n_alerts(site) > 5, what="alerts")
    restart(server, site)
    site.publish(events(60, 80))
    assert_each_once(site, ivorns(events(0, 80)))
    assert service.process.poll() is None
    assert_stops(service)


def end_sessions(_server: OwnPostgres, site: AlertSite) -> None:
    """End every session of the alert service, as an operator or a failover does."""

    async def end() -> None:
        operator = await asyncpg.connect(site.postgres_url)
        ended = await operator.fetchval(
            "select bool_and(pg_terminate_backend(pid, 60000)) from pg_stat_activity "
            "where application_name like 'livetrap-alert%' and datname = current_database()"
        )
        await operator.close()
        assert ended

    asyncio.run(end())


@pytest.mark.parametrize("end", [restart, end_sessions])
def test_a_leader_whose_session_ends_while_it_is_stopped_sends_nothing_twice(
    end: Callable[[OwnPostgres, AlertSite], None], server: OwnPostgres, site: AlertSite
) -> None:
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
        end(server, site)
        wait_until(lambda: n_alerts(site) == 60, timeout_s=120, what="all alerts of the second")
    finally:
        first.process.send_signal(signal.SIGCONT)
    assert first.process.wait(120) != 0  # another has taken over
    site.publish(events(60, 70))
    assert_each_once(site, ivorns(events(0, 70)))
    for topic in (site.topics.alerts_voevent, site.topics.alerts_gcn, site.topics.alerts_avro):
        assert site.ivorns(topic, isolation="read_uncommitted") == ivorns(events(0, 70))
    assert_stops(second)
