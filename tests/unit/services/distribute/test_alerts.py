"""An alert is broadcast once, whichever of Kafka and the database brings it first."""

import faulthandler
import uuid
from collections.abc import Sequence
from typing import Any

import pytest

from runtime.dead_letters import DeadLetters
from runtime.errors import TransientError
from runtime.kafka import InMessage
from services.distribute.handlers import alerts as alerts_module
from services.distribute.handlers.alerts import AlertHandler
from services.distribute.models import AlertKey
from tests.support.in_flight import new_in_flight


def packet(number: int) -> bytes:
    return b'<VOEvent ivorn="ivo://org.test/night#%d"/>' % number


def ivorn(number: int) -> str:
    return f"ivo://org.test/night#{number}"


def message(value: bytes) -> InMessage:
    return InMessage("alerts-voevent-v1", 0, 0, b"", value)


class Store:
    """Rows 1 to `n`; the alert of row 5 is number 5."""

    def __init__(self) -> None:
        self.n = 0
        self.is_away = False

    async def get_last_id(self) -> int:
        if self.is_away:
            raise TransientError("PostgreSQL is away")
        return self.n

    async def list_keys(self, after_id: int, *, limit: int) -> list[AlertKey]:
        rows = range(after_id + 1, self.n + 1)
        return [AlertKey(number, ivorn(number)) for number in rows[:limit]]

    async def select_packets(self, ids: Sequence[int]) -> dict[str, bytes]:
        return {ivorn(number): packet(number) for number in ids}


class Site:
    """A handler, and what it broadcast."""

    def __init__(self, group: str = "") -> None:
        self.store = Store()
        self.heard: list[str] = []
        self.n_woken = 0
        self.dead_letters = DeadLetters(topic="dead-letters-v1", service="distribute")
        self.handler = AlertHandler(
            self.store,  # type: ignore[arg-type]
            broadcast=self.broadcast,
            wake=self.wake,
            dead_letters=self.dead_letters,
            in_flight=new_in_flight(group),
        )

    def broadcast(self, name: str, data: bytes) -> int:
        assert name.encode() in data
        self.heard.append(name)
        return 1

    def wake(self) -> None:
        self.n_woken += 1

    def bring(self, *numbers: int) -> None:
        for number in numbers:
            self.handler.on_message(message(packet(number)))


@pytest.fixture
def site() -> Site:
    return Site()


async def test_what_kafka_brings_is_broadcast_at_once_and_once(site: Site) -> None:
    await site.handler.start()
    site.bring(1, 2, 2, 1)
    assert site.heard == [ivorn(1), ivorn(2)]
    assert site.n_woken == 2


async def test_what_existed_at_the_start_is_not_broadcast(site: Site) -> None:
    site.store.n = 7
    await site.handler.start()
    for _ in range(3):
        await site.handler.check()
    assert site.heard == []


async def test_a_row_gets_time_to_come_over_kafka(site: Site) -> None:
    await site.handler.start()
    site.store.n = 3
    await site.handler.check()
    assert site.heard == []
    site.bring(1, 3)
    await site.handler.check()
    assert site.heard == [ivorn(1), ivorn(3), ivorn(2)]
    site.bring(2)  # late
    await site.handler.check()
    assert len(site.heard) == 3


async def test_many_rows_come_in_their_order(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alerts_module, "_LIMIT", 10)
    await site.handler.start()
    site.store.n = 35
    await site.handler.check()
    site.store.n = 40
    await site.handler.check()
    assert site.heard == [ivorn(number) for number in range(1, 36)]
    await site.handler.check()
    assert site.heard == [ivorn(number) for number in range(1, 41)]


async def test_a_database_that_is_away_loses_nothing(site: Site) -> None:
    await site.handler.start()
    site.store.n = 2
    await site.handler.check()
    site.store.is_away = True
    with pytest.raises(TransientError):
        await site.handler.check()
    site.store.is_away = False
    await site.handler.check()
    assert site.heard == [ivorn(1), ivorn(2)]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"", "invalid_voevent"),
        (b"hello", "invalid_voevent"),
        (b"<a ivorn='ivo://org.test/night#1'/>", "invalid_voevent"),
        (b"<VOEvent/>", "invalid_voevent"),
        (b"<VOEvent ivorn=''/>", "invalid_voevent"),
        (b"<VOEvent ivorn='\xff'/>", "invalid_voevent"),
        (b"<VOEvent ivorn='ivo://org.test/night#1'>", "invalid_voevent"),
        (b"<!DOCTYPE a []><VOEvent ivorn='ivo://org.test/night#1'/>", "invalid_voevent"),
        (packet(1).replace(b"/>", b">" + b"x" * 100_000 + b"</VOEvent>"), "large_voevent"),
    ],
)
def test_a_message_that_is_no_alert_is_a_dead_letter(
    site: Site, value: bytes, reason: str
) -> None:
    site.handler.on_message(message(value))
    (letter,) = site.dead_letters.pending
    assert letter.headers["reason"] == reason
    assert letter.value == value
    site.bring(2)
    assert site.heard == [ivorn(2)]


def test_of_a_batch_the_alert_that_is_broadcast_is_in_flight_and_no_other() -> None:
    group = uuid.uuid4().hex
    values = [packet(1), b"hello", packet(2), packet(3)]
    batch = [InMessage("alerts-voevent-v1", 0, at, b"", value) for at, value in enumerate(values)]
    unfinished: list[list[int]] = []

    class Watched(Site):
        def broadcast(self, name: str, data: bytes) -> int:
            log = new_in_flight(group).attempts  # as the next process reads it
            unfinished.append(log.unfinished("alerts-voevent-v1", 0))
            return super().broadcast(name, data)

    site = Watched(group)
    site.handler.on_messages(batch)
    assert unfinished == [[0], [2], [3]]
    assert new_in_flight(group).attempts.unfinished("alerts-voevent-v1", 0) == []
    assert site.heard == [ivorn(1), ivorn(2), ivorn(3)]
    assert [letter.value for letter in site.dead_letters.pending] == [b"hello"]


def test_a_batch_starts_one_watchdog(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[float] = []
    start = faulthandler.dump_traceback_later

    def count(timeout: float, **options: Any) -> None:
        started.append(timeout)
        start(timeout, **options)

    monkeypatch.setattr(faulthandler, "dump_traceback_later", count)
    site.handler.on_messages(
        [InMessage("alerts-voevent-v1", 0, at, b"", packet(at)) for at in range(20)]
    )
    assert len(site.heard) == 20
    assert len(started) == 1


def test_after_an_end_of_the_process_the_alerts_of_a_batch_are_taken_one_by_one() -> None:
    group = uuid.uuid4().hex
    batch = [InMessage("alerts-voevent-v1", 0, at, b"", packet(at)) for at in range(3)]
    for _ in range(3):  # processes that ended at the second one
        new_in_flight(group).attempts.begin(batch[1])
    site = Site(group)
    site.handler.on_messages(batch)
    assert site.heard == [ivorn(0), ivorn(2)]
    assert [letter.headers["reason"] for letter in site.dead_letters.pending] == [
        "killed_the_process"
    ]
