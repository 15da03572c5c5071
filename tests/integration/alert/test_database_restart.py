"""The alert service while PostgreSQL restarts or ends its sessions, and with them every lock."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import pytest

from livetrap.database.migrations import migrate
from tests.integration.alert.test_service import (
    STATIC,
    assert_each_once,
    assert_replaced_without_repetition,
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
    assert_replaced_without_repetition(site, lambda: end(server, site))
