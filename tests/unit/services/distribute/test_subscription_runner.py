"""A channel of a subscription that cannot go on ends the process, and is not silent for ever."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from runtime.background import BackgroundTasks
from runtime.errors import FatalError, RejectedMessageError
from runtime.settings import DistributeSettings, KafkaSettings
from services.distribute.app import subscriptions as runner_module
from services.distribute.app.subscriptions import SubscriptionRunner
from services.distribute.models import Replay, Subscription
from tests.support.in_flight import new_in_flight
from tests.support.vtp_events import START

SUBSCRIPTION = Subscription(
    id=1, name="north", rule="", ra=None, dec=None, radius_deg=None, moc="", schedule="",
    channel="sse", target="", secret=None, stamps=False,
)  # fmt: skip


class Store:
    """One subscription, with a replay where reading it does something; what is done is given."""

    def __init__(
        self,
        ensure: Callable[[], Awaitable[None]],
        read_replayed: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._ensure = ensure
        self._read_replayed = read_replayed
        self.replay_failures: list[str | None] = []

    async def list_versions(self) -> dict[int, str]:
        return {1: "a"}

    async def read(self, _: set[int]) -> dict[int, Subscription]:
        return {1: SUBSCRIPTION}

    async def list_replays(self) -> list[Replay]:
        if self._read_replayed is None or self.replay_failures:
            return []
        return [Replay(1, "north", START, START, 1.0, 0)]

    async def list_replayed(self, *_: object, **__: object) -> list[Any]:
        assert self._read_replayed is not None
        await self._read_replayed()
        return []

    async def end_replay(self, _: int, failure_reason: str | None) -> None:
        self.replay_failures.append(failure_reason)

    async def ensure_subscriber(self, *_: object) -> None:
        await self._ensure()


async def may_deliver() -> bool:
    return True


def runner_of(store: Store, background: BackgroundTasks) -> SubscriptionRunner:
    return SubscriptionRunner(
        DistributeSettings(),
        KafkaSettings(),
        store=store,  # type: ignore[arg-type]
        deliveries=store,  # type: ignore[arg-type]
        stamps=store,  # type: ignore[arg-type]
        may_deliver=may_deliver,
        in_flight=new_in_flight(),
        background=background,
    )


async def refuse() -> None:
    raise FatalError("a table has another column")


async def wait() -> None:
    await asyncio.Event().wait()


async def be_cancelled() -> None:
    waited_for = asyncio.get_running_loop().create_future()
    waited_for.cancel()
    await waited_for


@pytest.mark.parametrize("ensure", [refuse, be_cancelled])
async def test_a_channel_that_ends_by_itself_is_a_failure_of_the_process(
    ensure: Callable[[], Awaitable[None]],
) -> None:
    failure: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
    background = BackgroundTasks(failure.set_result)
    runner = runner_of(Store(ensure), background)
    task = background.start(runner.run())
    async with asyncio.timeout(60):
        assert isinstance(await failure, FatalError)
    await background.end(task)
    await runner.aclose()


async def test_a_channel_has_ended_when_its_subscription_has() -> None:
    has_begun, has_ended = asyncio.Event(), False

    async def wait() -> None:
        nonlocal has_ended
        has_begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            has_ended = True

    background = BackgroundTasks(lambda error: pytest.fail(repr(error)))
    runner = runner_of(Store(wait), background)
    task = background.start(runner.run())
    await asyncio.wait_for(has_begun.wait(), 60)
    await background.end(task)
    await runner.aclose()
    assert has_ended


async def test_a_replay_that_cannot_go_on_is_a_failure_of_the_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(runner_module, "_INTERVAL_S", 0.0)
    failure: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
    background = BackgroundTasks(failure.set_result)
    runner = runner_of(Store(wait, read_replayed=refuse), background)
    task = background.start(runner.run())
    async with asyncio.timeout(60):
        assert isinstance(await failure, FatalError)
    await background.end(task)
    await runner.aclose()


async def fail() -> None:
    raise ZeroDivisionError("a defect")


async def reject() -> None:
    raise RejectedMessageError("unstorable", "PostgreSQL refuses it")


@pytest.mark.parametrize("read", [fail, reject])
async def test_a_replay_that_fails_ends_with_words(
    read: Callable[[], Awaitable[None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner_module, "_INTERVAL_S", 0.0)
    background = BackgroundTasks(lambda error: pytest.fail(repr(error)))
    store = Store(wait, read_replayed=read)
    runner = runner_of(store, background)
    task = background.start(runner.run())
    async with asyncio.timeout(60):
        while not store.replay_failures:  # noqa: ASYNC110  (polled)
            await asyncio.sleep(0.01)
    (reason,) = store.replay_failures
    assert reason
    assert "log of the operator" in reason
    await background.end(task)
    await runner.aclose()
