"""Replays of endless nights, at speeds that nobody means, of subscriptions that are gone."""

import asyncio
import time
import uuid
from datetime import timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from services.distribute.models import Replay
from services.distribute.storage import SubscriptionStore
from tests.integration.distribute.test_subscriptions import (
    alert_of,
    of_stream,
    serving_subscriptions,
    subscribe,
)
from tests.support.announced_events import store_events, tell
from tests.support.api_rows import Rows
from tests.support.receivers import serving, until
from tests.support.vtp_events import START

REPLAYS = "/api/v1/alerts/replay"
NIGHT = {"since": "2026-03-01T18:00:00Z", "until": "2026-03-02T06:00:00Z"}


async def ask(pool: asyncpg.Pool, name: str, speed: float) -> int:
    """Ask for a night of a day again; return the row of the replay."""
    number: int = await pool.fetchval(
        "insert into replay (subscription_id, time_since, time_until, speed) "
        "select id, $2, $3, $4 from subscription where name = $1 returning id",
        name, START, START + timedelta(days=1), speed,
    )  # fmt: skip
    return number


async def done(pool: asyncpg.Pool, number: int) -> asyncpg.Record:
    """Return the row of a replay when it has ended."""
    query = "select * from replay where id = $1 and time_done is not null"
    async with asyncio.timeout(120):
        while (row := await pool.fetchrow(query, number)) is None:  # noqa: ASYNC110  (polled)
            await asyncio.sleep(0.02)
    return row


async def make_night(pool: asyncpg.Pool, rows: Rows, n_alerts: int) -> str:
    """Store alerts of a stream, one a second; return the rule that wants them."""
    events = [of_stream(rows, snr=20.0) for _ in range(n_alerts)]
    await store_events(pool, rows, events)
    await tell(pool, [alert_of(event, after_s=number) for number, event in enumerate(events)])
    return f"stream == '{rows.stream}'"


@pytest.mark.parametrize("speed", ["0", "-1", "-0.0", "NaN", "1e9", "1e999", "Infinity", '"1"x'])
async def test_a_speed_that_nobody_means_is_refused(
    client: httpx.AsyncClient, pool: asyncpg.Pool, speed: str
) -> None:
    name = await subscribe(pool, "digest", "", "a@b.example")
    order = f'{{"subscription": "{name}", "since": "{NIGHT["since"]}", "until": "{NIGHT["until"]}"'
    answer = await client.post(
        REPLAYS,
        content=f'{order}, "speed": {speed}}}',
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code == 400, answer.text


@pytest.mark.parametrize(
    ("since", "until"),
    [
        ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"),
        ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"),
        ("0001-01-01T00:00:00+14:00", "2026-03-02T06:00:00"),
        ("2026-03-01T18:00:00", "9999-12-31T23:59:59.999999-23:59"),
    ],
)
async def test_times_at_the_ends_of_the_calendar_are_no_error(
    client: httpx.AsyncClient, pool: asyncpg.Pool, since: str, until: str
) -> None:
    name = await subscribe(pool, "digest", "", "a@b.example")
    answer = await client.post(
        REPLAYS, json={"subscription": name, "since": since, "until": until}
    )
    assert answer.status_code in (202, 400, 422), answer.text
    await pool.execute("delete from subscription where name = $1", name)


@pytest.mark.parametrize("speed", [5e-324, 1e-300])
async def test_the_slowest_replay_holds_up_no_other_one(
    pool: asyncpg.Pool, rows: Rows, speed: float
) -> None:
    rule = await make_night(pool, rows, 3)
    async with serving() as slow, serving() as fast, serving_subscriptions(pool):
        names = [
            await subscribe(pool, "webhook", rule, f"http://127.0.0.1:{each.port}/")
            for each in (slow, fast)
        ]
        number = await ask(pool, names[0], speed)
        await until(lambda: slow.requests)
        assert (await done(pool, await ask(pool, names[1], 1e6)))["n_sent"] == 3
        assert len(slow.requests) == 1
        row = await pool.fetchrow("select * from replay where id = $1", number)
        assert (row["time_done"], row["failure_reason"]) == (None, None)
        await pool.execute("delete from subscription where name = $1", names[0])


async def test_a_night_that_nobody_wants_is_written_about_once_a_page(
    pool: asyncpg.Pool, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule = await make_night(pool, rows, 250)
    n_written = n_reading = most_reading = 0
    advance, read = SubscriptionStore.advance_replay, SubscriptionStore.list_replayed

    async def count(self: SubscriptionStore, *given: int, n_sent: int) -> None:
        nonlocal n_written
        n_written += 1
        await advance(self, *given, n_sent=n_sent)

    async def watch(self: SubscriptionStore, replay: Replay, *, limit: int) -> Any:
        nonlocal n_reading, most_reading
        n_reading += 1
        most_reading = max(most_reading, n_reading)
        try:
            return await read(self, replay, limit=limit)
        finally:
            n_reading -= 1

    monkeypatch.setattr(SubscriptionStore, "advance_replay", count)
    monkeypatch.setattr(SubscriptionStore, "list_replayed", watch)
    async with serving_subscriptions(pool):
        names = [await subscribe(pool, "kafka", f"{rule} and snr > 1000") for _ in range(4)]
        numbers = [await ask(pool, name, 1e6) for name in names]
        for number in numbers:
            row = await done(pool, number)
            assert (row["n_sent"], row["failure_reason"]) == (0, None)
    n_pages = await pool.fetchval("select ceil(count(*) / 100.0)::int from alert")
    assert n_written <= len(names) * n_pages
    assert most_reading == 1


async def test_a_replay_ends_with_its_subscription(pool: asyncpg.Pool, rows: Rows) -> None:
    """Else a loop that subscribes, replays and deletes would have any number of them."""
    rule = await make_night(pool, rows, 400)
    async with serving() as server, serving_subscriptions(pool) as runner:
        name = await subscribe(pool, "webhook", rule, f"http://127.0.0.1:{server.port}/")
        await ask(pool, name, 100.0)
        await until(lambda: server.requests)
        (task,) = (task for each in runner._running.values() for task in each.replays.values())
        await pool.execute("delete from subscription where name = $1", name)
        await until(task.done)
        assert task.cancelled()  # and not at the last alert, or with a failure
        assert len(server.requests) < 400
        again = await subscribe(
            pool, "webhook", rule, f"http://127.0.0.1:{server.port}/{uuid.uuid4().hex}"
        )
        n_before = len(server.requests)
        row = await done(pool, await ask(pool, again, 1e6))
        assert (row["n_sent"], len(server.requests)) == (400, n_before + 400)


async def test_a_replay_goes_on_when_its_subscription_changes(
    pool: asyncpg.Pool,
    rows: Rows,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Its old connections are closed; nothing is sent by them any more."""
    rule = await make_night(pool, rows, 200)
    read = SubscriptionStore.list_replays

    async def read_slowly(self: SubscriptionStore) -> list[Replay]:
        await asyncio.sleep(0.2)
        return await read(self)

    monkeypatch.setattr(SubscriptionStore, "list_replays", read_slowly)
    async with serving() as server, serving_subscriptions(pool):
        target = f"http://127.0.0.1:{server.port}/"
        name = await subscribe(pool, "webhook", rule, target)
        number = await ask(pool, name, 100.0)
        await until(lambda: server.requests)
        n_before = len(server.requests)
        query = "update subscription set target = $2 where name = $1"
        await pool.execute(query, name, f"{target}moved")
        row = await done(pool, number)
    assert n_before < 200
    assert (row["n_sent"], row["failure_reason"]) == (200, None)
    assert len(set(server.ivorns)) == 200
    assert "replay_failed" not in capsys.readouterr().out


async def test_the_host_of_a_webhook_gets_replays_at_a_rate_that_it_stands(
    pool: asyncpg.Pool, rows: Rows
) -> None:
    rule = await make_night(pool, rows, 6)
    async with serving() as server, serving_subscriptions(pool, replayed_per_s=10.0):
        target = f"http://127.0.0.1:{server.port}/"
        names = [await subscribe(pool, "webhook", rule, target) for _ in range(2)]
        started_s = time.monotonic()
        numbers = [await ask(pool, name, 1e6) for name in names]
        ended = [await done(pool, number) for number in numbers]
        took_s = time.monotonic() - started_s
    assert [row["n_sent"] for row in ended] == [6, 6]
    assert took_s >= 11 * 0.1  # twelve turns, which can only be later
