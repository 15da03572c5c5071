"""Channels of subscriptions: one for each row, as long as the row is there; and replays."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from pydantic import HttpUrl, SecretStr, ValidationError

from rules.wanted import Wanted, WantedError
from runtime.background import BackgroundTasks
from runtime.errors import FatalError, TransientError
from runtime.in_flight import InFlight
from runtime.kafka import create_producer
from runtime.logging import get_logger
from runtime.settings import DistributeSettings, KafkaSettings, WebhookSettings
from runtime.threads import run_in_thread
from schemas.delivery_channels import DeliveryChannelName
from schemas.topics import Topics
from services.distribute.app.alert_topic import AlertTopic
from services.distribute.app.channels import EMAIL_PICTURES_S, WEBHOOK_PICTURES_S
from services.distribute.errors import DeliveryError
from services.distribute.handlers.channel import DeliveryChannel, describe_defect
from services.distribute.handlers.digest import Digest
from services.distribute.handlers.replay import ReplayRun
from services.distribute.handlers.stamp_pictures import StampPictures
from services.distribute.handlers.subscription import SubscriptionFilter, parse_subscription
from services.distribute.handlers.webhook import Webhook
from services.distribute.metrics import forget_receiver
from services.distribute.models import OutgoingAlert, Subscription
from services.distribute.steps.replay_pace import ReplayPace
from services.distribute.steps.subscription_budget import SubscriptionBudget
from services.distribute.storage import DeliveryStore, StampStore, SubscriptionStore

if TYPE_CHECKING:
    from confluent_kafka import Producer

__all__ = ["SubscriptionRunner"]

Deliver = Callable[[list[OutgoingAlert]], Coroutine[Any, Any, list[OutgoingAlert]]]
_INTERVAL_S = 2.0
_MAIL = frozenset({"email", "digest"})
_WEBHOOKS = frozenset({"webhook", "chat"})
# A host may be somebody else's, and replays have no rhythm of their own.
_REPLAYED_PER_S = 10.0
# Receivers of replays whose costs are remembered.
_MAX_BUDGETS = 1000


@dataclass(frozen=True, slots=True)
class _Running:
    """A subscription that is served."""

    subscription: Subscription
    wanted: Wanted
    channel: DeliveryChannel
    deliver: Deliver
    close: Callable[[], Awaitable[None]]
    task: "asyncio.Task[NoReturn]"
    # By the row of the replay.
    replays: dict[int, "asyncio.Task[None]"]
    # Of the replays that are not done, which may be begun again.
    filters: dict[int, SubscriptionFilter]


class SubscriptionRunner:
    """Serves the subscriptions of the database; reads every 2 s which there are.

    Parameters
    ----------
    settings : DistributeSettings
        Mail server and limits.
    kafka : KafkaSettings
        Where the topics of subscriptions are.
    store : SubscriptionStore
        Subscriptions.
    deliveries : DeliveryStore
        What was delivered.
    stamps : StampStore
        Stamps that e-mails show and webhooks carry.
    may_deliver : callable
        Returns whether this process is the one that delivers.
    in_flight : InFlight
        Counts the alerts that it works at.
    background : BackgroundTasks
        Of the process, which a channel ends that cannot go on.
    """

    def __init__(
        self,
        settings: DistributeSettings,
        kafka: KafkaSettings,
        *,
        store: SubscriptionStore,
        deliveries: DeliveryStore,
        stamps: StampStore,
        may_deliver: Callable[[], Awaitable[bool]],
        in_flight: InFlight,
        background: BackgroundTasks,
    ) -> None:
        self._settings = settings
        self._kafka = kafka
        self._store = store
        self._deliveries = deliveries
        self._pictures = StampPictures(stamps.read, timeout_s=EMAIL_PICTURES_S)
        self._webhook_pictures = StampPictures(stamps.read, timeout_s=WEBHOOK_PICTURES_S)
        self._may_deliver = may_deliver
        self._in_flight = in_flight
        self._background = background
        self._producer: Producer | None = None
        # Rows that were read, whether they are served or not.
        self._versions: dict[int, str] = {}
        self._running: dict[int, _Running] = {}
        self._reading = asyncio.Semaphore(1)
        self._replay_budgets: dict[str, SubscriptionBudget] = {}
        self._replay_pace = ReplayPace(_REPLAYED_PER_S)

    def wake(self) -> None:
        """Deliver at once: there is a new alert."""
        for each in self._running.values():
            each.channel.wake()

    async def run(self) -> NoReturn:
        """Serve until the task is cancelled."""
        while True:
            with suppress(TransientError):  # the database is away: what is served goes on
                await self._update()
            await asyncio.sleep(_INTERVAL_S)

    async def aclose(self) -> None:
        """End all channels and replays."""
        for each in list(self._running.values()):
            await self._end(each)

    async def _update(self) -> None:
        """Serve what is new, end what is gone or another one, and start replays."""
        versions = await self._store.list_versions()
        changed = {key for key in versions if self._versions.get(key) != versions[key]}
        current = await self._store.read(changed) if changed else {}
        for key, running in list(self._running.items()):
            is_another = key in changed and current.get(key) != running.subscription
            if key not in versions or is_another:
                await self._end(running)
        for key, subscription in current.items():
            if key not in self._running:
                await self._start_or_tell(subscription)
        self._versions = versions
        if await self._may_deliver():
            await self._start_replays()

    async def _start_replays(self) -> None:
        wanted = await self._store.list_replays()
        self._end_replays(keep={replay.id for replay in wanted})
        by_name = {each.subscription.name: each for each in self._running.values()}
        for replay in wanted:
            served = by_name.get(replay.name)
            if served is None or replay.id in served.replays:
                continue
            run = ReplayRun(
                replay, store=self._store, deliver=served.deliver, may_deliver=self._may_deliver,
                reading=self._reading, wait_s=partial(self._wait_s, served.subscription),
                wanted=self._replay_filter(served, replay.id),
            )  # fmt: skip
            served.replays[replay.id] = asyncio.create_task(self._run_replay(run))

    def _end_replays(self, *, keep: set[int]) -> None:
        """Forget the replays that have ended, and end those that were deleted."""
        for each in self._running.values():
            for key, task in list(each.replays.items()):
                if key not in keep:  # it was deleted, or is done
                    task.cancel()
                if task.done():
                    del each.replays[key]
                    if not task.cancelled():
                        task.result()  # what it cannot record ends the process
            for key in each.filters.keys() - keep:
                del each.filters[key]

    def _wait_s(self, subscription: Subscription) -> float:
        """Give the next alert of a replay its turn; return how long it waits for that [s]."""
        if subscription.channel not in _WEBHOOKS:
            return 0.0
        return self._replay_pace.wait_s(subscription.target, time.monotonic())

    def _replay_filter(self, served: _Running, replay_id: int) -> SubscriptionFilter:
        """Return what chooses the alerts of a replay, as often as that is begun again."""
        if replay_id not in served.filters:
            served.filters[replay_id] = SubscriptionFilter(
                served.subscription.name, served.wanted, self._store,
                self._replay_budget(served.subscription), is_replay=True,
            )  # fmt: skip
        return served.filters[replay_id]

    def _replay_budget(self, subscription: Subscription) -> SubscriptionBudget:
        """Return what replays may cost, apart from what alerts of now may.

        A robot may ask for any number. A mailbox may be somebody else's: its limit is that of
        the address, whoever subscribes it how often.
        """
        is_mail = subscription.channel in _MAIL
        receiver = f"mailto:{subscription.target.lower()}" if is_mail else subscription.name
        if receiver not in self._replay_budgets:
            while len(self._replay_budgets) >= _MAX_BUDGETS:
                del self._replay_budgets[next(iter(self._replay_budgets))]
            self._replay_budgets[receiver] = SubscriptionBudget(
                ms_per_alert=self._settings.subscription_ms_per_alert,
                alerts_per_hour=self._settings.subscription_alerts_per_hour if is_mail else None,
            )
        return self._replay_budgets[receiver]

    async def _run_replay(self, run: ReplayRun) -> None:
        try:
            await run.run()
        except TransientError as error:  # begun again behind the last alert
            get_logger().debug("replay_postponed", error=str(error))

    async def _start_or_tell(self, subscription: Subscription) -> None:
        """Serve a subscription; tell its owner where that is not possible."""
        name = subscription.name
        try:
            await self._start(subscription)
        except (FatalError, TransientError):
            raise
        except WantedError as error:
            get_logger().error("subscription_rejected", name=name, error=str(error))
            reason = f"this version refuses what an earlier one took: {error}"
        except Exception as error:  # noqa: BLE001  (whatever it is: the others are served)
            get_logger().exception("subscription_not_started", name=name)
            reason = describe_defect(error)
        else:
            return
        await self._deliveries.count_failure(DeliveryChannelName.SUBSCRIPTION, name, reason)

    async def _start(self, subscription: Subscription) -> None:
        # A thread leaves the event loop, which sends the alerts, its turns.
        wanted = await run_in_thread(partial(parse_subscription, subscription))
        budget = SubscriptionBudget(
            ms_per_alert=self._settings.subscription_ms_per_alert,
            alerts_per_hour=self._settings.subscription_alerts_per_hour,
        )
        deliver, close = self._build_receiver(subscription)
        select = SubscriptionFilter(subscription.name, wanted, self._store, budget).select
        email = self._settings.email
        is_digest = subscription.channel == "digest" and email is not None
        channel = DeliveryChannel(
            DeliveryChannelName.SUBSCRIPTION, subscription.name, deliver,
            store=self._deliveries, may_deliver=self._may_deliver, in_flight=self._in_flight,
            max_age=timedelta(hours=self._settings.delivery_hours),
            max_refusals=self._settings.delivery_failures,
            pause_s=60 * email.every_minutes if is_digest and email is not None else 0.0,
            select=select,
        )  # fmt: skip
        self._running[subscription.id] = _Running(
            subscription,
            wanted,
            channel,
            deliver,
            close,
            self._background.start(channel.run()),
            replays={},
            filters={},
        )

    async def _end(self, running: _Running) -> None:
        """End everything that sends to its receiver, and only then the connections to it."""
        del self._running[running.subscription.id]
        await self._background.end(running.task, *running.replays.values())
        await running.close()
        forget_receiver(DeliveryChannelName.SUBSCRIPTION, running.subscription.name)

    def _build_receiver(
        self, subscription: Subscription
    ) -> tuple[Deliver, Callable[[], Awaitable[None]]]:
        """Return what sends alerts to the receiver of a subscription, and what closes it."""
        match subscription.channel:
            case "webhook" | "chat":
                return _build_webhook(
                    subscription,
                    self._webhook_pictures if subscription.stamps else None,
                    allow_private=self._settings.subscription_allow_private,
                )
            case "email" | "digest":
                email = self._settings.email
                if email is None:
                    return _refuse("this installation has no mail server"), _do_nothing
                to_one = email.model_copy(update={"recipients": (subscription.target,)})
                return Digest(to_one, run_in_thread, self._pictures).deliver, _do_nothing
            case "kafka":
                self._producer = self._producer or create_producer(self._kafka)
                topic = Topics(self._kafka.topic_prefix).alerts_of(subscription.name)
                return AlertTopic(self._kafka, topic, self._producer).deliver, _do_nothing
        return _keep, _do_nothing  # the API reads what was delivered


def _build_webhook(
    subscription: Subscription, pictures: StampPictures | None, *, allow_private: bool
) -> tuple[Deliver, Callable[[], Awaitable[None]]]:
    try:
        settings = WebhookSettings(
            name=subscription.name,
            url=HttpUrl(subscription.target),
            secret=subscription.secret and SecretStr(subscription.secret),
            format="chat" if subscription.channel == "chat" else "json",
            allow_private=allow_private,
        )
    except ValidationError as error:
        return _refuse(f"not a webhook: {error.errors()[0]['msg']}"), _do_nothing
    webhook = Webhook(settings, pictures)
    return webhook.deliver, webhook.aclose


def _refuse(reason: str) -> Deliver:
    async def refuse(_: list[OutgoingAlert]) -> list[OutgoingAlert]:
        raise DeliveryError(reason)

    return refuse


async def _keep(alerts: list[OutgoingAlert]) -> list[OutgoingAlert]:
    return alerts


async def _do_nothing() -> None:
    return None
