"""Records of VTP deliveries: acknowledgements wait, the rest is dropped and counted."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from runtime.errors import TransientError
from services.distribute.handlers import delivery_log
from services.distribute.handlers.delivery_log import DeliveryLog
from services.distribute.metrics import SENT_RECORDS_DROPPED
from tests.support.vtp_log import MemoryDeliveryStore, memory_log

MAX_PENDING = 10


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery_log, "_MAX_PENDING", MAX_PENDING)
    monkeypatch.setattr(delivery_log, "_RETRY_INTERVAL_S", 0.01)
    monkeypatch.setattr(delivery_log, "_COLLECT_S", 0.0)


@asynccontextmanager
async def running(log: DeliveryLog) -> AsyncIterator[None]:
    task = asyncio.create_task(log.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(store: MemoryDeliveryStore, n: int) -> None:
    async with asyncio.timeout(60):
        while len(store.recorded) < n:  # noqa: ASYNC110  (nothing reports it)
            await asyncio.sleep(0.01)


def n_dropped() -> float:
    return SENT_RECORDS_DROPPED._value.get()


async def test_records_are_written_in_their_order() -> None:
    store = MemoryDeliveryStore()
    log = memory_log(store)
    async with running(log):
        log.record_sent("ivo://a#0", "robot")
        await log.record_acknowledged("ivo://a#0", "robot")
        await until(store, 2)
    assert [(each.ivorn, each.is_acknowledged) for each in store.recorded] == [
        ("ivo://a#0", False),
        ("ivo://a#0", True),
    ]


async def test_no_acknowledgement_is_dropped_while_the_database_is_away() -> None:
    store = MemoryDeliveryStore()
    store.is_away = True
    log = memory_log(store)
    acknowledging = [
        asyncio.create_task(log.record_acknowledged(f"ivo://a#{number}", "robot"))
        for number in range(5 * MAX_PENDING)
    ]
    async with running(log):
        await asyncio.sleep(0)
        done, waiting = await asyncio.wait(acknowledging, timeout=0.2)
        assert (len(done), len(waiting)) == (MAX_PENDING, 4 * MAX_PENDING)
        store.is_away = False
        await asyncio.gather(*acknowledging)
        await until(store, len(acknowledging))
    expected = {f"ivo://a#{number}" for number in range(5 * MAX_PENDING)}
    assert {each.ivorn for each in store.recorded} == expected
    assert len(store.recorded) == len(expected)


async def test_what_was_sent_is_dropped_and_counted_while_there_is_no_room() -> None:
    store = MemoryDeliveryStore()
    store.is_away = True
    log = memory_log(store)
    before = n_dropped()
    for number in range(MAX_PENDING + 3):
        log.record_sent(f"ivo://a#{number}", "robot")
    assert n_dropped() - before == 3
    store.is_away = False
    async with running(log):
        await until(store, MAX_PENDING)
    log.record_sent("ivo://a#after", "robot")
    assert n_dropped() - before == 3


async def test_what_a_subscriber_missed_is_read_after_its_acknowledgements_are_written() -> None:
    store = MemoryDeliveryStore()
    store.unacknowledged = [("ivo://a#1", b"<a/>")]
    log = memory_log(store)
    await log.record_acknowledged("ivo://a#0", "robot")
    assert await log.find_unacknowledged("robot") == [("ivo://a#1", b"<a/>")]
    assert [each.ivorn for each in store.recorded] == ["ivo://a#0"]
    store.is_away = True
    await log.record_acknowledged("ivo://a#1", "robot")
    with pytest.raises(TransientError):
        await log.find_unacknowledged("robot")


async def test_a_stop_writes_what_is_pending_and_bears_a_database_that_is_away() -> None:
    store = MemoryDeliveryStore()
    log = memory_log(store)
    await log.record_acknowledged("ivo://a#0", "robot")
    store.is_away = True
    await log.aclose()
    assert store.recorded == []
    store.is_away = False
    await log.aclose()
    assert len(store.recorded) == 1


async def test_records_that_can_never_be_stored_do_not_stop_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(delivery_log, "_BATCH", 1)
    store = MemoryDeliveryStore()
    store.unstorable = "bad"
    log = memory_log(store)
    async with running(log):
        for subscriber in ("bad", "robot"):
            await log.record_acknowledged("ivo://a#0", subscriber)
        await until(store, 1)
    assert [each.subscriber for each in store.recorded] == ["robot"]
