"""Subscriptions that cost much, in rules, maps and replays, leave the alerts their event loop."""

import asyncio
import random
import threading
import time
from collections import Counter
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from rules.wanted import Wanted
from runtime.sql import Queries
from services.distribute.app import subscriptions as runner_module
from services.distribute.handlers.subscription import SubscriptionFilter, parse_subscription
from services.distribute.models import AlertEvent, Subscription
from services.distribute.storage import SubscriptionStore
from tests.integration.distribute.test_subscriptions import serving_subscriptions, subscribe
from tests.support.receivers import until
from tests.support.vtp_events import START, source_event

N_ALERTS = 200
CPU_S = 0.002


class SlowRule:
    """A rule that takes 2 ms of CPU time, below what a subscription may cost."""

    matches: frozenset[Any] = frozenset()

    def is_true(self, *_: object) -> bool:
        started_s = time.thread_time()
        while time.thread_time() - started_s < CPU_S:
            pass
        return True


class Events:
    """Alerts of as many sources."""

    async def read_events(self, alert_ids: list[int], _: str) -> dict[int, AlertEvent]:
        event = source_event()
        return {row: AlertEvent(str(row), START, event, is_followed=False) for row in alert_ids}

    async def match_references(self, positions: list[Any], _: object) -> list[dict[str, bool]]:
        return [{} for _ in positions]


async def test_a_slow_rule_and_many_alerts_leave_the_event_loop_to_others() -> None:
    n_turns = 0

    async def count_turns() -> None:
        nonlocal n_turns
        while True:
            await asyncio.sleep(0)
            n_turns += 1

    others = asyncio.create_task(count_turns())
    chosen = await SubscriptionFilter(
        "slow", SlowRule(), Events(),  # type: ignore[arg-type]
    ).choose(list(range(N_ALERTS)))  # fmt: skip
    others.cancel()
    assert len(chosen) == N_ALERTS
    # 400 ms of CPU time, of which nobody has more than some at a time.
    assert n_turns >= 40


async def change_map(pool: asyncpg.Pool, name: str, text: str) -> None:
    await pool.execute("update subscription set moc = $2 where name = $1", name, text)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Return how often each statement is run from now on."""
    counter: Counter[str] = Counter()
    fetch = Queries.fetch

    async def count(self: Queries, connection: Any, query: str, /, **values: object) -> Any:
        counter[query] += 1
        return await fetch(self, connection, query, **values)

    monkeypatch.setattr(Queries, "fetch", count)
    return counter


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Return the names and maps that are parsed from now on, none of them by the event loop."""
    found: list[tuple[str, str]] = []

    def parse(subscription: Subscription) -> Wanted:
        assert threading.current_thread() is not threading.main_thread()
        found.append((subscription.name, subscription.moc))
        return parse_subscription(subscription)

    monkeypatch.setattr(runner_module, "parse_subscription", parse)
    return found


def make_map(generator: random.Random) -> str:
    """Return a map of 190 kB."""
    cells = sorted(generator.sample(range(12 * 4**12), 20_000))
    return f"12/{','.join(map(str, cells))}"


async def test_maps_are_read_and_parsed_once_whatever_is_replayed(
    pool: asyncpg.Pool, asked: Counter[str], parsed: list[tuple[str, str]]
) -> None:
    generator = random.Random(7)
    maps = {await subscribe(pool, "sse", ""): make_map(generator) for _ in range(5)}
    for name, text in maps.items():
        await change_map(pool, name, text)
    other = await subscribe(pool, "sse", "")
    await pool.executemany(
        "insert into replay (subscription_id, time_since, time_until, speed) "
        "select id, $2, $3, 10 from subscription where name = $1",
        [(name, START, START + timedelta(days=1)) for name in maps for _ in range(4)],
    )

    async def n_waiting() -> int:
        return len(await SubscriptionStore(pool).list_replays())

    async with serving_subscriptions(pool):
        async with asyncio.timeout(120):
            while await n_waiting():  # noqa: ASYNC110  (nothing reports it)
                await asyncio.sleep(0.05)
        await until(lambda: asked["list_subscription_versions"] >= 5)
        assert asked["select_subscriptions"] == 1
        # Another row is changed: it alone is read again.
        await change_map(pool, other, "0/3")
        await until(lambda: (other, "0/3") in parsed)
    ours = {name: text for name, text in parsed if name in maps}
    assert ours == maps
    assert Counter(name for name, _ in parsed if name in maps) == dict.fromkeys(maps, 1)
    assert Counter(parsed)[other, ""] == Counter(parsed)[other, "0/3"] == 1


async def test_a_subscription_that_is_not_valid_is_tried_once_until_it_changes(
    pool: asyncpg.Pool, asked: Counter[str], parsed: list[tuple[str, str]]
) -> None:
    name = await subscribe(pool, "sse", "")
    await change_map(pool, name, "77/1")
    async with serving_subscriptions(pool):
        await until(lambda: (name, "77/1") in parsed)
        seen = asked["list_subscription_versions"]
        await until(lambda: asked["list_subscription_versions"] >= seen + 5)
        await change_map(pool, name, "5/1")
        await until(lambda: (name, "5/1") in parsed)
    assert [text for each, text in parsed if each == name] == ["77/1", "5/1"]
    await pool.execute("delete from subscription where name = $1", name)
