"""Blocking calls run beside the event loop and never keep a process from ending."""

import asyncio
import threading

import pytest

from runtime.threads import run_in_thread


async def test_a_blocking_call_gives_its_result_or_error() -> None:
    assert await run_in_thread(lambda: 42) == 42
    with pytest.raises(ZeroDivisionError):
        await run_in_thread(lambda: 1 // 0)


async def test_a_blocking_call_does_not_delay_the_exit() -> None:
    is_daemon = await run_in_thread(lambda: threading.current_thread().daemon)
    assert is_daemon


async def test_blocking_calls_run_at_the_same_time() -> None:
    all_there = threading.Barrier(10)
    await asyncio.gather(*(run_in_thread(lambda: all_there.wait(60)) for _ in range(10)))
