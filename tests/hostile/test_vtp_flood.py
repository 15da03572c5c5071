"""Clients that flood, stall or stay silent on the port of subscribers: alerts still go out."""

import asyncio
import gc
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from services.distribute.handlers import subscriber as subscriber_module
from services.distribute.steps.transport import parse_peer_message
from tests.support.vtp import VtpClient, ivorn_of, transport
from tests.support.vtp_events import alert_packet, ivorn_at
from tests.support.vtp_log import MemoryDeliveryStore, memory_log
from tests.support.vtp_site import N_ALERTS, serving


@contextmanager
def parsing_counted() -> Iterator[list[int]]:
    """Give the lengths of the documents that the server parses."""
    lengths: list[int] = []

    def parse(document: bytes) -> object:
        lengths.append(len(document))
        return parse_peer_message(document)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subscriber_module, "parse_peer_message", parse)
        yield lengths


def padded(n_bytes: int) -> bytes:
    """Return a well-formed `iamalive` of a length."""
    document = transport("iamalive")
    return document.replace(b"<Origin>", b"<Origin>" + b"x" * (n_bytes - len(document)))


async def flood(client: VtpClient, document: bytes) -> None:
    """Send a document again and again until the server ends the connection."""
    framed = struct.pack("!I", len(document)) + document
    try:
        while True:
            await client.send_raw(framed)
    except OSError:
        await client.aclose()


@pytest.mark.parametrize("n_bytes", [4097, 990_000])
async def test_a_long_document_is_refused_by_its_length_alone(n_bytes: int) -> None:
    async with serving() as site:
        honest = await site.introduce()
        bad = [await site.introduce() for _ in range(20)]
        with parsing_counted() as lengths:
            floods = [asyncio.create_task(flood(each, padded(n_bytes))) for each in bad]
            await site.alert(honest)
            await asyncio.wait_for(asyncio.gather(*floods), 60)
        assert all(length <= 4096 for length in lengths)  # their introductions
        assert site.server.n_subscribers == 1


async def test_a_flood_of_short_documents_is_read_at_the_rate_of_an_address() -> None:
    async with serving() as site:
        honest = await site.introduce("127.0.0.2")
        bad = [await site.introduce() for _ in range(60)]
        loop = asyncio.get_running_loop()
        with parsing_counted() as lengths:
            started_s = loop.time()
            floods = [asyncio.create_task(flood(each, padded(4000))) for each in bad]
            n_alerts = 0
            while len(lengths) < 100:
                await site.alert(honest, start=n_alerts)
                n_alerts += N_ALERTS
            elapsed_s = loop.time() - started_s
        # Each costs at least 5 of the units, which come at a rate and with what a pause has saved.
        assert len(lengths) <= 200 * (elapsed_s + 2.0) / 5 + 60
        for each in floods:
            each.cancel()
        await asyncio.gather(*floods, return_exceptions=True)


async def test_a_document_that_comes_byte_by_byte_is_understood_and_delays_nobody() -> None:
    async with serving() as site:
        honest, slow = await site.introduce("127.0.0.2"), await site.introduce()
        framed = struct.pack("!I", 4000) + padded(4000)
        for number in range(200):
            await slow.send_raw(framed[number : number + 1])
            await asyncio.sleep(0)
        await site.alert(honest)
        await slow.send_raw(framed[200:])
        assert await slow.receive_events(N_ALERTS, 60)
        assert site.server.n_subscribers == 2


async def test_first_answers_to_alerts_are_read_however_many_there_are() -> None:
    log = memory_log()
    async with serving(log, queue_length=3000) as site:
        client = await site.introduce()
        template = alert_packet()
        packets = [template.replace(b"#", b"#%d" % number) for number in range(1500)]
        for packet in packets:
            site.server.broadcast(ivorn_of(packet), packet)
        ivorns = await client.receive_events(len(packets), 60)
        assert ivorns == [ivorn_of(packet) for packet in packets]
        for ivorn in ivorns:
            await client.send(transport("ack", origin=ivorn))
        async with asyncio.timeout(60):
            while sum(one.is_acknowledged for one in log._pending) < len(packets):  # noqa: ASYNC110  (nothing reports it)
                await asyncio.sleep(0.01)


@pytest.mark.parametrize("said", [b"\x00\x00", struct.pack("!I", 400) + b"<a"])
async def test_half_a_document_is_cut(said: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.distribute.handlers.frame_reader._FRAME_TIMEOUT_S", 0.5)
    async with serving() as site:
        honest, half = await site.introduce(), await site.connect()
        await half.send_raw(said)
        assert await half.is_cut(60)
        await site.alert(honest)


@pytest.mark.parametrize("n_first", [1, 3, 4, 200])
async def test_a_document_that_never_ends_is_cut_though_bytes_of_it_come(
    n_first: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.distribute.handlers.frame_reader._FRAME_TIMEOUT_S", 0.5)
    framed = struct.pack("!I", 4096) + padded(4096)
    async with serving() as site:
        honest, slow = await site.introduce("127.0.0.2"), await site.connect()
        await slow.send_raw(framed[:n_first])
        is_cut = asyncio.create_task(slow.is_cut(60))
        n_sent = n_first
        while not is_cut.done() and n_sent < len(framed) - 1:
            with suppress(OSError):
                await slow.send_raw(framed[n_sent : n_sent + 1])
            n_sent += 1
            await asyncio.wait([is_cut], timeout=0.05)
        assert n_sent < len(framed) - 1
        assert await is_cut
        await site.alert(honest)


@pytest.mark.parametrize("limit", ["max_subscribers", "max_per_host"])
async def test_who_says_nothing_makes_room_for_another(limit: str) -> None:
    async with serving(handshake_s=1.0, **{limit: 4}) as site:
        spoken = await site.introduce()
        silent = [await site.connect() for _ in range(3)]
        assert await (await site.connect()).is_cut(60)  # they may still say something
        for client in silent:
            roles = [await client.receive_role(60) for _ in range(2)]
            assert roles == ["authenticate", "iamalive"]
        async with asyncio.timeout(60):
            while (late := await site.connect()) and await late.is_cut(0.2):  # noqa: ASYNC110  (it is refused until then)
                await asyncio.sleep(0.1)
        assert await silent[0].is_cut(60)
        newcomer = await site.introduce()
        await site.alert(newcomer)
        assert await spoken.receive_events(N_ALERTS) == [ivorn_at(n) for n in range(N_ALERTS)]


async def test_eight_addresses_do_not_fill_the_port() -> None:
    async with serving(max_subscribers=64, max_per_host=8, handshake_s=600.0) as site:
        for number in range(64):
            await site.connect(f"127.0.1.{number % 8 + 1}")
        await site.alert(await site.introduce("127.0.0.2"))


async def test_what_many_missed_and_never_read_is_in_memory_once() -> None:
    store = MemoryDeliveryStore()
    template = alert_packet()
    packets = [template.replace(b"#", b"#%d" % number) + b" " * 40_000 for number in range(300)]

    async def read_anew(*_: object, **__: object) -> list[tuple[str, bytes]]:
        return [(ivorn_of(packet), bytes(bytearray(packet))) for packet in packets]

    store.list_unacknowledged = read_anew  # type: ignore[method-assign]
    async with serving(memory_log(store)) as site:
        for number in range(6):
            client = await site.connect()
            await client.send(transport("authenticate", response=f"ivo://silent/{number}"))
        subscribers = site.server._subscribers
        async with asyncio.timeout(60):
            while len(subscribers) < 6 or not all(each._is_introduced for each in subscribers):  # noqa: ASYNC110  (nothing reports it)
                await asyncio.sleep(0.01)
        waiting = [document for each in subscribers for document in each._queue._queue]  # type: ignore[attr-defined]
        assert len(waiting) > 2 * len(packets)  # the kernel has the others
        assert len({id(document.framed) for document in waiting}) <= len(packets)
        assert len(site.server._missed) <= len(packets)
        del waiting, subscribers
    gc.collect()
    assert not site.server._missed
