"""Refusals alone disable a receiver, and no failure enables one."""

import asyncio
import random
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest

from livetrap.operator.subscribers import enable_subscriber
from runtime.settings import Settings
from services.distribute.storage import DeliveryStore
from tests.integration.distribute.test_subscriptions import serving_subscriptions, subscribe
from tests.support.receivers import issue, serving, until, webhook_to

STATE = (
    "select n_failures, n_refusals, disabled_reason, failure_reason, time_failed is not null "
    "from subscriber where name = $1"
)


async def state_of(pool: asyncpg.Pool, name: str) -> tuple[Any, ...]:
    return tuple(await pool.fetchrow(STATE, name))


async def until_disabled(pool: asyncpg.Pool, name: str) -> str:
    async with asyncio.timeout(60):
        while (reason := (await state_of(pool, name))[2]) is None:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    return str(reason)


@dataclass
class Expected:
    """What the row of a receiver has, in plain words."""

    max_refusals: int
    failures: int = 0
    refusals: int = 0
    disabled: str | None = None
    reason: str | None = None

    def fail(self, reason: str) -> None:
        self.failures += 1
        self.reason = reason

    def refuse(self, reason: str) -> None:
        self.failures += 1
        self.refusals += 1
        self.reason = reason
        if self.refusals >= self.max_refusals and self.disabled is None:
            self.disabled = reason

    def disable(self, reason: str) -> None:
        self.reason = reason
        self.disabled = self.disabled or reason

    def deliver(self) -> None:
        self.failures, self.refusals, self.reason = 0, 0, None

    def clear(self) -> None:
        if self.disabled is None:
            self.failures, self.reason = self.refusals, None

    @property
    def row(self) -> tuple[Any, ...]:
        return self.failures, self.refusals, self.disabled, self.reason, self.reason is not None


@pytest.mark.parametrize("seed", range(6))
async def test_whatever_happens_refusals_without_a_delivery_between_are_what_disables(
    seed: int, pool: asyncpg.Pool, postgres_url: str
) -> None:
    choice = random.Random(seed)
    settings = Settings.model_validate({"postgres": {"url": postgres_url}})
    store, name, expected = DeliveryStore(pool), uuid.uuid4().hex, Expected(choice.randint(1, 6))
    await store.ensure_subscriber("webhook", name)
    await issue(pool)
    alert_id = await pool.fetchval("select max(id) from alert")
    steps = ["fail", "refuse", "deliver", "skip", "pass by", "clear", "disable", "enable"]
    for number in range(60):
        step = choice.choices(steps, [9, 9, 2, 1, 1, 1, 0.3, 1])[0]
        if step == "fail":
            await store.count_failure("webhook", name, f"failed {number}")
            expected.fail(f"failed {number}")
        elif step == "refuse":
            n_refusals = await store.count_refusal(
                "webhook", name, f"refused {number}", max_refusals=expected.max_refusals
            )
            expected.refuse(f"refused {number}")
            assert n_refusals == expected.refusals
        elif step in ("deliver", "skip", "pass by"):
            is_acknowledged = {} if step == "pass by" else {alert_id: step == "deliver"}
            await store.advance(
                "webhook", name, alert_id, time_sent=datetime.now(UTC),
                is_acknowledged=is_acknowledged,
            )  # fmt: skip
            if step == "deliver":
                expected.deliver()
        elif step == "clear":
            await store.clear_failure("webhook", name)
            expected.clear()
        elif step == "disable":
            await store.disable("webhook", name, f"costs {number}")
            expected.disable(f"costs {number}")
        else:
            await asyncio.to_thread(enable_subscriber, settings, "webhook", name)
            expected = Expected(expected.max_refusals)
        assert await state_of(pool, name) == expected.row
        kept = await store.ensure_subscriber("webhook", name)  # as after a restart
        assert (kept.n_failures, kept.n_refusals, kept.disabled_reason) == expected.row[:3]


async def test_one_refusal_after_a_long_absence_disables_nobody(pool: asyncpg.Pool) -> None:
    answers = [503] * 5 + [400]
    async with serving(*answers) as server, webhook_to(pool, server, max_refusals=2) as name:
        (first,) = await issue(pool)
        await until(lambda: len(server.requests) >= 7)
        assert server.ivorns == [first] * 7
        async with asyncio.timeout(60):
            while await state_of(pool, name) != (0, 0, None, None, False):  # noqa: ASYNC110
                await asyncio.sleep(0.02)


async def test_failures_between_refusals_do_not_end_the_run(pool: asyncpg.Pool) -> None:
    answers = [400, 503, 504, 422, 500] + [503] * 100
    async with serving(*answers) as server, webhook_to(pool, server, max_refusals=2) as name:
        await issue(pool)
        assert await until_disabled(pool, name) == "refused: answered 422 X"
        assert len(server.requests) == 4
        assert (await state_of(pool, name))[:2] == (4, 2)


async def test_a_restart_goes_on_with_the_count(pool: asyncpg.Pool) -> None:
    async with serving(*[400] * 20) as server:
        async with webhook_to(pool, server, max_refusals=3) as name:
            await issue(pool)
            await until(lambda: len(server.requests) >= 1)
            async with asyncio.timeout(60):
                while (await state_of(pool, name))[1] < 1:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
        async with webhook_to(pool, server, name=name, max_refusals=3):
            await until_disabled(pool, name)
    assert (await state_of(pool, name))[1] == 3


async def test_a_disabled_subscription_that_cannot_be_served_stays_disabled(
    pool: asyncpg.Pool,
) -> None:
    name = await subscribe(pool, "sse", "no_such_quantity > 1")
    await DeliveryStore(pool).disable("subscription", name, "it costs too much")
    async with serving_subscriptions(pool), asyncio.timeout(60):
        while (await state_of(pool, name))[0] == 0:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    failures, refusals, disabled, reason, _ = await state_of(pool, name)
    assert (failures, refusals, disabled) == (1, 0, "it costs too much")
    assert "no_such_quantity" in reason
