"""An action is repeated while a dependency is unavailable, and not beyond a stop."""

import asyncio
from collections.abc import Callable, Iterator

import pytest
from structlog.testing import capture_logs

from runtime.errors import TransientError
from runtime.retry import RetryPolicy
from runtime.stop_flag import StoppedError


class FakeStop:
    """A stop flag that is set after so many waits, and keeps their lengths."""

    def __init__(self, waits: int = 99) -> None:
        self.n_left = waits
        self.waits_s: list[float] = []

    def is_set(self) -> bool:
        return self.n_left <= 0

    def wait(self, seconds: float) -> None:
        self.n_left -= 1
        self.waits_s.append(seconds)


def flaky(*reasons: str) -> Callable[[], str]:
    """Return an action that fails once for each reason, then succeeds."""
    left: Iterator[str] = iter(reasons)

    def action() -> str:
        for reason in left:
            raise TransientError(reason)
        return "done"

    return action


def always_away() -> str:
    raise TransientError("away")


def test_an_outage_is_logged_when_it_begins_changes_and_ends() -> None:
    with capture_logs() as lines:
        assert RetryPolicy(FakeStop()).retry_until_success(flaky("a", "a", "b")) == "done"
    events = [(line["event"], line.get("reason")) for line in lines]
    assert events == [
        ("dependency_unavailable", "a"),
        ("dependency_unavailable", "b"),
        ("dependency_recovered", None),
    ]


def test_success_at_the_first_attempt_logs_nothing() -> None:
    with capture_logs() as lines:
        assert RetryPolicy(FakeStop()).retry_until_success(flaky()) == "done"
    assert lines == []


def test_the_wait_doubles_up_to_five_seconds() -> None:
    stop = FakeStop()
    RetryPolicy(stop).retry_until_success(flaky(*["away"] * 7))
    assert stop.waits_s == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]


def test_every_attempt_is_reported_by_its_number() -> None:
    attempts: list[int] = []
    policy = RetryPolicy(FakeStop(), on_attempt=attempts.append)
    policy.retry_until_success(flaky("away", "away"))
    policy.retry_until_success(flaky())
    assert attempts == [1, 2, 3, 1]


def test_a_stop_ends_the_attempts() -> None:
    stop = FakeStop(waits=3)
    with pytest.raises(StoppedError):
        RetryPolicy(stop).retry_until_success(always_away)
    assert len(stop.waits_s) == 3


def test_other_errors_are_not_repeated() -> None:
    def broken() -> None:
        raise ZeroDivisionError("by zero")

    with pytest.raises(ZeroDivisionError, match="by zero"):
        RetryPolicy(FakeStop()).retry_until_success(broken)


async def test_a_coroutine_is_made_anew_for_each_attempt() -> None:
    action = flaky("away")
    attempts: list[int] = []

    async def coroutine() -> str:
        return action()

    policy = RetryPolicy(FakeStop(), on_attempt=attempts.append)
    with capture_logs() as lines:
        assert await policy.retry_until_success_async(coroutine) == "done"
    assert attempts == [1, 2]
    assert [line["event"] for line in lines] == ["dependency_unavailable", "dependency_recovered"]


async def test_a_stop_cancels_the_attempt_under_way() -> None:
    stop = FakeStop(waits=1)
    was_cancelled = asyncio.Event()

    async def hang() -> None:
        stop.wait(0)  # sets the flag: the attempt has begun
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            was_cancelled.set()
            raise

    with pytest.raises(StoppedError):
        await RetryPolicy(stop).retry_until_success_async(hang)
    await asyncio.wait_for(was_cancelled.wait(), 60)


async def test_a_stop_ends_the_wait_between_two_attempts() -> None:
    stop = FakeStop(waits=1)

    async def fail_and_stop() -> None:
        stop.wait(0)
        raise TransientError("away")

    with pytest.raises(StoppedError):
        await RetryPolicy(stop).retry_until_success_async(fail_and_stop)
