"""Work that is repeated goes on after failures, but not after one that no repetition mends."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest
from structlog.testing import capture_logs

from runtime.errors import FatalError, TransientError
from runtime.periodic import repeat_periodically


def work_that_raises(*errors: Exception) -> tuple[Callable[[], Awaitable[None]], asyncio.Event]:
    """Return work that raises one error after the other, and an event of its first success."""
    is_done = asyncio.Event()
    left = iter(errors)

    async def work() -> None:
        if (error := next(left, None)) is not None:
            raise error
        is_done.set()

    return work, is_done


async def test_the_next_attempt_follows_a_failure_and_each_is_logged() -> None:
    work, is_done = work_that_raises(TransientError("away"), ValueError("odd"))
    with capture_logs() as logs:
        task = asyncio.create_task(
            repeat_periodically(work, interval_s=0.0, failure="rows_not_deleted")
        )
        await is_done.wait()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    assert [(each["event"], each["log_level"]) for each in logs] == [
        ("rows_not_deleted", "debug"), ("rows_not_deleted", "error"),
    ]  # fmt: skip
    assert logs[0]["error"] == "away"


async def test_a_fatal_error_ends_it() -> None:
    work, is_done = work_that_raises(FatalError("no such table"))
    with pytest.raises(FatalError, match="no such table"):
        await repeat_periodically(work, interval_s=0.0, failure="rows_not_deleted")
    assert not is_done.is_set()
