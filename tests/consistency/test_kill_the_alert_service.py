"""SIGKILL at every step of alert and distribute: nothing lost, nothing twice, on any channel."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.alert.test_service import assert_each_once, assert_stops, events, ivorns
from tests.support import dying_alert, dying_distribute
from tests.support.robot import Robot, robot_at
from tests.support.vtp_service import AlertSite, ServiceProcess, alert_site, wait_until

pytestmark = pytest.mark.timeout(1200)

N_EVENTS = 8


@pytest.fixture
def site(kafka_bootstrap: str, postgres_url: str, tmp_path: Path) -> Iterator[AlertSite]:
    with alert_site(kafka_bootstrap, postgres_url, tmp_path) as made:
        yield made


@pytest.fixture
def robot(site: AlertSite) -> Iterator[Robot]:
    with robot_at(site.vtp_port) as made:
        yield made


def until_known(site: AlertSite) -> None:
    """Wait until robot and webhook are named subscribers: what they miss is kept for them."""
    wait_until(lambda: len(site.fetch("select 1 from subscriber")) == 2, what="the robot")


def until_all_acknowledged(site: AlertSite, expected: Counter[str]) -> None:
    query = (
        "select 1 from delivery where channel in ('vtp', 'webhook') "
        "and time_acknowledged is not null"
    )
    wait_until(lambda: len(site.fetch(query)) == 2 * len(expected), what="acknowledgements")


def test_sigkill_of_alert_at_every_step(site: AlertSite, robot: Robot, tmp_path: Path) -> None:
    distribute = site.start_and_wait("distribute", **robot.settings(tmp_path))
    until_known(site)
    settings = {"LIVETRAP_KAFKA__INSTANCE_ID": "alert"}
    for number, step in enumerate(dying_alert.STEPS):
        made = events(N_EVENTS * number, N_EVENTS * (number + 1))
        site.publish([made[0], b"garbage %d" % number, *made[1:]])
        # Who counts the ends of processes must not take these for the work of an event.
        state = str(tmp_path / f"state-{number}")
        dying = site.start("alert", dying=step, LIVETRAP_STATE_DIR=state, **settings)
        assert dying.process.wait(60) == -9, (step, dying.log.read_text())

    alert = site.start_and_wait("alert", **settings)
    expected = ivorns(events(0, N_EVENTS * len(dying_alert.STEPS)))
    assert_each_once(site, expected)
    until_all_acknowledged(site, expected)
    # Nobody noticed: each alert once, over the one connection that there ever was.
    assert Counter(robot.heard) == expected
    assert Counter(robot.posted) == expected
    assert robot.n_connections == 1
    dead_letters = {value for _, value, _ in site.read(site.topics.dead_letters)}
    assert dead_letters == {b"garbage %d" % number for number in range(len(dying_alert.STEPS))}
    assert_stops(alert)
    assert_stops(distribute)


def test_sigkill_of_distribute_at_every_step(
    site: AlertSite, robot: Robot, tmp_path: Path
) -> None:
    settings = robot.settings(tmp_path)
    service = site.start_and_wait("distribute", **settings)
    until_known(site)
    service.kill()
    issued: list[str] = []
    for number, step in enumerate(dying_distribute.STEPS):
        dying = site.start("distribute", dying=step, **settings)
        made = events(N_EVENTS * number, N_EVENTS * (number + 1))
        # Some may be sent before the process reads the topic, the others after that.
        issued += site.issue(made[: N_EVENTS // 2])
        until_dead_or_delivered(dying, robot, issued[-1])
        issued += site.issue(made[N_EVENTS // 2 :])
        assert dying.process.wait(60) == -9, (step, dying.log.read_text())
        acknowledged, n_heard = fetch_acknowledged(site), len(robot.heard)
        service = site.start_and_wait("distribute", **settings)
        until_all_acknowledged(site, Counter(issued))
        assert set(robot.heard) == set(robot.posted) == set(issued)
        # What was acknowledged, and recorded as such, never comes again.
        assert not acknowledged & set(robot.heard[n_heard:]), step
        service.kill()

    n_before = len(robot.heard), len(robot.posted)
    service = site.start_and_wait("distribute", **settings)
    first = N_EVENTS * len(dying_distribute.STEPS)
    issued += site.issue(events(first, first + 1))
    until_all_acknowledged(site, Counter(issued))
    assert (robot.heard[n_before[0] :], robot.posted[n_before[1] :]) == ([issued[-1]],) * 2
    assert list(dict.fromkeys(robot.posted)) == issued
    # A kill repeats at most the alert in flight.
    assert max(Counter(robot.posted).values()) <= 2
    assert len(robot.posted) - len(issued) <= len(dying_distribute.STEPS)
    assert_stops(service)


def until_dead_or_delivered(dying: ServiceProcess, robot: Robot, ivorn: str) -> None:
    wait_until(lambda: dying.process.poll() is not None or robot.has(ivorn), what="the first half")


def fetch_acknowledged(site: AlertSite) -> set[str]:
    """Return what the robot has according to the database."""
    rows = site.fetch(
        "select ivorn from delivery join alert on alert.id = alert_id "
        "where channel = 'vtp' and time_acknowledged is not null"
    )
    return {row["ivorn"] for row in rows}
