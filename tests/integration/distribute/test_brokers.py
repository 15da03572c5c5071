"""Alerts go to other brokers: one of the test with answers of its choice, and Comet."""

import asyncio
import re
import struct
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest
from pydantic import SecretStr

from livetrap.cli import run
from runtime.advisory_lock import AdvisoryLock
from runtime.settings import BrokerSettings, PostgresSettings, Settings
from services.distribute.handlers.broker import Broker
from services.distribute.steps.transport import build_transport, frame
from services.distribute.storage import DeliveryStore
from tests.support.comet import CometBroker, comet_broker
from tests.support.receivers import build_channel, issue, running, until
from tests.support.voevent import read_packet
from tests.support.vtp import VtpClient, acknowledge, ivorn_of, transport
from tests.support.vtp_events import source_event
from tests.support.vtp_service import AlertSite, wait_until

Answer = bytes | None


def ack(ivorn: str) -> bytes:
    return frame(build_transport("ack", ivorn, response="ivo://test/broker"))


def nak(ivorn: str, message: str) -> bytes:
    return frame(build_transport("nak", ivorn, response="ivo://test/broker", result=message))


class FakeBroker:
    """A broker that answers with the result of `answer`, and keeps the ivorns that it got."""

    def __init__(self, answer: Callable[[str], Answer]) -> None:
        self.answer = answer
        self.heard: list[str] = []
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            (length,) = struct.unpack("!I", await reader.readexactly(4))
            packet = await reader.readexactly(length)
        except asyncio.IncompleteReadError:
            return
        self.heard.append(ivorn_of(packet))
        if (said := self.answer(self.heard[-1])) is not None:
            writer.write(said)
        writer.close()


@asynccontextmanager
async def broker(answer: Callable[[str], Answer] = ack) -> AsyncIterator[FakeBroker]:
    made = FakeBroker(answer)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        await server.wait_closed()


@asynccontextmanager
async def channel_to(
    pool: asyncpg.Pool, port: int, *, max_refusals: int = 20
) -> AsyncIterator[str]:
    """Run a channel to a broker; give its name."""
    name = f"broker-{uuid.uuid4().hex[:8]}"
    store = DeliveryStore(pool)
    await store.ensure_subscriber("broker", name)
    settings = BrokerSettings(name=name, host="127.0.0.1", port=port)
    channel = build_channel(
        "broker", name, Broker(settings).deliver, store, max_refusals=max_refusals
    )
    async with running(channel):
        yield name


async def deliveries(pool: asyncpg.Pool, name: str) -> dict[str, bool]:
    """Return by ivorn whether the broker has it."""
    rows = await pool.fetch(
        "select ivorn, time_acknowledged is not null as has_it from delivery "
        "join alert on alert.id = alert_id where subscriber = $1 order by alert.id",
        name,
    )
    return {row["ivorn"]: row["has_it"] for row in rows}


async def until_delivered(pool: asyncpg.Pool, name: str, ivorn: str) -> None:
    """Wait until an alert is behind the broker's cursor."""
    query = (
        "select since_alert_id >= (select id from alert where ivorn = $2) from subscriber "
        "where name = $1"
    )
    async with asyncio.timeout(60):
        while not await pool.fetchval(query, name, ivorn):  # noqa: ASYNC110  (it is polled)
            await asyncio.sleep(0.02)


async def test_every_alert_is_submitted_once_and_in_order(pool: asyncpg.Pool) -> None:
    async with broker() as there, channel_to(pool, there.port) as name:
        expected = await issue(pool, 5)
        await until_delivered(pool, name, expected[-1])
        assert there.heard == expected
        assert await deliveries(pool, name) == dict.fromkeys(expected, True)


async def test_what_a_broker_has_seen_before_counts_as_delivered(pool: asyncpg.Pool) -> None:
    def seen(ivorn: str) -> bytes:
        return nak(ivorn, "Event rejected: Previously seen by this broker")

    async with broker(seen) as there, channel_to(pool, there.port) as name:
        expected = await issue(pool, 2)
        await until_delivered(pool, name, expected[-1])
        assert there.heard == expected
        assert await deliveries(pool, name) == dict.fromkeys(expected, True)


@pytest.mark.parametrize(
    "said",
    [
        None, b"\x00", b"\xff\xff\xff\xff", frame(b"garbage"), frame(transport("authenticate")),
        frame(b"<?xml version='1.0'?><!DOCTYPE x [<!ENTITY a 'b'>]><x>&a;</x>"),
        nak("ivo://a/b#c", "the database is away; try again later"),
    ],
)  # fmt: skip
async def test_no_answer_or_a_strange_one_is_a_failure_and_keeps_the_order(
    pool: asyncpg.Pool, said: Answer
) -> None:
    answers = [said] * 5
    async with (
        broker(lambda ivorn: answers.pop() if answers else ack(ivorn)) as there,
        channel_to(pool, there.port) as name,
    ):
        first, second = await issue(pool, 2)
        await until_delivered(pool, name, second)
        assert there.heard == [first] * 6 + [second]
        assert await deliveries(pool, name) == {first: True, second: True}


async def test_one_bad_alert_does_not_block_the_later_ones(pool: asyncpg.Pool) -> None:
    bad: list[str] = []

    def answer(ivorn: str) -> bytes:
        # As Comet does: what it refused, it has "seen" the next time.
        if ivorn in bad:
            return nak(ivorn, "Previously seen by this broker")
        if not bad:
            bad.append(ivorn)
            return nak(ivorn, "not valid: for the test")
        return ack(ivorn)

    async with broker(answer) as there, channel_to(pool, there.port, max_refusals=4) as name:
        (first,) = await issue(pool)
        await until(lambda: there.heard.count(first) >= 6)  # alone it is tried on and on
        second, third = await issue(pool, 2)
        await until_delivered(pool, name, third)
        assert await deliveries(pool, name) == {first: False, second: True, third: True}
        assert [one for one in there.heard if one != first] == [second, third]
        query = "select disabled_reason from subscriber where name = $1"
        assert await pool.fetchval(query, name) is None


async def test_a_refusal_that_ends_costs_no_alert(pool: asyncpg.Pool) -> None:
    no = {"is": True}

    def answer(ivorn: str) -> bytes:
        return nak(ivorn, "No space left on device") if no["is"] else ack(ivorn)

    async with broker(answer) as there, channel_to(pool, there.port) as name:
        expected = await issue(pool, 4)
        await until(lambda: expected[3] in there.heard)
        no["is"] = False
        await until_delivered(pool, name, expected[-1])
        assert await deliveries(pool, name) == dict.fromkeys(expected, True)


async def test_a_broker_that_refuses_everything_is_disabled_until_somebody_enables_it(
    pool: asyncpg.Pool, postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("LIVETRAP_POSTGRES__URL", postgres_url)
    monkeypatch.setenv("LIVETRAP_DATA_DIR", str(tmp_path / "no-stack"))
    no = {"is": True}

    def answer(ivorn: str) -> bytes:
        return nak(ivorn, "go away") if no["is"] else ack(ivorn)

    async with broker(answer) as there, channel_to(pool, there.port, max_refusals=5) as name:
        expected = await issue(pool, 4)
        disabled = "select disabled_reason from subscriber where name = $1"
        async with asyncio.timeout(60):
            while await pool.fetchval(disabled, name) is None:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert there.heard == [*[expected[0]] * 3, *expected[1:3]]
        assert await asyncio.to_thread(run, ["alerts", "subscribers"]) == 0
        assert re.search(rf"broker +{name}.*disabled: refused: go away", capsys.readouterr().out)
        no["is"] = False
        assert await asyncio.to_thread(run, ["alerts", "enable", "broker", name]) == 0
        await until_delivered(pool, name, expected[-1])
        assert await deliveries(pool, name) == dict.fromkeys(expected, True)


def test_they_are_named_in_the_settings_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "site.toml"
    path.write_text('[[distribute.brokers]]\nname = "comet"\nhost = "voevent.example.org"\n')
    monkeypatch.setenv("LIVETRAP_CONFIG", str(path))
    (named,) = Settings().distribute.brokers
    assert (named.host, named.port) == ("voevent.example.org", 8098)


@pytest.fixture
def comet(tmp_path: Path) -> Iterator[CometBroker]:
    with comet_broker(tmp_path) as made:
        yield made


def start(site: AlertSite, comet: CometBroker) -> None:
    path = site.folder / "site.toml"
    path.write_text(
        f'[[distribute.brokers]]\nname = "comet"\nhost = "127.0.0.1"\nport = {comet.submit_port}\n'
    )
    site.start_and_wait("distribute", LIVETRAP_CONFIG=str(path))


def issue_night(site: AlertSite, start: int, stop: int) -> list[str]:
    """Store and send alerts; return their ivorns."""
    return site.issue([source_event(number) for number in range(start, stop)])


def saved(comet: CometBroker, expected: list[str]) -> None:
    """Wait until Comet has all of them; none twice."""
    wait_until(lambda: len(comet.ivorns()) >= len(expected), what="events at Comet")
    assert Counter(comet.ivorns()) == Counter(expected)
    for packet in comet.packets():
        read_packet(packet)


def wait_for_acknowledgements(site: AlertSite, n: int) -> None:
    """Wait until the channel is done with so many alerts."""
    query = (
        "select 1 from alert join subscriber on alert.id <= since_alert_id "
        "where channel = 'broker'"
    )
    wait_until(lambda: len(site.fetch(query)) == n, what=f"{n} alerts done")


async def test_comet_relays_every_alert_of_a_night_once(
    site: AlertSite, comet: CometBroker
) -> None:
    await asyncio.to_thread(start, site, comet)
    client = await VtpClient.connect(comet.subscribe_port)
    assert await client.receive_role() == "authenticate"
    relayed: list[str] = []

    async def listen() -> None:
        while True:
            document = await client.receive(120)
            if b"Transport" not in document:
                relayed.append(ivorn_of(document))
                await client.send(acknowledge(relayed[-1]))

    listening = asyncio.create_task(listen())
    expected = await asyncio.to_thread(issue_night, site, 0, 40)
    await asyncio.to_thread(saved, comet, expected)
    await until(lambda: Counter(relayed) == Counter(expected))
    listening.cancel()
    await client.aclose()
    await asyncio.to_thread(wait_for_acknowledgements, site, 40)
    query = (
        "select 1 from delivery where channel = 'broker' and subscriber = 'comet' "
        "and time_acknowledged >= time_sent"
    )
    assert len(await asyncio.to_thread(site.fetch, query)) == 40


async def test_a_broker_has_its_place_when_the_service_has_started(
    site: AlertSite, comet: CometBroker
) -> None:
    # As long as another process delivers, this one looks at no broker.
    settings = PostgresSettings(url=SecretStr(site.postgres_url))
    lock = AdvisoryLock(settings, name="livetrap.distribute.lead", service="test")
    assert await lock.try_acquire()
    await asyncio.to_thread(start, site, comet)
    query = "select name from subscriber where channel = 'broker'"
    assert [row["name"] for row in await asyncio.to_thread(site.fetch, query)] == ["comet"]
    expected = await asyncio.to_thread(issue_night, site, 0, 3)
    lock.release()
    await asyncio.to_thread(saved, comet, expected)


def test_comet_killed_and_started_again_misses_nothing(
    site: AlertSite, comet: CometBroker
) -> None:
    start(site, comet)
    expected = issue_night(site, 0, 20)
    wait_for_acknowledgements(site, 20)
    saved(comet, expected)
    comet.kill()
    expected += issue_night(site, 20, 40)
    wait_until(lambda: site.services[-1].has_logged("delivery_failed"), what="failure")
    comet.start()
    wait_for_acknowledgements(site, 40)
    saved(comet, expected)


def test_livetrap_killed_with_sigkill_loses_nothing_and_comet_knows_what_comes_again(
    site: AlertSite, comet: CometBroker
) -> None:
    start(site, comet)
    expected: list[str] = []
    for round_number in range(4):
        first = 20 * round_number
        expected += issue_night(site, first, first + 20)
        wait_until(lambda first=first: len(comet.ivorns()) > first + 3, what="events at Comet")
        site.services[-1].kill()
        # As if it had been killed after the answer of Comet and before it recorded it.
        site.fetch(
            "update subscriber set since_alert_id = since_alert_id - 2 where channel = 'broker' "
            "returning 1"
        )
        start(site, comet)
    wait_for_acknowledgements(site, 80)
    saved(comet, expected)
    assert "Previously seen by this broker" in comet.log.read_text()
    (row,) = site.fetch(
        "select count(*) as n from delivery where channel = 'broker' "
        "and time_acknowledged is not null"
    )
    assert row["n"] == 80
