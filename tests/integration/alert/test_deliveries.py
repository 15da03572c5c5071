"""Who has which alert: nothing that was acknowledged comes again, nothing that was not is lost."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from services.alert.steps.facts import name_alert
from tests.support.vtp import VtpClient, acknowledge, transport
from tests.support.vtp_events import source_event
from tests.support.vtp_service import AlertSite, alert_site, wait_until

STATIC = {"LIVETRAP_KAFKA__INSTANCE_ID": "alert"}


@pytest.fixture
def site(kafka_bootstrap: str, postgres_url: str, tmp_path: Path) -> Iterator[AlertSite]:
    with alert_site(kafka_bootstrap, postgres_url, tmp_path) as made:
        yield made


def ivorns(start: int, stop: int) -> list[str]:
    return [name_alert(source_event(number), "org.test", 0).ivorn for number in range(start, stop)]


async def publish(site: AlertSite, start: int, stop: int) -> None:
    made = [source_event(number) for number in range(start, stop)]
    await asyncio.to_thread(site.publish, made)


async def broadcast(site: AlertSite, n: int) -> None:
    """Wait until so many alerts are out."""
    query = "select 1 from alert where time_broadcast is not null"
    await asyncio.to_thread(
        lambda: wait_until(lambda: len(site.fetch(query)) == n, what=f"{n} alerts out")
    )


@asynccontextmanager
async def subscriber(site: AlertSite, name: str = "ivo://test/robot") -> AsyncIterator[VtpClient]:
    """Connect, and say who it is."""
    client = await VtpClient.connect(site.vtp_port)
    await client.hear_role()
    await client.say(transport("authenticate", response=name))
    await asyncio.sleep(0.3)  # what it missed is on its way
    try:
        yield client
    finally:
        await client.aclose()


async def acknowledged(site: AlertSite, n: int) -> None:
    query = "select 1 from delivery where channel = 'vtp' and time_acknowledged is not null"
    await asyncio.to_thread(
        lambda: wait_until(lambda: len(site.fetch(query)) == n, what=f"{n} acks")
    )


async def silent(client: VtpClient) -> bool:
    try:
        await client.hear_events(1, timeout_s=1.0)
    except TimeoutError:
        return True
    return False


@pytest.mark.parametrize("is_killed", [False, True])
async def test_what_was_not_acknowledged_comes_again_and_nothing_else(
    site: AlertSite, *, is_killed: bool
) -> None:
    await asyncio.to_thread(lambda: site.start_and_wait(**STATIC))
    await publish(site, 0, 2)
    await broadcast(site, 2)  # before the robot was ever here: none of its business
    async with subscriber(site) as robot:
        await publish(site, 2, 5)
        assert await robot.hear_events(3) == ivorns(2, 5)
        for ivorn in ivorns(2, 4):
            await robot.say(acknowledge(ivorn))
        await acknowledged(site, 2)
    if is_killed:
        await asyncio.to_thread(site.services[-1].kill)
        await publish(site, 5, 7)
        await asyncio.to_thread(lambda: site.start_and_wait(**STATIC))
    else:
        await publish(site, 5, 7)
    await broadcast(site, 7)
    async with subscriber(site) as robot:
        assert await robot.hear_events(3) == ivorns(4, 7)
        await robot.say(acknowledge(ivorns(4, 5)[0], role="nak"))  # seen before: it has it
        for ivorn in ivorns(5, 7):
            await robot.say(acknowledge(ivorn))
        await acknowledged(site, 5)
        await publish(site, 7, 8)
        assert await robot.hear_events(1) == ivorns(7, 8)
        await robot.say(acknowledge(ivorns(7, 8)[0]))
        await acknowledged(site, 6)
    async with subscriber(site) as robot:
        assert await silent(robot)


async def test_a_stranger_gets_what_comes_from_now_on(site: AlertSite) -> None:
    await asyncio.to_thread(lambda: site.start_and_wait(**STATIC))
    await publish(site, 0, 1)
    await broadcast(site, 1)
    async with subscriber(site, "ivo://test/other") as other:
        assert await silent(other)
        await publish(site, 1, 2)
        assert await other.hear_events(1) == ivorns(1, 2)


async def test_an_ack_of_what_was_never_offered_is_nothing(site: AlertSite) -> None:
    await asyncio.to_thread(lambda: site.start_and_wait(**STATIC))
    await publish(site, 0, 1)
    await broadcast(site, 1)
    async with subscriber(site) as robot:
        await robot.say(acknowledge(ivorns(0, 1)[0]))
        await publish(site, 1, 2)
        await robot.hear_events(1)
        await robot.say(acknowledge(ivorns(1, 2)[0]))
        await acknowledged(site, 1)


async def test_the_book_tells_when_each_channel_had_it(site: AlertSite) -> None:
    await asyncio.to_thread(lambda: site.start_and_wait(**STATIC))
    async with subscriber(site) as robot:
        await publish(site, 0, 1)
        (ivorn,) = await robot.hear_events(1)
        await robot.say(acknowledge(ivorn))
        await acknowledged(site, 1)
    rows = await asyncio.to_thread(
        lambda: site.fetch(
            "select channel, subscriber, time_alert <= time_sent as is_later, "
            "time_sent <= time_acknowledged as is_acknowledged from delivery "
            "join alert on alert.id = alert_id order by channel"
        )
    )
    assert [tuple(row) for row in rows] == [
        ("kafka", "both topics", True, True),
        ("vtp", "ivo://test/robot@127.0.0.1", True, True),
    ]
