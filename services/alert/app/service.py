"""Start and stop of the alert service: recovery, stream, watchdog."""

import asyncio
import tempfile
import time
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import orjson

from runtime.advisory_lock import FENCE_S, AdvisoryLock
from runtime.attempts import AttemptLog, state_dir
from runtime.background import BackgroundTasks
from runtime.dead_letters import DeadLetters
from runtime.errors import FatalError, RejectedMessageError, TransientError
from runtime.health import Health
from runtime.in_flight import InFlight, MessageLimits
from runtime.kafka import InMessage, KafkaProbe, ensure_topics, lost_by_retention
from runtime.logging import configure_library_logging
from runtime.metrics import serve_metrics
from runtime.postgres import DatabaseProbe, create_pool
from runtime.process import log_started, run_service
from runtime.retry import RetryPolicy
from runtime.settings import AlertProcessSettings
from runtime.stop_flag import StopFlag, StoppedError
from runtime.threads import run_in_thread
from schemas.topics import Topics
from services.alert.app.counting import handle_in_flight
from services.alert.app.rules import RuleFile
from services.alert.app.sender import KafkaSender
from services.alert.app.stream import SESSION_TIMEOUT_S, EventQueue, build_app
from services.alert.app.watchdog import Watchdog
from services.alert.handlers.transients import TransientHandler
from services.alert.metrics import EVENTS, LEADS, RETRIES
from services.alert.storage import AlertStore
from sky.wcs import preload

__all__ = ["main"]

GROUP = "livetrap-alert"
_CHECK_INTERVAL_S = 0.5
_LAG_INTERVAL_S = 10.0
_STOP_FAUST_S = 2.5


def main() -> None:
    """Run until SIGTERM."""
    run_service("alert", AlertProcessSettings, _run)


def _run(settings: AlertProcessSettings, stop: StopFlag) -> None:
    # These warn of every rebalance.
    configure_library_logging(errors_only=("faust", "mode", "aiokafka"))
    attempts = AttemptLog(state_dir(), group=settings.kafka.topic_prefix + GROUP)
    in_flight = InFlight(attempts, MessageLimits(timeout_s=settings.alert.timeout_s))
    asyncio.run(_Service(settings, stop, in_flight).run())


class _StandstillError(FatalError):
    """Events wait, and none is handled."""


class _Service:
    """The parts of one alert process."""

    def __init__(
        self, settings: AlertProcessSettings, stop: StopFlag, in_flight: InFlight
    ) -> None:
        self._in_flight = in_flight
        self._settings = settings
        self._stop = stop
        topics = Topics(settings.kafka.topic_prefix)
        self._transients = topics.transients
        self._dead_letters = DeadLetters(topic=topics.dead_letters, service="alert")
        self._failure: BaseException | None = None
        self._background = BackgroundTasks(self._fail)
        self._watchdog = Watchdog(time.monotonic())
        self._has_partitions: Callable[[], bool] = lambda: True  # not known before the start
        self._retry = RetryPolicy(stop, on_attempt=self._on_attempt)
        self._has_led = False
        self._health = Health(
            stop,
            stall_s=settings.metrics.stall_s,
            probes=[KafkaProbe(settings.kafka).check, DatabaseProbe(settings.postgres).check],
        )

    async def run(self) -> None:
        """Start everything, wait, stop everything."""
        settings = self._settings
        self._rules = RuleFile(settings.alert.rules)
        serve_metrics(settings.metrics, self._health)
        async with AsyncExitStack() as stack:
            self._lock = AdvisoryLock(
                settings.postgres, name="livetrap.alert.lead", service="alert", fence_s=FENCE_S
            )
            stack.push_async_callback(self._lock.give_back)
            LEADS.set_function(lambda: float(self._lock.is_held))
            stack.callback(self._in_flight.close)
            self._sender = KafkaSender(
                settings.kafka, group=GROUP, is_leader=lambda: self._lock.is_held
            )
            stack.callback(self._sender.close)
            retry = self._retry.retry_until_success_async
            projections = asyncio.create_task(run_in_thread(preload))
            await retry(lambda: run_in_thread(lambda: ensure_topics(settings.kafka)))
            pool = await retry(
                lambda: create_pool(settings.postgres, service="alert", resets_sessions=False)
            )
            stack.callback(pool.terminate)
            await retry(self._ensure_leading)
            self._run_in_background(self._lock.keep(), stack)
            self._store = AlertStore(pool)
            await retry(self._learn_names)
            self._rules.check_catalogues()
            self._handler = TransientHandler(
                settings.alert,
                rules=self._rules.current,
                store=self._store,
                sender=self._sender,
            )
            await retry(lambda: self._sender.fence(_make_heartbeat()))
            await retry(self._sender.read_ends)
            n_recovered = await retry(self._handler.recover)
            await self._sender.check_cluster()
            await self._reject_lost([])
            await projections
            log_started(settings, recovered=n_recovered)
            self._health.mark_started()
            await self._consume(Path(stack.enter_context(tempfile.TemporaryDirectory())), stack)
        if isinstance(self._failure, _StandstillError):
            await self._forget_membership()
        if self._failure is not None:
            raise self._failure

    async def _forget_membership(self) -> None:
        """Wait until Kafka has forgotten this process as a member of its group.

        Who comes back before under the same `instance_id` gets the partitions of the time before,
        and no new ones are given; it may have had none.
        """
        if self._settings.kafka.instance_id is not None:
            with suppress(StoppedError):
                await self._retry.unless_stopped(asyncio.sleep(SESSION_TIMEOUT_S + 1.0))

    async def _consume(self, data_dir: Path, stack: AsyncExitStack) -> None:
        """Run faust until the process is asked to stop or something fails."""
        events = EventQueue()
        n_partitions = await self._retry.retry_until_success_async(self._sender.count_partitions)
        app = build_app(
            self._settings.kafka,
            group=GROUP,
            data_dir=data_dir,
            events=events,
            n_partitions=n_partitions,
            heartbeat=self._send_heartbeat,
        )
        for work in (events.run(self._on_events), self._watch()):
            self._run_in_background(work, stack)
        try:
            await self._retry.unless_stopped(app.start())
            self._has_partitions = lambda: bool(app.consumer.assignment())
            while not self._stop.is_set() and self._failure is None:
                await asyncio.sleep(_CHECK_INTERVAL_S)
                if app.crashed and not self._stop.is_set():
                    self._fail(FatalError(f"faust crashed: {app.crash_reason!r}"))
        finally:
            with suppress(TimeoutError):
                await asyncio.wait_for(app.stop(), _STOP_FAUST_S)

    def _run_in_background(
        self, work: Coroutine[Any, Any, NoReturn], stack: AsyncExitStack
    ) -> None:
        """Run a task that shall never end; it has ended before what it uses is closed."""
        stack.push_async_callback(self._background.end, self._background.start(work))

    async def _on_events(self, messages: list[InMessage]) -> None:
        """Handle events; return when each is an alert, needs none, or is a dead letter."""
        await self._reject_lost(messages)
        rejections = await self._retry.retry_until_success_async(lambda: self._handle(messages))
        for message, error in zip(messages, rejections, strict=True):
            if error is not None:
                self._dead_letters.add(message, error)
        if n_rejected := len(self._dead_letters.pending):
            await self._retry.retry_until_success_async(
                lambda: self._sender.send_dead_letters(self._dead_letters)
            )
            EVENTS.labels("rejected").inc(n_rejected)

    async def _reject_lost(self, messages: list[InMessage]) -> None:
        """Tell of the events that Kafka deleted before these; of those before any if none."""
        find = partial(self._sender.find_lost, messages)
        for lost in await self._retry.retry_until_success_async(find):
            self._dead_letters.add(lost, lost_by_retention(lost))

    async def _handle(self, messages: list[InMessage]) -> list[RejectedMessageError | None]:
        await self._ensure_leading()
        if self._rules.is_changed:
            await self._learn_names()
        return await handle_in_flight(self._handler.on_events, messages, self._in_flight)

    async def _learn_names(self) -> None:
        """Read the catalogues and streams that rules may name."""
        self._rules.know(await self._store.list_names())

    async def _ensure_leading(self) -> None:
        """Return if this process is the leader, which sends the alerts."""
        if await self._lock.try_acquire():
            self._has_led = True
        elif self._has_led:  # the current events are handled by the other process
            raise FatalError("another alert process has taken over")
        else:
            self._health.mark_started()  # it stands by: that is its work
            raise TransientError(
                "another process sends the alerts of this database; this process stands by"
            )

    def _on_attempt(self, number: int) -> None:
        """Count repeated attempts; a wait for a dependency is no standstill of the stream."""
        self._watchdog.record_attempt(time.monotonic())
        if number > 1:
            RETRIES.inc()

    def _fail(self, error: BaseException) -> None:
        self._failure = self._failure or error

    def _send_heartbeat(self) -> None:
        self._sender.send_heartbeat(_make_heartbeat())

    async def _watch(self) -> NoReturn:
        """End the process if events wait and none is handled, or if another process leads.

        Its restart continues with the events, or stands by. A process that was stopped and has no
        event at hand would otherwise stay a member of the consumer group that sends nothing.
        """
        while True:
            await asyncio.sleep(_LAG_INTERVAL_S)
            try:
                await self._ensure_leading()
                await self._sender.read_ends()
                lag, committed = await self._sender.read_lag()
                await self._handler.release_storms(self._transients)
            except TransientError:  # a restart would not end an outage
                self._watchdog.record_attempt(time.monotonic())
                continue
            is_assigned = self._has_partitions()
            if self._watchdog.is_stuck(lag, committed, time.monotonic(), is_assigned=is_assigned):
                why = "none was handled for a minute" if is_assigned else "no partition is read"
                raise _StandstillError(f"{lag} events wait and {why}")


def _make_heartbeat() -> bytes:
    now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    return orjson.dumps({"alert_datetime": now})
