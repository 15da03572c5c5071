"""Filters that would take for ever, or could never match: they cost their owners alone."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest
from lxml import etree

from services.distribute.handlers.filter_pool import FilterPool
from tests.support.vtp import VtpClient, ivorn_of, transport
from tests.support.vtp_events import alert_packet
from tests.support.vtp_site import N_ALERTS, serving
from tests.unit.services.distribute.test_filter_check import USUAL

NEST = "//@*[//@* != //@*[//@* != 'x']]"
BOMB = " or ".join([NEST] * 20)[:753].rpartition(" or ")[0]
# Cheap on the event of a trial.
SLY = f"/*[@ivorn='ivo://org.example/night#sample.0'] or {BOMB}"
HONEST = "//Param[@name='snr' and @value>10]"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.distribute.handlers.subscriber._LINGER_S", 0.1)


async def refusal_of(client: VtpClient) -> str:
    """Return the words of the first `nak`."""
    while True:
        document = etree.fromstring(await client.receive(60))
        if document.get("role") == "nak":
            return str(document.findtext("Meta/Result"))


# Paths in paths without a comparison; unions of axes that lead everywhere.
COUNTS = "//*[count(//*[count(//@*) > 5]) > 5]"
UNION = "|".join(["//*/preceding::*"] * 20)


@pytest.mark.parametrize("bomb", [BOMB, SLY, COUNTS, UNION])
async def test_a_slow_filter_costs_its_owner_alone(bomb: str) -> None:
    async with serving() as site:
        honest = await site.introduce("127.0.0.2", filters=(HONEST,))
        bad = [await site.introduce(filters=(f"{bomb} or {n}=0",)) for n in range(4)]
        await site.alert(honest)
        assert all([await client.is_cut(60) for client in bad])
        assert site.server.n_subscribers == 1
        again = await site.introduce("127.0.0.3", filters=(HONEST,))
        await site.alert(again, start=N_ALERTS)


async def test_a_slow_filter_is_refused_once_and_never_evaluated_again() -> None:
    async with serving() as site:
        for _ in range(3):
            client = await site.introduce(filters=(BOMB,))
            assert "CPU time" in await refusal_of(client)
            assert await client.is_cut(60)
        assert len(site.server._pool._defects) == 1


@contextmanager
def started_processes() -> Iterator[list[psutil.Process]]:
    """Give the processes that are started for filters."""
    start, processes = asyncio.create_subprocess_exec, []

    async def started(*command: str, **options: int) -> asyncio.subprocess.Process:
        process = await start(*command, **options)
        processes.append(psutil.Process(process.pid))
        return process

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio, "create_subprocess_exec", started)
        yield processes


async def test_slow_filters_of_many_cost_their_limit_and_no_start_of_a_process() -> None:
    """Which takes as long again: an interpreter and its imports."""
    pool = FilterPool()
    with started_processes() as processes:
        for n in range(10):
            assert "CPU time" in await pool.find_defect("192.0.2.1", (f"{BOMB} or {n}=0",))
        assert await pool.matches("198.51.100.7", (HONEST,), alert_packet())
        assert len(processes) == 1
    await pool.aclose()


async def test_after_a_slow_filter_those_of_its_address_are_ended_sooner() -> None:
    pool = FilterPool()
    packet, other = alert_packet(), f"{BOMB} or 1=0"
    assert "0.1 s of CPU time" in await pool.find_defect("192.0.2.1", (BOMB,))
    assert "0.02 s of CPU time" in await pool.find_defect("192.0.2.1", (other,))
    # What others set has the time of all; what was ended sooner may be fast enough for them.
    assert "0.1 s of CPU time" in await pool.find_defect("198.51.100.7", (other,))
    # Usual ones are far below either.
    for filters in USUAL:
        assert await pool.find_defect("192.0.2.1", (filters,)) == ""
        assert await pool.matches("192.0.2.1", (filters,), packet) in (True, False)
    await pool.aclose()


async def test_new_filters_are_tried_behind_everything_else() -> None:
    pool = FilterPool()
    packet, own = alert_packet(), os.getpriority(os.PRIO_PROCESS, 0)
    with started_processes() as processes:
        assert await pool.find_defect("192.0.2.1", (HONEST,)) == ""
        (trials,) = processes
        assert [each.nice() for each in (trials, *trials.children())] == [own + 10] * 2
        assert await pool.matches("192.0.2.1", (HONEST,), packet)
        # In use from now on: both processes evaluate it.
        while len(processes) == 1:
            assert all(
                await asyncio.gather(
                    *(pool.matches("192.0.2.1", (HONEST,), packet) for _ in range(20))
                )
            )
        assert [each.nice() for each in (processes[1], *processes[1].children())] == [own] * 2
    await pool.aclose()


async def test_a_process_that_the_system_ends_is_replaced_and_nobody_is_blamed() -> None:
    pool = FilterPool()
    with started_processes() as processes:
        for victims in ("the one that evaluates", "both", "the one that waits"):
            assert await pool.find_defect("192.0.2.1", (f"//a[.='{victims}']",)) == ""
            parent = processes[-1]
            (child,) = parent.children()
            for victim in {
                "both": [parent, child],
                "the one that waits": [parent],
            }.get(victims, [child]):
                victim.kill()
        assert await pool.find_defect("192.0.2.1", (HONEST,)) == ""
    await pool.aclose()
    _, alive = psutil.wait_procs(processes, timeout=60)
    assert not alive


@pytest.mark.parametrize("expression", ["/voe:VOEvent", "//Param[re:match(@name,'s.*')]", "[[["])
async def test_a_filter_that_can_never_match_is_refused_when_it_is_set(expression: str) -> None:
    async with serving() as site:
        client = await site.introduce(filters=(HONEST, expression))
        assert expression in await refusal_of(client)
        assert await client.is_cut(60)


async def test_a_filter_is_looked_at_by_a_worker_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever that costs: strangers send dozens of filters a second."""
    looked_at: list[object] = []
    monkeypatch.setattr(etree, "XPath", lambda *given, **_: looked_at.append(given))
    async with serving() as site:
        client = await site.introduce(filters=("/voe:VOEvent",))
        assert "prefix voe" in await refusal_of(client)
    assert looked_at == []


@pytest.mark.parametrize("word", ["a", "a.b", "a-", "_"])
async def test_long_names_are_read_within_the_time_of_a_filter(word: str) -> None:
    pool = FilterPool()
    names = tuple(f"{(word * 1000)[:990]}{n}" for n in range(4))
    assert await pool.find_defect("192.0.2.1", names) == ""
    await pool.aclose()


async def test_filters_of_one_address_do_not_delay_those_of_another() -> None:
    """Each is fast enough; hundreds of them wait."""
    pool = FilterPool()
    slow = " or ".join(["count(//@*[contains(., 'x')]) < 0"] * 20)
    packet = alert_packet()
    assert await pool.find_defect("192.0.2.1", (slow,)) == ""
    loud = [
        asyncio.create_task(pool.matches("192.0.2.1", (f"{slow} or {n}=0",), packet))
        for n in range(300)
    ]
    await asyncio.sleep(0)
    assert await pool.matches("198.51.100.7", (HONEST,), packet)
    assert sum(task.done() for task in loud) < 150
    await pool.aclose()
    for task in loud:
        task.cancel()
    await asyncio.gather(*loud, return_exceptions=True)


async def test_a_filter_may_be_replaced_and_every_event_passes_the_new_one() -> None:
    weak, strong = alert_packet(0, snr=10.0), alert_packet(1, snr=60.0)
    async with serving() as site:
        client = await site.introduce(filters=("//Param[@name='snr' and @value<0]",))
        await client.send(
            transport("authenticate", response="", filters=("//Param[@name='snr' and @value>50]",))
        )
        await site.alert(await site.introduce(), start=100)
        for packet in (weak, strong):
            site.server.broadcast(ivorn_of(packet), packet)
        assert await client.receive_events(1, 60) == [ivorn_of(strong)]
