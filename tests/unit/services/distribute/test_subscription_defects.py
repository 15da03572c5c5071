"""A subscription that cannot be served is told to its owner, and the others are served."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from prometheus_client import REGISTRY

from rules.wanted import Wanted, WantedError
from runtime.background import BackgroundTasks
from runtime.errors import FatalError
from schemas.delivery_channels import DeliveryChannelName
from services.distribute.app import subscriptions as runner_module
from services.distribute.handlers.subscription import parse_subscription
from services.distribute.metrics import DELIVERY_ATTEMPTS, forget_receiver
from services.distribute.models import Subscription
from tests.support.defects import DEFECTS, named, until
from tests.unit.services.distribute.test_subscription_runner import SUBSCRIPTION, Store, runner_of

pytestmark = pytest.mark.usefixtures("logs")
BAD = "bad"
NAMES = ("first", BAD, "last")


class Subscriptions(Store):
    """Three of them; notes which are served, and what is told."""

    def __init__(self) -> None:
        super().__init__(self._wait)
        self.served: set[str] = set()
        self.told: list[tuple[str, str, str]] = []

    async def _wait(self) -> None:
        await asyncio.Event().wait()

    async def list_versions(self) -> dict[int, str]:
        return dict(enumerate(NAMES))

    async def read(self, _: set[int]) -> dict[int, Subscription]:
        return {key: replace(SUBSCRIPTION, id=key, name=name) for key, name in enumerate(NAMES)}

    async def ensure_subscriber(self, _: str, name: str) -> None:  # type: ignore[override]
        self.served.add(name)
        await self._wait()

    async def count_failure(self, channel: str, name: str, reason: str, **_: Any) -> bool:
        self.told.append((channel, name, reason))
        return False


@pytest.mark.parametrize("step", ["parse_subscription", "_build_receiver"])
@pytest.mark.parametrize("error", [*DEFECTS, WantedError("rule: no such name")], ids=named)
async def test_the_others_are_served_and_the_owner_is_told_once(
    error: Exception, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def parse(subscription: Subscription) -> Wanted:
        if subscription.name == BAD:
            raise error
        return parse_subscription(subscription)

    def build(_: object, subscription: Subscription) -> Any:
        if subscription.name == BAD:
            raise error
        return runner_module._keep, runner_module._do_nothing

    if step == "parse_subscription":
        monkeypatch.setattr(runner_module, step, parse)
    else:
        monkeypatch.setattr(runner_module.SubscriptionRunner, step, build)
    monkeypatch.setattr(runner_module, "_INTERVAL_S", 0.002)
    store, failures = Subscriptions(), list[BaseException]()
    background = BackgroundTasks(failures.append)
    runner = runner_of(store, background)
    task = background.start(runner.run())
    await until(lambda: failures or len(store.served) == 2)
    assert store.served == {"first", "last"}
    ((channel, name, reason),) = store.told
    assert (channel, name) == (DeliveryChannelName.SUBSCRIPTION, BAD)
    assert (str(error) if isinstance(error, WantedError) else type(error).__name__) in reason
    assert not failures
    await background.end(task)
    await runner.aclose()


async def test_a_missing_migration_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    def parse(_: Subscription) -> Wanted:
        raise FatalError("migrate")

    monkeypatch.setattr(runner_module, "parse_subscription", parse)
    failure: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
    background = BackgroundTasks(failure.set_result)
    task = background.start(runner_of(Subscriptions(), background).run())
    async with asyncio.timeout(60):
        assert isinstance(await failure, FatalError)
    await background.end(task)


def test_subscriptions_that_are_gone_leave_no_counts() -> None:
    for number in range(100):
        for outcome in ("delivered", "failed", "refused")[: 1 + number % 3]:
            DELIVERY_ATTEMPTS.labels("subscription", f"loop-{number}", outcome).inc()
        forget_receiver("subscription", f"loop-{number}")
    labels = [each.labels for family in REGISTRY.collect() for each in family.samples]
    assert not [each for each in labels if each.get("name", "").startswith("loop-")]
