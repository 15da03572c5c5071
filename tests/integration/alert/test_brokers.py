"""Other brokers get our alerts: a broker of the test that answers as it is told, and Comet."""

import asyncio
import re
import struct
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest

from livetrap.cli import run
from runtime.settings import BrokerSettings, Settings
from services.alert.handlers.broker import Broker
from services.alert.handlers.channel import DeliveryChannel
from services.alert.steps.transport import build_transport, frame
from services.alert.storage import DeliveryStore
from tests.integration.alert.test_channels import pool, send, until
from tests.integration.alert.test_service import events, ivorns
from tests.support.comet import CometBroker, comet_broker
from tests.support.voevent import read_packet
from tests.support.vtp import VtpClient, acknowledge, ivorn_of, transport
from tests.support.vtp_service import AlertSite, alert_site, wait_until

__all__ = ["pool"]

STATIC = {"LIVETRAP_KAFKA__INSTANCE_ID": "alert"}
Answer = bytes | None


def ack(ivorn: str) -> bytes:
    return frame(build_transport("ack", ivorn, response="ivo://test/broker"))


def nak(ivorn: str, words: str) -> bytes:
    return frame(build_transport("nak", ivorn, response="ivo://test/broker", result=words))


class FakeBroker:
    """A broker that says what `answer` returns, and remembers what it was given."""

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
async def outlet_to(
    pool: asyncpg.Pool, port: int, longest_backoff_s: float = 0.3, n_most_failures: int = 20
) -> AsyncIterator[str]:
    """Run a channel to a broker; give its name."""
    name = f"broker-{uuid.uuid4().hex[:8]}"
    store = DeliveryStore(pool)
    await store.ensure_subscriber("broker", name)
    settings = BrokerSettings(name=name, host="127.0.0.1", port=port)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("services.alert.handlers.channel._FIRST_BACKOFF_S", 0.02)
        patch.setattr("services.alert.handlers.channel._LONGEST_BACKOFF_S", longest_backoff_s)
        patch.setattr("services.alert.handlers.channel._DISABLED_LOOK_EVERY_S", 0.2)
        channel = DeliveryChannel(
            "broker", name, Broker(settings).deliver, store=store,
            longest=timedelta(days=3650), n_most_failures=n_most_failures,
        )  # fmt: skip
        task = asyncio.create_task(channel.run())
        try:
            yield name
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def book(pool: asyncpg.Pool, name: str) -> dict[str, bool]:
    """Return by ivorn whether the broker has it."""
    rows = await pool.fetch(
        "select ivorn, time_acknowledged is not null as has_it from delivery "
        "join alert on alert.id = alert_id where subscriber = $1 order by alert.id",
        name,
    )
    return {row["ivorn"]: row["has_it"] for row in rows}


async def retry_until_success(pool: asyncpg.Pool, name: str, ivorn: str) -> None:
    """Wait until an alert is behind the broker's cursor."""
    query = (
        "select since_alert_id >= (select id from alert where ivorn = $2) from subscriber "
        "where name = $1"
    )
    async with asyncio.timeout(30):
        while not await pool.fetchval(query, name, ivorn):  # noqa: ASYNC110  (it is polled)
            await asyncio.sleep(0.02)


async def test_every_alert_is_submitted_once_and_in_order(pool: asyncpg.Pool) -> None:
    async with broker() as there, outlet_to(pool, there.port) as name:
        expected = await send(pool, 5)
        await retry_until_success(pool, name, expected[-1])
        assert there.heard == expected
        assert await book(pool, name) == dict.fromkeys(expected, True)


async def test_what_it_saw_before_it_has(pool: asyncpg.Pool) -> None:
    def seen(ivorn: str) -> bytes:
        return nak(ivorn, "Event rejected: Previously seen by this broker")

    async with broker(seen) as there, outlet_to(pool, there.port) as name:
        expected = await send(pool, 2)
        await retry_until_success(pool, name, expected[-1])
        assert there.heard == expected
        assert await book(pool, name) == dict.fromkeys(expected, True)


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
        outlet_to(pool, there.port) as name,
    ):
        first, second = await send(pool, 2)
        await retry_until_success(pool, name, second)
        assert there.heard == [first] * 6 + [second]
        assert await book(pool, name) == {first: True, second: True}


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

    async with broker(answer) as there, outlet_to(pool, there.port, n_most_failures=4) as name:
        (first,) = await send(pool)
        await until(lambda: there.heard.count(first) >= 6)  # alone it is tried on and on
        second, third = await send(pool, 2)
        await retry_until_success(pool, name, third)
        assert await book(pool, name) == {first: False, second: True, third: True}
        assert [one for one in there.heard if one != first] == [second, third]
        query = "select disabled_reason from subscriber where name = $1"
        assert await pool.fetchval(query, name) is None


async def test_a_refusal_that_ends_costs_no_alert(pool: asyncpg.Pool) -> None:
    no = {"is": True}

    def answer(ivorn: str) -> bytes:
        return nak(ivorn, "No space left on device") if no["is"] else ack(ivorn)

    async with broker(answer) as there, outlet_to(pool, there.port) as name:
        expected = await send(pool, 4)
        await until(lambda: expected[3] in there.heard)
        no["is"] = False
        await retry_until_success(pool, name, expected[-1])
        assert await book(pool, name) == dict.fromkeys(expected, True)


async def test_a_broker_that_refuses_everything_is_disabled_until_somebody_enables_it(
    pool: asyncpg.Pool, postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("LIVETRAP_POSTGRES__URL", postgres_url)
    monkeypatch.setenv("LIVETRAP_DATA_DIR", str(tmp_path / "no-stack"))
    no = {"is": True}

    def answer(ivorn: str) -> bytes:
        return nak(ivorn, "go away") if no["is"] else ack(ivorn)

    async with broker(answer) as there, outlet_to(pool, there.port, n_most_failures=5) as name:
        expected = await send(pool, 4)
        await until(lambda: len(there.heard) == 5)
        await asyncio.sleep(0.5)
        assert there.heard == [*[expected[0]] * 3, *expected[1:3]]
        assert await asyncio.to_thread(run, ["alerts", "subscribers"]) == 0
        assert re.search(rf"broker +{name}.*disabled: refused: go away", capsys.readouterr().out)
        no["is"] = False
        assert await asyncio.to_thread(run, ["alerts", "enable", "broker", name]) == 0
        await retry_until_success(pool, name, expected[-1])
        assert await book(pool, name) == dict.fromkeys(expected, True)


def test_they_are_named_in_the_settings_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "site.toml"
    path.write_text('[[alert.brokers]]\nname = "comet"\nhost = "voevent.example.org"\n')
    monkeypatch.setenv("LIVETRAP_CONFIG", str(path))
    (named,) = Settings().alert.brokers
    assert (named.host, named.port) == ("voevent.example.org", 8098)


@pytest.fixture
def site(kafka_bootstrap: str, postgres_url: str, tmp_path: Path) -> Iterator[AlertSite]:
    with alert_site(kafka_bootstrap, postgres_url, tmp_path) as made:
        yield made


@pytest.fixture
def comet(tmp_path: Path) -> Iterator[CometBroker]:
    with comet_broker(tmp_path) as made:
        yield made


def start(site: AlertSite, comet: CometBroker) -> None:
    path = site.folder / "site.toml"
    path.write_text(
        f'[[alert.brokers]]\nname = "comet"\nhost = "127.0.0.1"\nport = {comet.submit_port}\n'
    )
    site.start_and_wait(**STATIC, LIVETRAP_CONFIG=str(path))


def saved(comet: CometBroker, expected: Counter[str]) -> None:
    """Wait until Comet has all of them; none twice."""
    wait_until(lambda: len(comet.ivorns()) >= sum(expected.values()), what="events at Comet")
    assert Counter(comet.ivorns()) == expected
    for packet in comet.packets():
        read_packet(packet)


def behind_the_cursor(site: AlertSite, n: int) -> None:
    """Wait until the channel is done with so many alerts."""
    query = (
        "select 1 from alert join subscriber on alert.id <= since_alert_id "
        "where channel = 'broker' and time_broadcast is not null"
    )
    wait_until(lambda: len(site.fetch(query)) == n, what=f"{n} alerts done")


async def test_comet_relays_every_alert_of_a_night_once(
    site: AlertSite, comet: CometBroker
) -> None:
    await asyncio.to_thread(start, site, comet)
    client = await VtpClient.connect(comet.subscribe_port)
    assert await client.hear_role() == "authenticate"
    relayed: list[str] = []

    async def listen() -> None:
        while True:
            document = await client.hear(120)
            if b"Transport" not in document:
                relayed.append(ivorn_of(document))
                await client.say(acknowledge(relayed[-1]))

    listening = asyncio.create_task(listen())
    await asyncio.to_thread(site.publish, events(0, 40))
    expected = ivorns(events(0, 40))
    await asyncio.to_thread(saved, comet, expected)
    await until(lambda: Counter(relayed) == expected)
    listening.cancel()
    await client.aclose()
    await asyncio.to_thread(behind_the_cursor, site, 40)
    query = (
        "select 1 from delivery where channel = 'broker' and subscriber = 'comet' "
        "and time_acknowledged >= time_sent"
    )
    assert len(await asyncio.to_thread(site.fetch, query)) == 40


def test_comet_killed_and_started_again_misses_nothing(
    site: AlertSite, comet: CometBroker
) -> None:
    start(site, comet)
    site.publish(events(0, 20))
    behind_the_cursor(site, 20)
    saved(comet, ivorns(events(0, 20)))
    comet.kill()
    site.publish(events(20, 40))
    wait_until(lambda: site.services[-1].has_logged("delivery_failed"), what="failure")
    comet.start()
    behind_the_cursor(site, 40)
    saved(comet, ivorns(events(0, 40)))


def test_livetrap_killed_with_sigkill_loses_nothing_and_comet_knows_what_comes_again(
    site: AlertSite, comet: CometBroker
) -> None:
    start(site, comet)
    for round_number in range(4):
        first = 20 * round_number
        site.publish(events(first, first + 20))
        wait_until(lambda first=first: len(comet.ivorns()) > first + 3, what="events at Comet")
        site.services[-1].kill()
        # As if it had been killed between Comet's answer and the note of it.
        site.fetch(
            "update subscriber set since_alert_id = since_alert_id - 2 where channel = 'broker' "
            "returning 1"
        )
        start(site, comet)
    behind_the_cursor(site, 80)
    saved(comet, ivorns(events(0, 80)))
    assert "Previously seen by this broker" in comet.log.read_text()
    (row,) = site.fetch(
        "select count(*) as n from delivery where channel = 'broker' "
        "and time_acknowledged is not null"
    )
    assert row["n"] == 80
