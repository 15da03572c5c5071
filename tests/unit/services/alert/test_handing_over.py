"""A hand-over that waits for nothing needs no task; one that waits goes on as before."""

import asyncio
import inspect
from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mode import Service
from mode.utils.locks import Event

from services.alert.app.handing_over import at_once

PAUSES = st.lists(st.sampled_from(["sleep", "future", "none"]), max_size=5)


async def work(pauses: list[str], error: Exception | None = None) -> list[str]:
    done = []
    for pause in pauses:
        if pause == "sleep":
            await asyncio.sleep(0)
        elif pause == "future":
            future = asyncio.get_running_loop().create_future()
            asyncio.get_running_loop().call_soon(future.set_result, None)
            await future
        done.append(pause)
    if error is not None:
        raise error
    ENDED.append(done)
    return done


ENDED: list[list[str]] = []


class Consumer(Service):
    """A service of faust, as far as it waits."""


async def never() -> None:
    await asyncio.Event().wait()


async def tasks_of(coroutine: Coroutine[Any, Any, Any]) -> int:
    """Run a coroutine; return how many tasks it made."""
    made = []
    loop = asyncio.get_running_loop()

    def make(at: Any, work: Any, **how: Any) -> Any:
        made.append(work)
        return asyncio.Task(work, loop=at, **how)

    loop.set_task_factory(make)
    try:
        await coroutine
    finally:
        loop.set_task_factory(None)
    return len(made)


@given(pauses=PAUSES)
def test_the_work_is_done_wherever_it_waits(pauses: list[str]) -> None:
    async def run() -> int:
        ENDED.clear()
        return await tasks_of(at_once(Consumer().wait_first)(work(pauses), never()))

    n_tasks = asyncio.run(run())
    assert [pauses] == ENDED
    assert (n_tasks == 0) == (not {"sleep", "future"} & set(pauses))


@given(pauses=PAUSES)
def test_an_error_is_raised_wherever_it_happens(pauses: list[str]) -> None:
    async def run() -> None:
        with pytest.raises(ZeroDivisionError, match="a defect"):
            await at_once(Consumer().wait_first)(
                work(pauses, ZeroDivisionError("a defect")), never()
            )

    asyncio.run(run())


async def test_a_signal_ends_a_hand_over_that_waits() -> None:
    waiting = never()
    async with asyncio.timeout(60):
        await at_once(Consumer().wait_first)(waiting, asyncio.sleep(0))
    await asyncio.sleep(0)
    assert inspect.getcoroutinestate(waiting) == inspect.CORO_CLOSED  # it was ended, too


async def test_a_cancellation_reaches_the_work() -> None:
    waiting = never()
    task = asyncio.create_task(at_once(Consumer().wait_first)(waiting, never()))
    for _ in range(5):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0)
    assert inspect.getcoroutinestate(waiting) == inspect.CORO_CLOSED


@pytest.mark.parametrize("kind", [asyncio.Event, Event])
@pytest.mark.parametrize("is_beside", [False, True])
async def test_signals_are_waited_for(kind: type[Any], *, is_beside: bool) -> None:
    signal = kind()
    works = (never(), signal) if is_beside else (signal, never())
    task = asyncio.create_task(at_once(Consumer().wait_first)(*works))
    for _ in range(5):
        await asyncio.sleep(0)
    assert not task.done()
    signal.set()
    async with asyncio.timeout(60):
        await task
    done = await at_once(Consumer().wait_first)(work([]), kind())
    assert (done.results, done.stopped) == ([[]], False)
