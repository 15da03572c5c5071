"""Start and stop of the distribute service: VTP, channels, authors, reader of the topic."""

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial
from typing import Any, NoReturn

import asyncpg

from runtime.advisory_lock import AdvisoryLock
from runtime.attempts import AttemptLog, state_dir
from runtime.background import BackgroundTasks
from runtime.dead_letters import DeadLetters
from runtime.health import Health
from runtime.in_flight import InFlight, MessageLimits
from runtime.kafka import (
    InMessage,
    KafkaProbe,
    MessageFetcher,
    TopicTail,
    create_producer,
    delete_topics,
    ensure_topics,
)
from runtime.metrics import serve_metrics
from runtime.postgres import DatabaseProbe, create_pool
from runtime.process import log_started, run_service
from runtime.retry import RetryPolicy
from runtime.settings import DistributeProcessSettings
from runtime.stop_flag import StopFlag
from runtime.threads import run_in_thread
from schemas.topics import Topics
from services.distribute.app.channels import build_channels
from services.distribute.app.reader import TailReader
from services.distribute.app.subscriptions import SubscriptionRunner
from services.distribute.handlers.alert_check import AlertCheck
from services.distribute.handlers.alerts import AlertHandler
from services.distribute.handlers.channel import DeliveryChannel
from services.distribute.handlers.delivery_log import DeliveryLog
from services.distribute.handlers.delivery_retention import keep_deliveries
from services.distribute.handlers.name_retention import keep_names
from services.distribute.handlers.relay import SubmissionRelay
from services.distribute.handlers.unused_topics import UnusedTopics
from services.distribute.handlers.vtp import VtpServer
from services.distribute.handlers.vtp_receiver import VtpReceiver
from services.distribute.storage import (
    AlertStore,
    DeliveryStore,
    StampStore,
    SubmissionStore,
    SubscriptionStore,
    UnusedTopicStore,
)

__all__ = ["main"]

_GROUP = "livetrap-distribute"
# Alerts are on a topic of one partition.
_PARTITION = 0
_CHECK_INTERVAL_S = 0.5
_DEAD_LETTER_INTERVAL_S = 1.0


def main() -> None:
    """Run until SIGTERM."""
    run_service("distribute", DistributeProcessSettings, _run)


def _run(settings: DistributeProcessSettings, stop: StopFlag) -> None:
    asyncio.run(_Service(settings, stop).run())


class _Service:
    """The parts of one distribute process."""

    def __init__(self, settings: DistributeProcessSettings, stop: StopFlag) -> None:
        self._settings = settings
        self._stop = stop
        self._retry = RetryPolicy(stop)
        self._failure: BaseException | None = None
        self._background = BackgroundTasks(self._fail)
        self._topics = Topics(settings.kafka.topic_prefix)
        self._dead_letters = DeadLetters(topic=self._topics.dead_letters, service="distribute")
        attempts = AttemptLog(state_dir(), group=settings.kafka.topic_prefix + _GROUP)
        self._in_flight = InFlight(
            attempts, MessageLimits(timeout_s=settings.distribute.timeout_s)
        )

    async def run(self) -> None:
        """Start everything, wait, stop everything."""
        settings = self._settings
        health = Health(
            self._stop,
            stall_s=settings.metrics.stall_s,
            probes=[KafkaProbe(settings.kafka).check, DatabaseProbe(settings.postgres).check],
        )
        serve_metrics(settings.metrics, health)
        async with AsyncExitStack() as stack:
            stack.callback(self._in_flight.close)
            retry = self._retry.retry_until_success_async
            await retry(lambda: run_in_thread(lambda: ensure_topics(settings.kafka)))
            pool = await retry(lambda: create_pool(settings.postgres, service="distribute"))
            stack.callback(pool.terminate)
            topic = self._topics.alerts_voevent
            tail = TopicTail(settings.kafka, topic, name=_GROUP)
            log = self._build_log(pool, stack)
            vtp = VtpServer(settings.vtp, settings.alert.authority, log=log)
            lock = self._lead(stack)
            channels = self._build_channels(pool, lock, stack)
            subscriptions = self._build_subscriptions(pool, lock, stack)
            alerts = AlertHandler(
                AlertStore(pool),
                broadcast=vtp.broadcast,
                wake=lambda: _wake([*channels, subscriptions]),
                dead_letters=self._dead_letters,
                in_flight=self._in_flight,
            )
            # Before the port opens: from here on every alert is broadcast, and those until here
            # are rows that a named subscriber can ask for.
            await retry(lambda: run_in_thread(tail.seek_to_end))
            await retry(alerts.start)
            for channel in channels:
                await retry(channel.start)
            await vtp.start()
            stack.push_async_callback(vtp.aclose)
            await self._start_receiver(pool, vtp, stack)
            await retry(lambda: self._repeat_unfinished(alerts))
            check = AlertCheck(
                AlertStore(pool), authority=settings.alert.authority,
                pass_on=alerts.on_messages, dead_letters=self._dead_letters,
            )  # fmt: skip
            reader = TailReader(tail, on_messages=check.on_messages, on_failure=self._fail)
            reader.start()
            stack.callback(reader.stop)
            self._delete_old_deliveries(pool, stack)
            self._forget_names(pool, vtp, stack)
            self._delete_unused_topics(pool, lock, stack)
            parts = (
                log.run(), check.run(), alerts.run(), self._send_dead_letters(),
                subscriptions.run(),
            )  # fmt: skip
            for work in (*parts, *(channel.run() for channel in channels)):
                self._run_in_background(work, stack)
            log_started(settings, channels=len(channels))
            health.mark_started()
            # A signal sets the flag.
            while not self._stop.is_set() and self._failure is None:  # noqa: ASYNC110
                await asyncio.sleep(_CHECK_INTERVAL_S)
        if self._failure is not None:
            raise self._failure

    async def _repeat_unfinished(self, alerts: AlertHandler) -> None:
        """Handle the alert in which an earlier process ended, unless it was the third."""
        topic = self._topics.alerts_voevent
        offsets = self._in_flight.attempts.unfinished(topic, _PARTITION)
        if not offsets:
            return
        fetcher = MessageFetcher(self._settings.kafka, group=f"{_GROUP}-again")
        try:
            for offset in offsets:
                message = await run_in_thread(partial(fetcher.fetch, topic, _PARTITION, offset))
                if message is not None:
                    alerts.on_message(message)
                else:
                    self._in_flight.attempts.end(InMessage(topic, _PARTITION, offset, b"", b""))
        finally:
            fetcher.close()

    def _build_log(self, pool: asyncpg.Pool, stack: AsyncExitStack) -> DeliveryLog:
        settings = self._settings.vtp
        log = DeliveryLog(
            DeliveryStore(pool),
            max_age=timedelta(hours=settings.replay_hours),
            limit=settings.queue_length // 2,
        )
        stack.push_async_callback(log.aclose)
        return log

    def _delete_old_deliveries(self, pool: asyncpg.Pool, stack: AsyncExitStack) -> None:
        """Delete what is older than the retention, but nothing that may be repeated."""
        settings = self._settings.distribute
        if settings.delivery_retention_days is None:
            return
        repeated_hours = max(
            self._settings.vtp.replay_hours,
            settings.delivery_hours,
            24 * settings.delivery_retention_days,
        )
        work = keep_deliveries(DeliveryStore(pool), timedelta(hours=repeated_hours))
        self._run_in_background(work, stack)

    def _forget_names(self, pool: asyncpg.Pool, vtp: VtpServer, stack: AsyncExitStack) -> None:
        repeated = timedelta(hours=self._settings.vtp.replay_hours)
        work = keep_names(DeliveryStore(pool), vtp.list_names, repeated=repeated)
        self._run_in_background(work, stack)

    def _delete_unused_topics(
        self, pool: asyncpg.Pool, lock: AdvisoryLock, stack: AsyncExitStack
    ) -> None:
        kafka = self._settings.kafka

        async def delete(names: Sequence[str]) -> None:
            topics = [self._topics.alerts_of(name) for name in names]
            await run_in_thread(lambda: delete_topics(kafka, topics))

        unused = UnusedTopics(
            UnusedTopicStore(pool),
            delete=delete,
            may_delete=lock.try_acquire,
            unused_s=3600 * self._settings.distribute.topic_hours,
        )
        self._run_in_background(unused.run(), stack)

    def _lead(self, stack: AsyncExitStack) -> AdvisoryLock:
        """Return the lock of the process that delivers; it is renewed in the background."""
        lock = AdvisoryLock(
            self._settings.postgres, name="livetrap.distribute.lead", service="distribute"
        )
        stack.callback(lock.release)
        self._run_in_background(lock.keep(), stack)
        return lock

    def _build_subscriptions(
        self, pool: asyncpg.Pool, lock: AdvisoryLock, stack: AsyncExitStack
    ) -> SubscriptionRunner:
        runner = SubscriptionRunner(
            self._settings.distribute,
            self._settings.kafka,
            store=SubscriptionStore(pool),
            deliveries=DeliveryStore(pool),
            stamps=StampStore(pool),
            may_deliver=lock.try_acquire,
            in_flight=self._in_flight,
            background=self._background,
        )
        stack.push_async_callback(runner.aclose)
        return runner

    def _build_channels(
        self, pool: asyncpg.Pool, lock: AdvisoryLock, stack: AsyncExitStack
    ) -> list[DeliveryChannel]:
        return build_channels(
            self._settings.distribute,
            DeliveryStore(pool),
            StampStore(pool),
            may_deliver=lock.try_acquire,
            in_flight=self._in_flight,
            stack=stack,
        )

    async def _start_receiver(
        self, pool: asyncpg.Pool, vtp: VtpServer, stack: AsyncExitStack
    ) -> None:
        """Relay submissions, and receive some if there is a port for authors."""
        settings = self._settings
        store = SubmissionStore(pool)
        relay = SubmissionRelay(store, vtp.relay)
        stack.push_async_callback(relay.aclose)
        self._run_in_background(relay.run(), stack)
        if settings.vtp.submit_port is None:
            return
        receiver = VtpReceiver(
            settings.vtp, settings.alert.authority, store=store, relay=relay.relay
        )
        await receiver.start()
        stack.push_async_callback(receiver.aclose)

    async def _send_dead_letters(self) -> NoReturn:
        """Send the dead letters until the task is cancelled."""
        producer = create_producer(self._settings.kafka)
        while True:
            await asyncio.sleep(_DEAD_LETTER_INTERVAL_S)
            if not self._dead_letters.pending:
                continue  # no thread for nothing, twice a second
            await self._retry.retry_until_success_async(
                lambda: run_in_thread(lambda: self._dead_letters.send(producer))
            )

    def _run_in_background(
        self, work: Coroutine[Any, Any, NoReturn], stack: AsyncExitStack
    ) -> None:
        """Run a task that shall never end; it has ended before what it uses is closed."""
        stack.push_async_callback(self._background.end, self._background.start(work))

    def _fail(self, error: BaseException) -> None:
        self._failure = self._failure or error


def _wake(channels: Sequence[DeliveryChannel | SubscriptionRunner]) -> None:
    for channel in channels:
        channel.wake()
