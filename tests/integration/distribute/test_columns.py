"""Every value that is stored is found again under its own name; no two values are alike."""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from services.alert.storage import AlertStore
from services.distribute.models import Delivery, SubscriberState
from services.distribute.storage import DeliveryStore, SubmissionStore
from tests.support.vtp_events import build_test_alert, source_event

NOW = datetime(2026, 4, 5, 6, 7, 8, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
async def alerts(pool: asyncpg.Pool) -> dict[str, int]:
    """Two alerts that no other test has, oldest first: their rows by ivorn."""
    await pool.execute("truncate alert, delivery, subscriber, submission restart identity cascade")
    await pool.execute("select setval(pg_get_serial_sequence('alert', 'id'), 50)")
    made = [build_test_alert(source_event(number)) for number in range(2)]
    async with AlertStore(pool).transaction() as transaction:
        stored = [await transaction.add(each, {}) for each in made]
    return {each.ivorn: each.id for each in stored}


async def fetch_all(pool: asyncpg.Pool, table: str) -> list[dict[str, Any]]:
    rows = await pool.fetch(f"select * from {table} order by 1")  # noqa: S608  (names of this file)
    return [dict(row) for row in rows]


async def test_every_column_of_a_delivery(pool: asyncpg.Pool, alerts: dict[str, int]) -> None:
    first, second = alerts
    store = DeliveryStore(pool)
    await store.record(
        [
            Delivery(first, "vtp", "a robot", NOW, is_acknowledged=False),
            Delivery(second, "broker", "a broker", NOW + DAY, is_acknowledged=False),
        ]
    )
    await store.record([Delivery(first, "vtp", "a robot", NOW + 2 * DAY, is_acknowledged=True)])
    assert await fetch_all(pool, "delivery") == [
        {
            "alert_id": alerts[first], "channel": "vtp", "subscriber": "a robot",
            "time_sent": NOW, "time_acknowledged": NOW + 2 * DAY,
        },
        {
            "alert_id": alerts[second], "channel": "broker", "subscriber": "a broker",
            "time_sent": NOW + DAY, "time_acknowledged": None,
        },
    ]  # fmt: skip


async def test_every_column_of_a_subscriber(pool: asyncpg.Pool, alerts: dict[str, int]) -> None:
    """A subscriber of the same name on another channel stays as it is."""
    first, last = alerts.values()
    store = DeliveryStore(pool)
    for channel in ("webhook", "email"):
        state = await store.ensure_subscriber(channel, "a name")  # type: ignore[arg-type]  # a loop
        assert state == SubscriberState(last, 0, None)
    await store.count_failure("email", "a name", "not so bad")
    assert await store.count_refusal("email", "a name", "a reason", max_refusals=1) == 1
    await pool.execute("update subscriber set since_alert_id = 7")
    await store.advance(
        "webhook", "a name", first, time_sent=NOW, is_acknowledged={first: True, last: False}
    )
    rows = {row["channel"]: row for row in await fetch_all(pool, "subscriber")}
    assert {row["name"] for row in rows.values()} == {"a name"}
    names = ("n_failures", "n_refusals", "disabled_reason", "failure_reason")
    assert [rows["email"][each] for each in names] == [2, 1, "a reason", "a reason"]
    assert [rows["webhook"][each] for each in names] == [0, 0, None, None]
    assert (rows["email"]["since_alert_id"], rows["webhook"]["since_alert_id"]) == (7, first)
    deliveries = await fetch_all(pool, "delivery")
    assert [row["alert_id"] for row in deliveries] == [first, last]
    assert {row["time_sent"] for row in deliveries} == {NOW}
    assert [row["time_acknowledged"] is None for row in deliveries] == [False, True]
    assert await store.ensure_subscriber("webhook", "a name") == SubscriberState(first, 0, None)


async def test_every_parameter_of_what_a_subscriber_lacks(
    pool: asyncpg.Pool, alerts: dict[str, int]
) -> None:
    store = DeliveryStore(pool)
    await store.ensure_subscriber("vtp", "a name")
    await pool.execute("update subscriber set since_alert_id = 0")
    first, last = alerts
    limits = {"max_age": DAY, "limit": 1}
    (pending,) = await store.list_pending_deliveries("vtp", "a name", **limits)
    assert (pending.id, pending.alert.ivorn, pending.is_old) == (alerts[first], first, False)
    ((ivorn, _),) = await store.list_unacknowledged("vtp", "a name", **limits)
    assert ivorn == last
    old = {"max_age": timedelta(0), "limit": 2}
    assert [each.is_old for each in await store.list_pending_deliveries("vtp", "a name", **old)]
    assert await store.list_unacknowledged("vtp", "a name", **old) == []


async def test_deliveries_of_old_alerts_are_deleted(
    pool: asyncpg.Pool, alerts: dict[str, int]
) -> None:
    old, new = alerts
    store = DeliveryStore(pool)
    made = [Delivery(each, "vtp", "a robot", NOW, is_acknowledged=True) for each in (old, new)]
    await store.record(made)
    await pool.execute(
        "update alert set time_alert = now() - interval '9 days' where id = $1", alerts[old]
    )
    await store.delete_older(timedelta(days=10))
    assert len(await fetch_all(pool, "delivery")) == 2
    await store.delete_older(timedelta(days=8))
    assert [row["alert_id"] for row in await fetch_all(pool, "delivery")] == [alerts[new]]


async def test_every_column_of_a_submission(pool: asyncpg.Pool, alerts: dict[str, int]) -> None:
    assert alerts
    store = SubmissionStore(pool)
    stored = await store.add("an ivorn", b"a packet", "a peer")
    other = await store.add("another ivorn", b"another packet", "another peer")
    assert stored is not None
    assert other is not None
    await store.mark_relayed([stored.id])
    row, unrelayed = await fetch_all(pool, "submission")
    assert row["ivorn"] == "an ivorn"
    assert row["packet"] == b"a packet"
    assert row["sha256"] == hashlib.sha256(b"a packet").hexdigest()
    assert row["peer"] == "a peer"
    assert row["time_relayed"] is not None
    assert unrelayed["time_relayed"] is None
    ages = {"recent_s": 0.0, "abandoned_s": -60.0}
    assert await store.list_unrelayed(**ages, done=[]) == [other]
    assert await store.list_unrelayed(**ages, done=[other.id]) == []
    assert await store.list_unrelayed(recent_s=60.0, abandoned_s=60.0, done=[]) == [stored, other]
    await store.delete_older(timedelta(days=9))
    assert len(await fetch_all(pool, "submission")) == 2
