"""Acknowledgements of what nobody sent, and filters that change without end."""

import asyncio

import pytest

from services.distribute.handlers import filter_pool as filter_pool_module
from services.distribute.handlers.filter_pool import FilterPool
from tests.support.vtp import VtpClient, acknowledge, ivorn_of, transport
from tests.support.vtp_events import alert_packet, ivorn_at
from tests.support.vtp_log import memory_log
from tests.support.vtp_site import N_ALERTS, serving

LONG = "{}" + "x" * 3000
FOREIGN = [
    "ivo://foreign/stream#{}.0", "ivo://org.test/night#never-sent-{}.0", LONG,
    "\u202e{}\u200b", "ivo://%6Frg.test/x#{}", "{} ]]&gt; &#10;",
]  # fmt: skip


async def storm(client: VtpClient, form: str) -> None:
    """Acknowledge in many words until the server ends the connection."""
    try:
        for number in range(100_000):
            await client.send(acknowledge(form.format(number)))
    except OSError:
        await client.aclose()


@pytest.mark.parametrize("form", FOREIGN, ids=ascii)
async def test_acknowledgements_of_what_nobody_sent_end_a_connection_and_are_not_kept(
    form: str,
) -> None:
    log = memory_log()
    async with serving(log) as site:
        honest = await site.introduce("127.0.0.2")
        bad = await site.introduce("127.0.0.3")
        task = asyncio.create_task(storm(bad, form))
        await site.alert(honest)
        await asyncio.wait_for(task, 60)
        assert not any(each.is_acknowledged for each in log._pending)
        assert {each.ivorn for each in log._pending} == {ivorn_at(n) for n in range(N_ALERTS)}


@pytest.mark.parametrize("phase", [0.0, 0.3, 0.6, 0.9])
async def test_long_messages_end_a_connection_whenever_in_a_second_they_begin(
    phase: float,
) -> None:
    async with serving() as site:
        bad = await site.introduce()
        await asyncio.sleep((phase - asyncio.get_running_loop().time()) % 1.0)
        await asyncio.wait_for(storm(bad, LONG), 60)


async def test_an_alert_is_acknowledged_once_however_often_that_is_said() -> None:
    log = memory_log()
    async with serving(log) as site:
        client = await site.introduce()
        packet = alert_packet()
        site.server.broadcast(ivorn_of(packet), packet)
        assert await client.receive_events(1, 60)
        for _ in range(60):
            await client.send(acknowledge(ivorn_of(packet)))
        await client.send(transport("iamalive"))
        await site.alert(client, start=100)
        assert sum(each.is_acknowledged for each in log._pending) == 1


async def test_ten_thousand_filters_are_not_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filter_pool_module, "_MAX_REMEMBERED", 50)
    pool, packet = FilterPool(), alert_packet()
    for number in range(120):
        assert not await pool.matches("192.0.2.1", (f"//a[.='{number}']",), packet)
        assert await pool.find_defect("192.0.2.1", (f"//a[{number}",))
    assert len(pool._fast) <= 50
    assert len(pool._defects) <= 50
    await pool.aclose()


async def test_filters_that_are_set_and_removed_in_a_loop_delay_nobody_and_leave_nothing() -> None:
    async with serving() as site:
        honest = await site.introduce("127.0.0.2", filters=("//Param",))
        restless = await site.introduce("127.0.0.3")
        for number in range(40):
            filters = (f"//Param[@name='{number}']",) if number % 2 == 0 else ()
            await restless.send(transport("authenticate", response="", filters=filters))
            if number % 10 == 0:
                packet = alert_packet(1000 + number)
                site.server.broadcast(ivorn_of(packet), packet)
                assert await honest.receive_events(1, 60) == [ivorn_of(packet)]
        await site.alert(honest)
        # In the end it has no filter: what waits for it comes.
        async with asyncio.timeout(60):
            while await restless.receive_events(1, 60) != [ivorn_at(N_ALERTS - 1)]:
                pass
        assert site.server.n_subscribers == 2
        assert not site.server._pool._new._jobs
        assert not site.server._pool._proven._jobs
