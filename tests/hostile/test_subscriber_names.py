"""Names that strangers make up on the port of subscribers: neither table nor memory fills."""

import time
import uuid
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from services.distribute.handlers.delivery_log import DeliveryLog
from services.distribute.storage import DeliveryStore
from tests.hostile.test_many_networks import networks
from tests.support.vtp_log import MemoryDeliveryStore, memory_log


async def come(log: DeliveryLog, *names: str) -> None:
    """Introduce subscribers one after another."""
    for name in names:
        await log.find_unacknowledged(name)


async def test_new_names_of_one_address_are_remembered_up_to_a_number() -> None:
    store = MemoryDeliveryStore()
    log = memory_log(store)
    await come(log, "ivo://a/robot@192.0.2.1")
    await come(log, *(f"ivo://made-up/{n}@192.0.2.1" for n in range(500)))
    await come(log, *(f"ivo://made-up/{n}@{host}" for n, host in enumerate(networks(500))))
    assert len(store.names) == 200
    # Those that were known, other addresses, and names that were proven go on.
    store.unacknowledged = [("ivo://a/b#c", b"<a/>")]
    for name in ("ivo://a/robot@192.0.2.1", "ivo://a/robot@192.0.2.2", "ivo://proven"):
        assert await log.find_unacknowledged(name) == store.unacknowledged
        assert name in store.names
    assert await log.find_unacknowledged("ivo://a/another@192.0.2.1") == []


async def test_an_hour_later_there_is_room_for_new_names(monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryDeliveryStore()
    log = memory_log(store)
    await come(log, *(f"{n}@192.0.2.1" for n in range(200)))
    now_s = time.monotonic() + 3600.0
    monkeypatch.setattr("time.monotonic", lambda: now_s)
    await come(log, *(f"later-{n}@192.0.2.1" for n in range(200)))
    assert len(store.names) == 200


async def store_names(
    pool: asyncpg.Pool, names: list[str], *, known: timedelta, seen: timedelta
) -> None:
    """Store subscribers that were known for some time, and last seen some time ago."""
    time_seen = datetime.now(UTC) - seen
    await pool.executemany(
        "insert into subscriber (channel, name, since_alert_id, time_created, time_seen) "
        "values ('vtp', $1, 0, $2, $3)",
        [(name, time_seen - known, time_seen) for name in names],
    )


async def names_of(pool: asyncpg.Pool, mark: str) -> set[str]:
    rows = await pool.fetch("select name from subscriber where name like $1", f"{mark}%")
    return {row["name"] for row in rows}


async def test_names_are_forgotten_by_age_and_number_and_robots_stay(pool: asyncpg.Pool) -> None:
    mark, store = uuid.uuid4().hex, DeliveryStore(pool)
    day, hour = timedelta(days=1), timedelta(hours=1)
    flood = [f"{mark}-{n}@192.0.2.{n % 250}" for n in range(2500)]
    robot, gone, proven = f"{mark}-robot@a", f"{mark}-gone@a", f"{mark}-proven"
    connected = f"{mark}-connected@a"
    await store_names(pool, flood, known=timedelta(0), seen=timedelta(0))
    await store_names(pool, [robot], known=10 * day, seen=hour)
    await store_names(pool, [gone, proven], known=100 * day, seen=40 * day)
    await store_names(pool, [connected], known=40 * day, seen=40 * day)
    others = await pool.fetchval(
        "select count(*) from subscriber where channel = 'vtp' and name like '%@%' "
        "and not starts_with(name, $1)",
        mark,
    )
    assert await store.touch_subscribers([connected, f"{mark}-nobody@a"]) == {connected}
    await store.forget_subscribers(max_age=31 * day, max_names=100 + others)
    left = await names_of(pool, mark)
    assert {robot, proven, connected} <= left
    assert gone not in left
    assert len(left) <= 101 + others


async def test_a_name_that_is_seen_again_keeps_its_place(pool: asyncpg.Pool) -> None:
    name, store = f"{uuid.uuid4().hex}@192.0.2.1", DeliveryStore(pool)
    await store_names(pool, [name], known=timedelta(days=40), seen=timedelta(days=40))
    log = DeliveryLog(store, max_age=timedelta(hours=24), limit=10)
    await log.find_unacknowledged(name)
    await store.forget_subscribers(max_age=timedelta(days=31), max_names=10_000)
    assert await names_of(pool, name) == {name}
