"""Each alert counts once for what a subscription may cost, however often it is tried."""

import asyncio
import time
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.background import BackgroundTasks
from runtime.errors import TransientError
from services.distribute.app import subscriptions as runner_module
from services.distribute.errors import CostlyError, DeliveryError
from services.distribute.handlers import channel as channel_module
from services.distribute.handlers.subscription import SubscriptionFilter
from services.distribute.models import (
    AlertEvent,
    OutgoingAlert,
    PendingDelivery,
    Replay,
    ReplayedAlert,
)
from services.distribute.steps.subscription_budget import SubscriptionBudget
from tests.support.defects import running, until
from tests.support.vtp_events import START, source_event
from tests.unit.services.distribute.test_channel_defects import ChannelRows, build_channel
from tests.unit.services.distribute.test_subscription_runner import Store, runner_of, wait

pytestmark = pytest.mark.usefixtures("logs")
HOUR_S = 3600.0
PAUSES = ("_POLL_INTERVAL_S", "_FIRST_BACKOFF_S", "_LONGEST_FAILURE_BACKOFF_S")


def budget_of(alerts_per_hour: int | None, ms_per_alert: float = 1e9) -> SubscriptionBudget:
    return SubscriptionBudget(ms_per_alert=ms_per_alert, alerts_per_hour=alerts_per_hour)


class Rule:
    """Is true of the events of one source; notes what it is asked about."""

    matches: frozenset[Any] = frozenset()

    def __init__(self, *, cpu_s: float = 0.0) -> None:
        self.asked: list[int] = []
        self._cpu_s = cpu_s

    def is_true(self, event: Any, *_: object) -> bool:
        started_s = time.thread_time()
        while time.thread_time() - started_s < self._cpu_s:
            pass
        self.asked.append(event.source_number)
        return True


class Events:
    """An alert a row, each of a source of its own, a second after the one before."""

    def __init__(self, *, step_s: float = 1.0) -> None:
        self._step = timedelta(seconds=step_s)
        self.matched: list[float] = []

    def time_of(self, row: int) -> datetime:
        return START + row * self._step

    async def read_events(self, alert_ids: list[int], _: str) -> dict[int, AlertEvent]:
        return {
            row: AlertEvent(str(row), self.time_of(row), source_event(row), is_followed=False)
            for row in alert_ids
        }

    async def match_references(self, positions: list[Any], _: object) -> list[dict[str, bool]]:
        self.matched += [ra for ra, _ in positions]
        return [{} for _ in positions]


def filter_of(
    rule: Rule, budget: SubscriptionBudget | None = None, events: Events | None = None
) -> SubscriptionFilter:
    return SubscriptionFilter("north", rule, events or Events(), budget)  # type: ignore[arg-type]


@given(
    times=st.lists(st.floats(0, 5 * HOUR_S), max_size=40).map(sorted),
    sizes=st.lists(st.integers(1, 7), min_size=1, max_size=40),
    most=st.integers(1, 12),
)
def test_the_alerts_of_each_hour_count_whatever_is_counted_at_once(
    times: list[float], sizes: list[int], most: int
) -> None:
    made, reasons, left = budget_of(most), list[str | None](), list(times)
    while left:
        size = sizes[len(reasons) % len(sizes)]
        reasons.append(made.add(n_evaluated=1, used_s=0.0, wanted_s=left[:size]))
        del left[:size]
    n_most = max((sum(1 for t in times if end - HOUR_S < t <= end) for end in times), default=0)
    assert any(reasons) == (n_most > most)


@pytest.mark.parametrize(("n_per_hour", "is_refused"), [(50, False), (51, True)])
def test_the_backlog_of_days_is_no_flood_of_an_hour(n_per_hour: int, *, is_refused: bool) -> None:
    made = budget_of(50)
    times = [hour * HOUR_S + n for hour in range(48) for n in range(n_per_hour)]
    reason = made.add(n_evaluated=len(times), used_s=0.0, wanted_s=times)
    assert (reason is not None) is is_refused
    if is_refused:
        assert "it wants 51 alerts in an hour, more than 50" in str(reason)


@given(steps=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=20))
def test_what_is_tried_again_is_asked_and_counted_once(steps: list[tuple[int, int]]) -> None:
    """`steps`: how many are delivered, and how many new ones come, before each next try."""
    rule, counted = Rule(), list[float]()
    events = Events()
    made = budget_of(None)
    add = made.add

    def note(**given: Any) -> str | None:
        counted.extend(given["wanted_s"])
        return add(**given)

    made.add = note  # type: ignore[method-assign]
    chooser = filter_of(rule, made, events)

    async def run() -> int:
        first, last = 1, 5
        for n_done, n_new in [(0, 0), *steps]:
            first, last = min(first + n_done, last), last + n_new
            rows = list(range(first, last + 1))
            assert await chooser.choose(rows) == set(rows)
        return last

    everything = list(range(1, asyncio.run(run()) + 1))
    assert rule.asked == everything
    assert len(events.matched) == len(everything)
    assert counted == [events.time_of(row).timestamp() for row in everything]


async def test_what_follows_a_wanted_alert_is_wanted_however_often_it_is_tried() -> None:
    class Family(Events):
        async def read_events(self, alert_ids: list[int], name: str) -> dict[int, AlertEvent]:
            found = await super().read_events(alert_ids, name)
            return {row: replace(each, trig_id="one") for row, each in found.items()}

    counted = budget_of(2)
    chooser = filter_of(Rule(), counted, Family())
    for _ in range(5):
        assert await chooser.choose([1, 2]) == {1, 2}
    # The first has been delivered: the rule is asked about the second one now.
    assert await chooser.choose([2]) == {2}
    with pytest.raises(CostlyError, match="wants 3 alerts"):
        await chooser.choose([2, 3])


async def test_the_time_of_the_rule_counts_once() -> None:
    rule, ended = Rule(cpu_s=0.001), budget_of(None, ms_per_alert=5.0)
    chooser = filter_of(rule, ended)
    for _ in range(200):
        await chooser.choose(list(range(15)))
    assert len(rule.asked) == 15
    assert ended._n_evaluated == 15
    assert 0.015 <= ended._used_s < 15 * 0.005


async def test_a_rule_is_not_asked_again_after_it_was_too_much() -> None:
    rule = Rule()
    chooser = filter_of(rule, budget_of(3))
    with pytest.raises(CostlyError, match="it wants 5 alerts in an hour, more than 3"):
        await chooser.choose([1, 2, 3, 4, 5])
    # Whoever enables it gets what is pending; the next alert of that hour is too much again.
    assert await chooser.choose([1, 2, 3, 4, 5]) == {1, 2, 3, 4, 5}
    with pytest.raises(CostlyError, match="it wants 6 alerts"):
        await chooser.choose([1, 2, 3, 4, 5, 6])
    assert rule.asked == [1, 2, 3, 4, 5, 6]


async def test_nothing_counts_while_the_database_is_away() -> None:
    class Away(Events):
        n_left = 3

        async def match_references(self, positions: list[Any], _: object) -> list[dict[str, bool]]:
            if self.n_left > 0:
                self.n_left -= 1
                raise TransientError("away")
            return await super().match_references(positions, _)

    rule = Rule()
    chooser = filter_of(rule, budget_of(2), Away())
    for _ in range(3):
        with pytest.raises(TransientError):
            await chooser.choose([1, 2])
    assert await chooser.choose([1, 2]) == {1, 2}
    assert rule.asked == [1, 2]


@pytest.mark.parametrize("n_tries", [11, 50])
async def test_a_subscription_whose_receiver_is_away_stays_enabled(
    n_tries: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in PAUSES:
        monkeypatch.setattr(channel_module, name, 0.0)
    store, disabled, n_calls = ChannelRows(), list[object](), 0

    async def deliver(alerts: list[OutgoingAlert]) -> list[OutgoingAlert]:
        nonlocal n_calls
        n_calls += 1
        if n_calls <= n_tries:
            raise DeliveryError("no route")
        return alerts

    channel = build_channel(store, deliver)
    chooser = filter_of(Rule(), budget_of(3))
    disable = channel._disable

    async def note(reason: str) -> None:
        disabled.append(reason)
        await disable(reason)
        await asyncio.sleep(0.01)  # the test looks

    async def select(due: list[PendingDelivery]) -> list[PendingDelivery]:
        return await chooser.select(due)

    monkeypatch.setattr(channel, "_disable", note)
    monkeypatch.setattr(channel, "_select", select)
    async with running(channel.run()):
        await until(lambda: disabled or store.done == 3)
    assert disabled == []


class Replays(Store):
    """One replay of three alerts; the database is away at the first attempts to record it."""

    def __init__(self, n_away: int) -> None:
        super().__init__(wait)
        self.n_away = n_away
        self.since = 0
        self.events = Events()

    async def list_replays(self) -> list[Replay]:
        if self.replay_failures:
            return []
        return [Replay(1, "north", START, START + timedelta(hours=1), 1e6, self.since)]

    async def list_replayed(self, *_: object, **__: object) -> list[ReplayedAlert]:
        alert = OutgoingAlert("ivo://org.test/night#1", b"<VOEvent/>", b"{}")
        return [ReplayedAlert(row, START, alert) for row in range(self.since + 1, 4)]

    async def read_events(self, alert_ids: list[int], name: str) -> dict[int, AlertEvent]:
        return await self.events.read_events(alert_ids, name)

    async def match_references(self, positions: list[Any], _: object) -> list[dict[str, bool]]:
        return [{} for _ in positions]

    async def advance_replay(self, _: int, row: int, **__: object) -> None:
        if self.n_away > 0:
            self.n_away -= 1
            raise TransientError("away")
        self.since = row


async def test_a_replay_that_is_begun_again_counts_its_alerts_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counted: list[float] = []
    add = SubscriptionBudget.add

    def note(self: SubscriptionBudget, **given: Any) -> str | None:
        counted.extend(given["wanted_s"])
        return add(self, **given)

    monkeypatch.setattr(SubscriptionBudget, "add", note)
    monkeypatch.setattr(runner_module, "_INTERVAL_S", 0.0)
    monkeypatch.setattr("services.distribute.handlers.replay.to_test", lambda alert, _: alert)
    background = BackgroundTasks(lambda error: pytest.fail(repr(error)))
    store = Replays(n_away=4)
    started_s = time.time()
    runner = runner_of(store, background)
    task = background.start(runner.run())
    async with asyncio.timeout(60):
        while not store.replay_failures:  # noqa: ASYNC110  (polled)
            await asyncio.sleep(0.01)
    assert store.replay_failures == [None]
    assert store.since == 3
    assert len(counted) == 3
    # They count to the hour in which they are sent: a mailbox may be somebody else's.
    assert min(counted) >= started_s
    await background.end(task)
    await runner.aclose()
