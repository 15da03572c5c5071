"""One client cannot occupy the connections of all."""

import asyncio

import pytest

from api.errors import ProblemError
from api.storage.budget import ClientBudget


async def ask(budget: ClientBudget, host: str, started: list[str], end: asyncio.Event) -> None:
    async with budget.turn(host):
        started.append(host)
        await end.wait()


async def test_a_client_waits_for_its_own_questions_and_no_other_does() -> None:
    budget = ClientBudget(running=2, waiting=3, wait_s=60)
    started: list[str] = []
    end = asyncio.Event()
    tasks = [asyncio.create_task(ask(budget, "192.0.2.1", started, end)) for _ in range(5)]
    tasks += [asyncio.create_task(ask(budget, "192.0.2.2", started, end))]
    for _ in range(10):
        await asyncio.sleep(0)
    assert sorted(started) == ["192.0.2.1"] * 2 + ["192.0.2.2"]
    with pytest.raises(ProblemError, match="one after another"):
        await ask(budget, "192.0.2.1", started, end)
    end.set()
    await asyncio.gather(*tasks)
    assert len(started) == 6
    assert not budget._asked
    assert not budget._turns


async def test_who_waits_too_long_is_told() -> None:
    budget = ClientBudget(running=1, waiting=1, wait_s=0.01)
    end = asyncio.Event()
    first = asyncio.create_task(ask(budget, "2001:db8::1", [], end))
    await asyncio.sleep(0)
    with pytest.raises(ProblemError, match="more than 1"):
        await ask(budget, "2001:db8::2", [], end)  # the same /64
    end.set()
    await first
