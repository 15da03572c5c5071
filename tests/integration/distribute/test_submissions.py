"""Authors elsewhere submit events; our subscribers get them, whatever else comes in there."""

import asyncio
import ipaddress
import struct
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runtime.errors import SettingsError
from runtime.settings import VtpSettings
from services.distribute.handlers.relay import SubmissionRelay
from services.distribute.handlers.vtp import VtpServer
from services.distribute.handlers.vtp_receiver import VtpReceiver
from services.distribute.storage import SubmissionStore
from tests.support.examples import examples
from tests.support.receivers import until
from tests.support.submissions import answer_to, foreign_packet, submit
from tests.support.vtp import VtpClient, ivorn_of, transport
from tests.support.vtp_log import memory_log


@pytest.fixture(autouse=True)
async def no_submissions(pool: asyncpg.Pool) -> None:
    """Delete the events of the last test: those of the last minute are relayed at a start."""
    await pool.execute("delete from submission")


def fresh_packet() -> bytes:
    """Return an event that no other has."""
    packet = foreign_packet()
    return packet.replace(b"#", f"#{uuid.uuid4().hex}.".encode(), 1)


@dataclass
class Broker:
    """Both ports in this process."""

    vtp: VtpServer
    authors: VtpReceiver
    relay: SubmissionRelay
    clients: list[VtpClient] = field(default_factory=list)


@asynccontextmanager
async def broker(pool: asyncpg.Pool, **changes: Any) -> AsyncIterator[Broker]:
    made = VtpSettings(port=0, submit_port=0).model_copy(update=changes)
    vtp = VtpServer(made, "org.test", log=memory_log())
    await vtp.start()
    store = SubmissionStore(pool)
    relay = SubmissionRelay(store, vtp.relay)
    authors = VtpReceiver(made, "org.test", store=store, relay=relay.relay)
    await authors.start()
    running = asyncio.create_task(relay.run())
    there = Broker(vtp, authors, relay)
    try:
        yield there
    finally:
        for client in there.clients:
            await client.aclose()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await authors.aclose()
        await relay.aclose()
        await vtp.aclose()


async def subscriber(there: Broker) -> VtpClient:
    client = await VtpClient.connect(there.vtp.port, limit=1 << 20)
    there.clients.append(client)
    assert await client.receive_role() == "authenticate"
    await client.send(transport("authenticate", response=""))
    return client


async def test_an_event_is_stored_acknowledged_and_relayed_byte_for_byte(
    pool: asyncpg.Pool,
) -> None:
    async with broker(pool) as there:
        clients = [await subscriber(there) for _ in range(3)]
        packet = fresh_packet().replace(b"<Who>", b"<!-- as it came -->\n  <Who>", 1)
        assert await submit(there.authors.port, packet) == ("ack", ivorn_of(packet), "")
        for client in clients:
            assert await client.receive() == packet
        query = "select packet, peer from submission where ivorn = $1"
        marked = "select time_relayed is not null from submission where ivorn = $1"
        row = await pool.fetchrow(query, ivorn_of(packet))
        assert (row["packet"], row["peer"]) == (packet, "127.0.0.1")
        async with asyncio.timeout(60):
            while not await pool.fetchval(marked, ivorn_of(packet)):  # noqa: ASYNC110
                await asyncio.sleep(0.02)


async def test_a_repeated_ivorn_is_answered_as_previously_seen(pool: asyncpg.Pool) -> None:
    async with broker(pool) as there:
        client = await subscriber(there)
        packet, after = fresh_packet(), fresh_packet()
        answers = await asyncio.gather(*(submit(there.authors.port, packet) for _ in range(8)))
        assert Counter(role for role, _, _ in answers) == {"ack": 1, "nak": 7}
        other = packet.replace(b"LOFAR", b"OTHER")
        role, origin, message = await submit(there.authors.port, other)
        assert (role, origin) == ("nak", ivorn_of(packet))
        assert message == "previously seen by this broker"
        await submit(there.authors.port, after)
        assert await client.receive_events(2) == [ivorn_of(packet), ivorn_of(after)]


async def test_an_invalid_event_is_answered_with_the_reason_and_not_relayed(
    pool: asyncpg.Pool,
) -> None:
    async with broker(pool) as there:
        client = await subscriber(there)
        ours = foreign_packet(authority="org.test")
        for packet, message in (
            (b"hello", "well-formed"),
            (fresh_packet().replace(b"<Who>", b"<Whom/><Who>"), "not valid by the schema"),
            (ours, "broker's own"),
        ):
            role, _, said = await submit(there.authors.port, packet)
            assert role == "nak"
            assert message in said
        after = fresh_packet()
        await submit(there.authors.port, after)
        assert await client.receive() == after


async def test_the_length_is_limited_and_said(pool: asyncpg.Pool) -> None:
    async with broker(pool) as there:
        packet = fresh_packet()
        padded = packet + b"<!--" + b"x" * (99_999 - len(packet) - 7) + b"-->"
        assert len(padded) == 99_999
        assert (await submit(there.authors.port, padded))[0] == "ack"
        for length in (100_000, 2**32 - 1):
            client = await VtpClient.connect(there.authors.port)
            await client.send_raw(struct.pack("!I", length) + b"y" * 300_000)
            role, _, message = answer_to(await client.receive())
            assert role == "nak"
            assert "at most 99999" in message
            await client.aclose()


async def test_only_one_event_of_a_connection_counts(pool: asyncpg.Pool) -> None:
    async with broker(pool) as there:
        subscribed = await subscriber(there)
        client = await VtpClient.connect(there.authors.port)
        first, second, third = fresh_packet(), fresh_packet(), fresh_packet()
        await client.send(first)
        await client.send(second)
        assert answer_to(await client.receive())[0] == "ack"
        await client.aclose()
        await submit(there.authors.port, third)
        assert await subscribed.receive_events(2) == [ivorn_of(first), ivorn_of(third)]


@pytest.mark.parametrize("allow", [(), (ipaddress.ip_network("192.0.2.0/24"),)])
async def test_authors_outside_the_allowed_networks_are_refused(
    pool: asyncpg.Pool, allow: tuple[object, ...]
) -> None:
    async with broker(pool, submit_allow=allow) as there:
        client = await VtpClient.connect(there.authors.port)
        assert await client.is_cut()


async def test_too_many_and_too_often_are_limited(pool: asyncpg.Pool) -> None:
    async with broker(pool, max_per_host=2, submit_per_minute=4) as there:
        idle = [await VtpClient.connect(there.authors.port) for _ in range(2)]
        assert await (await VtpClient.connect(there.authors.port)).is_cut()
        for client in idle:
            await client.aclose()
        await until(lambda: not there.authors._tasks)
        for _ in range(2):
            assert (await submit(there.authors.port, fresh_packet()))[0] == "ack"
        assert await (await VtpClient.connect(there.authors.port)).is_cut()


async def test_who_says_nothing_is_cut(
    pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.distribute.handlers.vtp_receiver.CONNECTION_TIMEOUT_S", 0.3)
    async with broker(pool) as there:
        client = await VtpClient.connect(there.authors.port)
        await client.send_raw(struct.pack("!I", 50_000) + b"<half")
        assert await client.is_cut()


async def test_a_taken_port_is_a_wrong_setting(pool: asyncpg.Pool) -> None:
    async with broker(pool) as there:
        again = VtpReceiver(
            VtpSettings(submit_port=there.authors.port), "org.test",
            store=SubmissionStore(pool), relay=there.relay.relay,
        )  # fmt: skip
        with pytest.raises(SettingsError, match="LIVETRAP_VTP__SUBMIT_PORT"):
            await again.start()


async def test_what_was_stored_by_a_broken_connection_is_relayed_later(
    pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.distribute.handlers.relay._POLL_INTERVAL_S", 0.2)
    async with broker(pool) as there:
        client = await subscriber(there)
        packet = fresh_packet()
        assert await SubmissionStore(pool).add(ivorn_of(packet), packet, "nobody") is not None
        assert await client.receive() == packet


async def test_subscribers_of_another_process_get_it_too_and_once(
    pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.distribute.handlers.relay._POLL_INTERVAL_S", 0.2)
    async with broker(pool) as there, broker(pool) as elsewhere:
        clients = [await subscriber(each) for each in (there, elsewhere)]
        packets = [fresh_packet() for _ in range(4)]
        for packet in packets:
            assert (await submit(there.authors.port, packet))[0] == "ack"
            for client in clients:
                assert await client.receive_events(1) == [ivorn_of(packet)]
        last = fresh_packet()
        assert (await submit(elsewhere.authors.port, last))[0] == "ack"
        for client in clients:
            assert await client.receive_events(1) == [ivorn_of(last)]


async def test_who_connects_within_a_minute_gets_what_was_relayed(
    pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with broker(pool, queue_length=16) as there:
        packets = [fresh_packet() for _ in range(5)]
        for packet in packets:
            assert (await submit(there.authors.port, packet))[0] == "ack"
        client, silent = await subscriber(there), await VtpClient.connect(there.vtp.port)
        there.clients.append(silent)
        assert await silent.receive_role() == "authenticate"
        for each in (client, silent):
            assert await each.receive_events(4) == [ivorn_of(packet) for packet in packets[1:]]
        monkeypatch.setattr("services.distribute.handlers.vtp._REPEATED_S", 0.0)
        late, after = await subscriber(there), fresh_packet()
        await submit(there.authors.port, after)
        for each in (client, late):
            assert await each.receive_events(1) == [ivorn_of(after)]


async def test_what_a_process_before_relayed_a_moment_ago_is_relayed_again(
    pool: asyncpg.Pool,
) -> None:
    store, packets = SubmissionStore(pool), [fresh_packet() for _ in range(3)]
    for packet in packets:
        await store.add(ivorn_of(packet), packet, "nobody")
    await pool.execute("update submission set time_relayed = now()")
    await pool.execute(
        "update submission set time_received = now() - interval '2 minutes' where ivorn = $1",
        ivorn_of(packets[0]),
    )
    async with broker(pool) as there:
        client = await subscriber(there)
        assert await client.receive_events(2) == [ivorn_of(packet) for packet in packets[1:]]


async def test_a_filter_holds_for_what_came_before_the_introduction(pool: asyncpg.Pool) -> None:
    async with broker(pool) as there:
        packets = [fresh_packet() for _ in range(2)]
        for packet in packets:
            assert (await submit(there.authors.port, packet))[0] == "ack"
        client = await VtpClient.connect(there.vtp.port)
        there.clients.append(client)
        assert await client.receive_role() == "authenticate"
        wanted = f"/*[@ivorn = '{ivorn_of(packets[1])}']"
        await client.send(transport("authenticate", response="", filters=(wanted,)))
        assert await client.receive() == packets[1]


async def test_submissions_older_than_a_month_are_deleted(pool: asyncpg.Pool) -> None:
    store = SubmissionStore(pool)
    old, young = fresh_packet(), fresh_packet()
    for packet in (old, young):
        await store.add(ivorn_of(packet), packet, "nobody")
    await pool.execute(
        "update submission set time_received = now() - interval '31 days' where ivorn = $1",
        ivorn_of(old),
    )
    await store.delete_older(timedelta(days=30))
    rows = await pool.fetch(
        "select ivorn from submission where ivorn = any($1)", [ivorn_of(old), ivorn_of(young)]
    )
    assert [row["ivorn"] for row in rows] == [ivorn_of(young)]


async def test_a_flood_of_garbage_delays_no_subscriber(pool: asyncpg.Pool) -> None:
    async with broker(pool, submit_per_minute=10_000) as there:
        client = await subscriber(there)
        garbage = b"<a>" * 30_000

        async def flood() -> None:
            while True:
                await submit(there.authors.port, garbage)

        floods = [asyncio.create_task(flood()) for _ in range(20)]
        for number in range(20):
            packet = foreign_packet(number, authority="org.test")
            there.vtp.broadcast(ivorn_of(packet), packet)
            assert await client.receive() == packet
            await asyncio.sleep(0.02)
        assert not any(task.done() for task in floods)
        for task in floods:
            task.cancel()
        await asyncio.gather(*floods, return_exceptions=True)


BYTES = st.one_of(
    st.binary(max_size=300),
    st.binary(max_size=300).map(lambda body: struct.pack("!I", len(body)) + body),
    st.tuples(st.integers(0, 2**32 - 1), st.binary(max_size=300)).map(
        lambda pair: struct.pack("!I", pair[0]) + pair[1]
    ),
    # A valid event with a few bytes changed.
    st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=4).map(
        lambda changes: _framed(_changed(foreign_packet(3), changes))
    ),
)


def _framed(body: bytes) -> bytes:
    return struct.pack("!I", len(body)) + body


def _changed(packet: bytes, changes: list[tuple[int, int]]) -> bytes:
    data = bytearray(packet)
    for place, value in changes:
        data[place] = value
    return bytes(data)


async def test_any_bytes_are_answered_or_cut_and_the_next_author_is_served(
    pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.distribute.handlers.vtp_receiver.CONNECTION_TIMEOUT_S", 1.0)
    async with broker(pool, submit_per_minute=100_000) as there:
        client = await subscriber(there)
        loop = asyncio.get_running_loop()

        async def throw(data: bytes) -> bytes:
            author = await VtpClient.connect(there.authors.port)
            try:
                await author.send_raw(data)
                author.writer.write_eof()
                async with asyncio.timeout(60):
                    return await author.reader.read()
            except ConnectionError:
                return b""
            finally:
                await author.aclose()

        @settings(max_examples=examples(300), suppress_health_check=list(HealthCheck))
        @given(BYTES)
        def check(data: bytes) -> None:
            heard = asyncio.run_coroutine_threadsafe(throw(data), loop).result(120)
            if heard:
                (length,) = struct.unpack("!I", heard[:4])
                assert length == len(heard) - 4
                assert answer_to(heard[4:])[0] in ("ack", "nak")

        await asyncio.to_thread(check)
        packet = fresh_packet()
        assert (await submit(there.authors.port, packet))[0] == "ack"
        while await client.receive() != packet:
            pass


def test_without_the_setting_there_is_no_such_port() -> None:
    assert VtpSettings().submit_port is None
