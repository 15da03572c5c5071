"""Named VTP subscribers: nothing acknowledged comes again, nothing else is lost, in order."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.support.vtp import VtpClient, acknowledge, transport
from tests.support.vtp_events import source_event
from tests.support.vtp_service import AlertSite, wait_until

ROBOT = "ivo://test/robot"


async def start(site: AlertSite, **settings: str) -> None:
    await asyncio.to_thread(lambda: site.start_and_wait("distribute", **settings))


async def issue(site: AlertSite, start: int, stop: int, *, on_kafka: bool = True) -> list[str]:
    made = [source_event(number) for number in range(start, stop)]
    return await asyncio.to_thread(lambda: site.issue(made, on_kafka=on_kafka))


async def until_broadcast(site: AlertSite, n: int) -> None:
    log = site.services[-1].log
    await asyncio.to_thread(
        lambda: wait_until(lambda: log.read_text().count("alert_broadcast") == n, what="broadcast")
    )


@asynccontextmanager
async def subscriber(site: AlertSite, name: str = ROBOT) -> AsyncIterator[VtpClient]:
    """Connect and introduce oneself; return when the server knows the name."""
    client = await VtpClient.connect(site.vtp_port)
    await client.receive_role()
    await client.send(transport("authenticate", response=name))
    query = f"select 1 from subscriber where name = '{name}@127.0.0.1'"  # noqa: S608  (a test)
    await until_rows(site, query, 1)
    try:
        yield client
    finally:
        await client.aclose()


async def until_rows(site: AlertSite, query: str, n: int) -> None:
    await asyncio.to_thread(
        lambda: wait_until(lambda: len(site.fetch(query)) == n, what=f"{n} rows of {query}")
    )


async def until_acknowledged(site: AlertSite, n: int) -> None:
    query = "select 1 from delivery where channel = 'vtp' and time_acknowledged is not null"
    await until_rows(site, query, n)


async def hear_and_acknowledge(client: VtpClient, n: int) -> list[str]:
    heard = await client.receive_events(n)
    for ivorn in heard:
        await client.send(acknowledge(ivorn))
    return heard


@pytest.mark.parametrize("is_killed", [False, True])
async def test_what_was_not_acknowledged_comes_again_and_nothing_else(
    site: AlertSite, *, is_killed: bool
) -> None:
    await start(site)
    await issue(site, 0, 2)  # before the robot was ever here: not for it
    await until_broadcast(site, 2)
    async with subscriber(site) as robot:
        second = await issue(site, 2, 5)
        assert await robot.receive_events(3) == second
        for ivorn in second[:2]:
            await robot.send(acknowledge(ivorn))
        await until_acknowledged(site, 2)
    if is_killed:
        await asyncio.to_thread(site.services[-1].kill)
        third = await issue(site, 5, 7)
        await start(site)
    else:
        third = await issue(site, 5, 7)
    async with subscriber(site) as robot:
        assert await robot.receive_events(3) == [second[2], *third]
        await robot.send(acknowledge(second[2], role="nak"))  # seen before: it has it
        for ivorn in third:
            await robot.send(acknowledge(ivorn))
        await until_acknowledged(site, 5)
        fourth = await issue(site, 7, 8)
        assert await hear_and_acknowledge(robot, 1) == fourth
        await until_acknowledged(site, 6)
    async with subscriber(site) as robot:
        fifth = await issue(site, 8, 9)
        assert await robot.receive_events(1) == fifth


async def test_what_was_missed_comes_before_what_is_new(site: AlertSite) -> None:
    await start(site, module="tests.support.slow_introduction")
    async with subscriber(site):
        pass
    missed = await issue(site, 0, 20)
    await until_broadcast(site, 20)
    client = await VtpClient.connect(site.vtp_port)
    await client.receive_role()
    new = await issue(site, 20, 25)  # while the server waits for the introduction
    await client.send(transport("authenticate", response=ROBOT))
    assert await client.receive_events(25) == missed + new
    await client.aclose()


async def test_a_new_subscriber_gets_what_comes_from_now_on(site: AlertSite) -> None:
    await start(site)
    await issue(site, 0, 1)
    await until_broadcast(site, 1)
    async with subscriber(site, "ivo://test/other") as other:
        second = await issue(site, 1, 2)
        assert await other.receive_events(1) == second


async def test_an_ack_of_what_was_never_offered_is_ignored(site: AlertSite) -> None:
    await start(site)
    first = await issue(site, 0, 1)
    await until_broadcast(site, 1)
    async with subscriber(site) as robot:
        await robot.send(acknowledge(first[0]))
        await issue(site, 1, 2)
        await hear_and_acknowledge(robot, 1)
        await until_acknowledged(site, 1)


async def test_an_alert_that_kafka_never_brings_is_broadcast_from_the_database(
    site: AlertSite,
) -> None:
    """The alert service died between the two, or Kafka is away for long."""
    await start(site)
    anonymous = await VtpClient.connect(site.vtp_port)
    await anonymous.receive_role()
    async with subscriber(site) as robot:
        first = await issue(site, 0, 3, on_kafka=False)
        second = await issue(site, 3, 4)
        for client in (robot, anonymous):
            assert sorted(await client.receive_events(4, 60)) == sorted(first + second)
        # Kafka has them at last: they are not broadcast a second time.
        rows = await asyncio.to_thread(
            site.fetch, "select ivorn, trig_id, voevent from alert order by id"
        )
        await asyncio.to_thread(site.send, [_Sent(row) for row in rows[:3]])
        third = await issue(site, 4, 5)
        for client in (robot, anonymous):
            assert await client.receive_events(1) == third
    await anonymous.aclose()


class _Sent:
    """A row of table `alert`, for `AlertSite.send`."""

    def __init__(self, row: Any) -> None:
        self.ivorn, self.trig_id, self.voevent = row["ivorn"], row["trig_id"], row["voevent"]


async def test_the_table_has_the_times_of_each_channel(site: AlertSite) -> None:
    await start(site)
    async with subscriber(site) as robot:
        await issue(site, 0, 1)
        await hear_and_acknowledge(robot, 1)
        await until_acknowledged(site, 1)
    rows = await asyncio.to_thread(
        site.fetch,
        "select channel, subscriber, time_alert <= time_sent as is_later, "
        "time_sent <= time_acknowledged as is_acknowledged from delivery "
        "join alert on alert.id = alert_id",
    )
    assert [tuple(row) for row in rows] == [("vtp", f"{ROBOT}@127.0.0.1", True, True)]


async def test_two_processes_share_the_subscribers_and_one_delivers(site: AlertSite) -> None:
    """What one of them acknowledged does not come again from the other."""
    await start(site)
    async with subscriber(site) as robot:
        first = await issue(site, 0, 3)
        assert await hear_and_acknowledge(robot, 3) == first
        await until_acknowledged(site, 3)
        other = site.beside()
        await start(other)
        async with subscriber(other) as moved:
            second = await issue(site, 3, 6)
            for client in (robot, moved):
                assert await client.receive_events(3) == second


async def test_a_stop_ends_the_connections_and_records_the_last_acknowledgements(
    site: AlertSite,
) -> None:
    await start(site)
    async with subscriber(site) as robot:
        first = await issue(site, 0, 5)
        assert await hear_and_acknowledge(robot, 5) == first
        await until_acknowledged(site, 5)
        code = await asyncio.to_thread(site.services[-1].terminate)
        assert code == 0, site.services[-1].log.read_text()
        assert await robot.is_cut()
    await start(site)
    async with subscriber(site) as robot:
        second = await issue(site, 5, 6)
        assert await robot.receive_events(1) == second
