"""The VTP server over a real socket: nobody disturbs anybody."""

import asyncio
import ipaddress
import itertools
import struct
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from runtime.settings import VtpSettings
from services.distribute.handlers.vtp import VtpServer
from tests.support.vtp import NAMESPACES, VtpClient, ivorn_of, transport
from tests.support.vtp_events import alert_packet as packet
from tests.support.vtp_log import memory_log


async def started(**settings: object) -> VtpServer:
    server = VtpServer(
        VtpSettings(port=0).model_copy(update=settings), "org.test", log=memory_log()
    )
    await server.start()
    return server


@pytest.fixture
async def server() -> AsyncIterator[VtpServer]:
    made = await started(queue_length=50)
    yield made
    await made.aclose()


def broadcast(server: VtpServer, event: bytes) -> int:
    return server.broadcast(ivorn_of(event), event)


async def n_subscribers(server: VtpServer, n: int) -> None:
    async with asyncio.timeout(60):
        while server.n_subscribers != n:  # noqa: ASYNC110  (there is no event to wait for)
            await asyncio.sleep(0.01)


async def connected(server: VtpServer) -> VtpClient:
    """Connect; the server offers authentication first and demands nothing."""
    client = await VtpClient.connect(server.port)
    assert await client.receive_role() == "authenticate"
    return client


async def greeted(server: VtpServer, **introduction: tuple[str, ...]) -> VtpClient:
    """Connect and answer without a name, so that events come at once."""
    client = await connected(server)
    await client.send(transport("authenticate", response="", **introduction))
    return client


async def test_every_subscriber_gets_every_packet_in_order(server: VtpServer) -> None:
    clients = [await greeted(server) for _ in range(5)]
    packets = [packet(number) for number in range(20)]
    for each in packets:
        assert broadcast(server, each) == len(clients)
    expected = [ivorn_of(each) for each in packets]
    for client in clients:
        assert await client.receive_events(20) == expected
        await client.aclose()
    await n_subscribers(server, 0)


@pytest.mark.parametrize("namespace", NAMESPACES)
async def test_answers_of_all_clients_keep_the_connection(
    server: VtpServer, namespace: str
) -> None:
    client = await greeted(server)
    for role in ("authenticate", "iamalive"):
        await client.send(transport(role, namespace=namespace))
    for number in range(3):
        broadcast(server, packet(number))
        await client.receive_events(1)
        await client.send(transport("ack", namespace=namespace))
    assert server.n_subscribers == 1
    await client.aclose()


async def test_a_packet_that_is_sent_again_is_offered_once(server: VtpServer) -> None:
    client = await greeted(server)
    for number in (0, 0, 1):
        broadcast(server, packet(number))
    assert await client.receive_events(2) == [ivorn_of(packet(number)) for number in (0, 1)]
    await client.aclose()


async def test_a_filter_passes_only_its_packets_from_the_first_on(server: VtpServer) -> None:
    picky, plain = await connected(server), await greeted(server)
    await n_subscribers(server, 2)
    weak, strong = packet(0, snr=10.0), packet(1, snr=60.0)
    broadcast(server, weak)
    filters = ("//Param[@name='snr' and @value>50]",)
    await picky.send(transport("authenticate", filters=filters))
    broadcast(server, strong)
    assert await picky.receive_events(1) == [ivorn_of(strong)]
    assert await plain.receive_events(2) == [ivorn_of(weak), ivorn_of(strong)]
    await picky.aclose()
    await plain.aclose()


async def test_a_subscriber_that_never_introduces_itself_gets_events_all_the_same(
    server: VtpServer,
) -> None:
    client = await connected(server)
    await n_subscribers(server, 1)
    for number in range(3):
        broadcast(server, packet(number))
    assert await client.receive_events(3) == [ivorn_of(packet(number)) for number in range(3)]
    await client.aclose()


async def test_a_subscriber_that_does_not_read_is_cut_and_delays_nobody(
    server: VtpServer,
) -> None:
    deaf = await VtpClient.connect(server.port, limit=1024)
    deaf.reader._transport.pause_reading()  # type: ignore[attr-defined]
    quick = await greeted(server)
    await n_subscribers(server, 2)
    numbers = itertools.count(100)
    while server.n_subscribers == 2:
        fresh = packet(next(numbers))
        broadcast(server, fresh)
        assert await quick.receive_events(1) == [ivorn_of(fresh)]
    broadcast(server, packet(7))
    assert await quick.receive_events(1) == [ivorn_of(packet(7))]
    await deaf.aclose()
    await quick.aclose()


@pytest.mark.parametrize(
    "data",
    [
        struct.pack("!I", 5) + b"hello",
        struct.pack("!I", 0xFFFF_FFFF),
        struct.pack("!I", 0),
        b"GET / HTTP/1.1\r\n\r\n" + b"x" * 100,
        struct.pack("!I", 6) + b"<a></a>",
    ],
)
async def test_garbage_is_cut_and_delays_nobody(server: VtpServer, data: bytes) -> None:
    good, bad = await greeted(server), await greeted(server)
    await bad.send_raw(data)
    assert await bad.is_cut()
    await n_subscribers(server, 1)
    broadcast(server, packet())
    assert len(await good.receive_events(1)) == 1
    await good.aclose()


async def test_expensive_filters_are_cut(server: VtpServer) -> None:
    client = await greeted(server)
    await client.send(transport("authenticate", filters=("//*[//*[//*[//*]]]",)))
    assert await client.is_cut()


async def test_who_says_nothing_for_three_heartbeats_is_cut() -> None:
    # Three of these are longer than a busy machine lets the loop wait.
    server = await started(iamalive_s=1.0)
    silent, slow_loris, alive = [await connected(server) for _ in range(3)]
    keep = asyncio.create_task(_stay_alive(alive))
    drip = asyncio.create_task(_drip(slow_loris))
    assert await silent.is_cut()
    await n_subscribers(server, 1)
    broadcast(server, packet())
    assert len(await alive.receive_events(1)) == 1
    for task in (keep, drip):
        task.cancel()
    await asyncio.gather(keep, drip, return_exceptions=True)
    for client in (silent, slow_loris, alive):
        await client.aclose()
    await server.aclose()


async def _stay_alive(client: VtpClient) -> None:
    while True:
        await client.send(transport("iamalive"))
        await asyncio.sleep(0.05)


async def _drip(client: VtpClient) -> None:
    """Send a document byte by byte, for ever unfinished."""
    document = transport("iamalive")
    for byte in struct.pack("!I", len(document)) + document[:-1]:
        await client.send_raw(bytes([byte]))
        await asyncio.sleep(0.05)


async def test_heartbeats_come_unasked() -> None:
    server = await started(iamalive_s=0.05)
    client = await greeted(server)
    assert [await client.receive_role() for _ in range(2)] == ["iamalive"] * 2
    await client.aclose()
    await server.aclose()


async def test_one_too_many_is_turned_away() -> None:
    server = await started(max_subscribers=2)
    clients = [await greeted(server) for _ in range(2)]
    assert await (await VtpClient.connect(server.port)).is_cut()
    await clients[0].aclose()
    await n_subscribers(server, 1)
    clients[0] = await greeted(server)
    for client in clients:
        await client.aclose()
    await server.aclose()


async def test_a_stop_ends_every_connection() -> None:
    server = await started()
    clients = [await greeted(server) for _ in range(20)]
    async with asyncio.timeout(60):
        await server.aclose()
    assert all([await client.is_cut() for client in clients])


def networks(*texts: str) -> tuple[object, ...]:
    return tuple(ipaddress.ip_network(text) for text in texts)


async def test_only_allowed_networks_get_in() -> None:
    server = await started(allow=networks("192.0.2.0/24", "2001:db8::/32"))
    assert await (await VtpClient.connect(server.port)).is_cut()
    await server.aclose()
    server = await started(allow=networks("127.0.0.0/8"))
    await (await greeted(server)).aclose()
    await server.aclose()


@pytest.mark.parametrize("limit", ["max_per_host", "max_connects_per_minute"])
async def test_one_address_cannot_take_every_place(limit: str) -> None:
    server = await started(**{limit: 3})
    clients = [await greeted(server) for _ in range(3)]
    assert await (await VtpClient.connect(server.port)).is_cut()
    broadcast(server, packet())
    for client in clients:
        assert len(await client.receive_events(1)) == 1
    await clients[0].aclose()
    await n_subscribers(server, 2)
    late = await VtpClient.connect(server.port)
    if limit == "max_per_host":
        assert await late.receive_role() == "authenticate"
    else:
        assert await late.is_cut()  # it has connected often enough for a minute
    for client in (*clients[1:], late):
        await client.aclose()
    await server.aclose()


async def test_a_frame_that_never_ends_is_cut_and_delays_nobody(
    server: VtpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.distribute.handlers.frame_reader._FRAME_TIMEOUT_S", 0.5)
    good, bad = await greeted(server), await greeted(server)
    await bad.send_raw(struct.pack("!I", 4000))
    for number in range(3):
        with suppress(ConnectionError):  # it is cut already where the machine is busy
            await bad.send_raw(b"<")
        broadcast(server, packet(number))
        assert len(await good.receive_events(1)) == 1
        await asyncio.sleep(0.1)
    assert await bad.is_cut()
    await n_subscribers(server, 1)
    await good.aclose()


async def test_entity_bombs_are_garbage(server: VtpServer) -> None:
    bomb = b'<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;&b;">]><a role="ack">&c;&c;</a>'
    client = await greeted(server)
    await client.send(bomb)
    assert await client.is_cut()


async def test_a_flood_of_answers_is_cut(
    server: VtpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.distribute.handlers.subscriber._MAX_IDLE_MESSAGES", 20)
    good, bad = await greeted(server), await greeted(server)
    answer = transport("iamalive")
    await bad.send_raw((struct.pack("!I", len(answer)) + answer) * 100)
    assert await bad.is_cut()
    broadcast(server, packet())
    assert len(await good.receive_events(1)) == 1
    await good.aclose()


async def test_512_subscribers_at_once() -> None:
    server = await started(max_per_host=1000, max_connects_per_minute=10_000)
    clients = await asyncio.gather(*[VtpClient.connect(server.port) for _ in range(512)])
    await n_subscribers(server, 512)
    assert await (await VtpClient.connect(server.port)).is_cut()  # the 513th
    packets = [packet(number) for number in range(10)]
    for each in packets:
        assert broadcast(server, each) == 512
    expected = [ivorn_of(each) for each in packets]
    heard = await asyncio.gather(*[client.receive_events(10, 60) for client in clients])
    assert all(each == expected for each in heard)
    for client in clients:
        await client.aclose()
    await server.aclose()
