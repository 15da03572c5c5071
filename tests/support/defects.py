"""Exceptions that nobody expects, and what raises them where a test says so."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg
from confluent_kafka import KafkaError, KafkaException

__all__ = ["DEFECTS", "Breaking", "named", "running", "until"]

DEFECTS = [
    ValueError("a defect"), KeyError("a"), IndexError(1), TypeError(), ZeroDivisionError(),
    OverflowError(), MemoryError(), RecursionError(), NotImplementedError(),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "a defect"), UnicodeError("label too long"),
    asyncpg.DataError("invalid input"), KafkaException(KafkaError(KafkaError._FAIL)),
]  # fmt: skip


def named(error: BaseException) -> str:
    """Return the name of a test with an exception."""
    return type(error).__name__


class Breaking:
    """Raises an error at the calls that it is given."""

    def __init__(self, error: Exception, *, times: int = 1) -> None:
        self.error, self.times = error, times

    def __call__(self) -> None:
        if self.times > 0:
            self.times -= 1
            raise self.error


@asynccontextmanager
async def running(work: Coroutine[Any, Any, Any]) -> AsyncIterator["asyncio.Task[Any]"]:
    """Run something that never ends beside the test."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(condition: Callable[[], object]) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110  (nothing reports it)
            await asyncio.sleep(0.002)
