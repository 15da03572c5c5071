"""Authors elsewhere and a distribute process that is killed, or whose database is away."""

import asyncio
from collections import Counter
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from livetrap.stack.ports import choose_port
from tests.support.comet import comet_subscriber, send_by_comet
from tests.support.receivers import until
from tests.support.submissions import foreign_packet, submit
from tests.support.vtp import VtpClient, ivorn_of
from tests.support.vtp_events import source_event
from tests.support.vtp_proxy import proxy_to
from tests.support.vtp_service import AlertSite, wait_until


@pytest.fixture
def on(site: AlertSite) -> dict[str, str]:
    """Return the settings that open the port."""
    return {"LIVETRAP_VTP__SUBMIT_PORT": str(choose_port(None, taken={site.vtp_port}))}


def port_of(on: dict[str, str]) -> int:
    return int(on["LIVETRAP_VTP__SUBMIT_PORT"])


def test_comet_as_author_and_comet_as_subscriber(
    site: AlertSite, on: dict[str, str], tmp_path: Path
) -> None:
    site.start_and_wait("distribute", **on)
    packets = [foreign_packet(number) for number in range(3)]
    path = tmp_path / "event.xml"
    with comet_subscriber(site.vtp_port, tmp_path) as comet:
        for packet in packets:
            path.write_bytes(packet)
            is_acknowledged, log = send_by_comet(port_of(on), path)
            assert is_acknowledged, log
        is_acknowledged, log = send_by_comet(port_of(on), path)
        assert not is_acknowledged
        assert "previously seen by this broker" in log
        own = site.issue([source_event(number) for number in range(3)])
        expected = Counter(map(ivorn_of, packets)) + Counter(own)
        wait_until(lambda: Counter(comet.ivorns()) == expected, what="events at Comet")
        assert set(packets) < set(comet.packets())


async def test_sigkill_between_ack_and_broadcast_loses_nothing(
    site: AlertSite, on: dict[str, str]
) -> None:
    await asyncio.to_thread(lambda: site.start_and_wait("distribute", **on))
    acknowledged = []
    for number in range(10):
        packet = foreign_packet(number)
        assert (await submit(port_of(on), packet))[0] == "ack"
        acknowledged.append(ivorn_of(packet))
    await asyncio.to_thread(site.services[-1].kill)
    # As if it had been killed before the last three were relayed.
    # And as if that had been two minutes ago: what is younger is relayed again.
    await asyncio.to_thread(
        site.fetch,
        "update submission set time_received = now() - interval '2 minutes', time_relayed = "
        "case when id <= (select max(id) - 3 from submission) then now() end returning id",
    )
    await asyncio.to_thread(lambda: site.start_and_wait("distribute", **on))
    client = await VtpClient.connect(site.vtp_port)
    assert await client.receive_role() == "authenticate"
    assert await client.receive_events(3) == acknowledged[-3:]
    assert (await submit(port_of(on), foreign_packet(0)))[0] == "nak"
    await client.aclose()


async def listen(port: int, heard: set[str]) -> None:
    """Hear events for ever; come back when the server does."""
    while True:
        with suppress(OSError, asyncio.IncompleteReadError):
            client = await VtpClient.connect(port)
            try:
                while True:
                    heard.update(await client.receive_events(1, 60))
            finally:
                await client.aclose()
        await asyncio.sleep(0.1)


async def be_author(port: int, numbers: range, acknowledged: set[str]) -> None:
    """Submit events, each until the broker has it."""
    for number in numbers:
        packet = foreign_packet(number)
        while ivorn_of(packet) not in acknowledged:
            with suppress(OSError, asyncio.IncompleteReadError):
                role, origin, message = await submit(port, packet)
                if role == "ack" or "previously seen" in message:
                    acknowledged.add(origin)
                    break
            await asyncio.sleep(0.1)


async def test_sigkill_in_a_burst_loses_nothing_that_was_acknowledged(
    site: AlertSite, on: dict[str, str]
) -> None:
    heard: set[str] = set()
    acknowledged: set[str] = set()
    await asyncio.to_thread(lambda: site.start_and_wait("distribute", **on))
    listening = asyncio.create_task(listen(site.vtp_port, heard))
    authors = [
        asyncio.create_task(be_author(port_of(on), range(first, first + 30), acknowledged))
        for first in (0, 100, 200)
    ]
    for n_before in (10, 40):
        await until(lambda n=n_before: len(acknowledged) >= n)
        await asyncio.to_thread(site.services[-1].kill)
        await asyncio.to_thread(lambda: site.start_and_wait("distribute", **on))
    await asyncio.gather(*authors)
    await until(lambda: len(heard) == 90)
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
    assert acknowledged == heard
    query = "select 1 from submission where time_relayed is null"
    await asyncio.to_thread(
        lambda: wait_until(lambda: site.fetch(query) == [], what="all of them marked")
    )


async def test_a_database_that_is_away_takes_nothing_and_says_so(
    site: AlertSite, on: dict[str, str]
) -> None:
    parts = urlsplit(site.postgres_url)
    with proxy_to(parts.hostname or "", parts.port or 0) as proxy:
        address = f"{parts.username}:{parts.password}@127.0.0.1:{proxy.port}"
        through = {"LIVETRAP_POSTGRES__URL": urlunsplit(parts._replace(netloc=address))}
        await asyncio.to_thread(lambda: site.start_and_wait("distribute", **on, **through))
        client = await VtpClient.connect(site.vtp_port)
        assert await client.receive_role() == "authenticate"
        await asyncio.to_thread(proxy.shut)
        role, origin, message = await submit(port_of(on), foreign_packet(0))
        assert (role, origin) == ("nak", ivorn_of(foreign_packet(0)))
        assert "try again later" in message
        await asyncio.to_thread(proxy.open)
        async with asyncio.timeout(60):
            while (await submit(port_of(on), foreign_packet(0)))[0] != "ack":  # noqa: ASYNC110
                await asyncio.sleep(0.2)
        assert await client.receive_events(1) == [ivorn_of(foreign_packet(0))]
        await client.aclose()
