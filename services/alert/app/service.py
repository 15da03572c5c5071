"""Start and stop of the alert service: VTP server, recovery, stream, watchdog."""

import asyncio
import tempfile
import time
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from runtime.advisory_lock import AdvisoryLock
from runtime.dead_letters import DeadLetters
from runtime.errors import FatalError, RejectedMessageError, TransientError
from runtime.kafka import InMessage, ensure_topics
from runtime.logging import configure_library_logging, get_logger
from runtime.metrics import serve_metrics
from runtime.postgres import create_pool
from runtime.process import run_service
from runtime.retry import RetryPolicy
from runtime.settings import AlertProcessSettings
from runtime.stop_flag import StopFlag, StoppedError
from runtime.threads import run_in_thread
from schemas.topics import Topics
from services.alert.app.channels import build_channels
from services.alert.app.rules import RuleFile
from services.alert.app.sender import KafkaSender
from services.alert.app.stream import build_app
from services.alert.app.watchdog import Watchdog
from services.alert.handlers.channel import DeliveryChannel
from services.alert.handlers.delivery_log import DeliveryLog
from services.alert.handlers.transients import TransientHandler
from services.alert.handlers.vtp import VtpServer
from services.alert.handlers.vtp_receiver import VtpReceiver
from services.alert.metrics import EVENTS, RETRIES
from services.alert.storage import AlertStore, DeliveryStore, SubmissionStore

__all__ = ["main"]

GROUP = "livetrap-alert"
_LOOK_S = 0.1
_LAG_EVERY_S = 10.0
_STOP_FAUST_S = 2.5


def main() -> None:
    """Run until SIGTERM."""
    run_service("alert", AlertProcessSettings, _run)


def _run(settings: AlertProcessSettings, stop: StopFlag) -> None:
    # They warn of every rebalance.
    configure_library_logging(errors_only=("faust", "mode", "aiokafka"))
    with suppress(StoppedError):
        asyncio.run(_Service(settings, stop).run())


class _Service:
    """The parts of one alert process."""

    def __init__(self, settings: AlertProcessSettings, stop: StopFlag) -> None:
        self._settings = settings
        self._stop = stop
        topics = Topics(settings.kafka.topic_prefix)
        self._dead_letters = DeadLetters(topic=topics.dead_letters, service="alert")
        self._failure: BaseException | None = None
        self._watchdog = Watchdog(time.monotonic())
        self._retry = RetryPolicy(stop, on_attempt=self._on_attempt)
        self._has_led = False

    async def run(self) -> None:
        """Start everything, wait, stop everything."""
        settings = self._settings
        rules = RuleFile(settings.alert.rules)
        serve_metrics(settings.metrics)
        async with AsyncExitStack() as stack:
            self._sender = KafkaSender(settings.kafka, group=GROUP)
            stack.callback(self._sender.close)
            retry_until_success = self._retry.retry_until_success_async
            await retry_until_success(lambda: run_in_thread(lambda: ensure_topics(settings.kafka)))
            pool = await retry_until_success(
                lambda: create_pool(settings.postgres, service="alert")
            )
            stack.callback(pool.terminate)
            self._lock = AdvisoryLock(
                settings.postgres, name="livetrap.alert.lead", service="alert"
            )
            stack.callback(self._lock.release)
            await retry_until_success(self._ensure_leading)
            # Not before: who subscribes to a process that stands by would hear nothing.
            vtp = VtpServer(settings.vtp, settings.alert.authority)
            await vtp.start()
            stack.push_async_callback(vtp.aclose)
            book = DeliveryLog(
                DeliveryStore(pool),
                longest=timedelta(hours=settings.vtp.replay_hours),
                limit=settings.vtp.queue_length // 2,
            )
            vtp.keep(book)
            channels = build_channels(settings.alert, DeliveryStore(pool), stack)
            workers: list[DeliveryLog | DeliveryChannel | VtpReceiver] = [book, *channels]
            if settings.vtp.submit_port is not None:
                authors = VtpReceiver(
                    settings.vtp, settings.alert.authority,
                    store=SubmissionStore(pool), relay=vtp.relay,
                )  # fmt: skip
                await authors.start()
                stack.push_async_callback(authors.aclose)
                workers.append(authors)
            for work in [worker.run() for worker in workers]:
                task = asyncio.create_task(work)
                task.add_done_callback(self._on_end)
                stack.callback(task.cancel)
            self._handler = TransientHandler(
                settings.alert,
                rules=rules.current,
                store=AlertStore(pool),
                sender=self._sender,
                broadcast=vtp.broadcast,
                wake=partial(_wake_all, channels),
            )
            await retry_until_success(self._sender.read_ends)
            n_recovered = await retry_until_success(self._handler.recover)
            get_logger().info("service_started", recovered=n_recovered)
            await self._consume(Path(stack.enter_context(tempfile.TemporaryDirectory())))
        if self._failure is not None:
            raise self._failure

    async def _consume(self, data_dir: Path) -> None:
        app = build_app(
            self._settings.kafka,
            group=GROUP,
            data_dir=data_dir,
            on_events=self._on_events,
            on_failure=self._fail,
            beat=self._beat,
        )
        watch = asyncio.create_task(self._watch())
        try:
            await self._retry.unless_stopped(app.start())
            # A signal sets the flag.
            while not self._stop.is_set() and self._failure is None:
                await asyncio.sleep(_LOOK_S)
                if app.crashed and not self._stop.is_set():
                    self._fail(FatalError(f"faust crashed: {app.crash_reason!r}"))
        finally:
            watch.cancel()
            with suppress(TimeoutError):
                await asyncio.wait_for(app.stop(), _STOP_FAUST_S)

    async def _on_events(self, messages: list[InMessage]) -> None:
        """Handle events; return when each is an alert, refused, or a dead letter."""
        refusals = await self._retry.retry_until_success_async(lambda: self._handle(messages))
        for message, error in zip(messages, refusals, strict=True):
            if error is not None:
                self._dead_letters.add(message, error)
        if n_rejected := len(self._dead_letters.pending):
            await self._retry.retry_until_success_async(
                lambda: self._sender.send_dead_letters(self._dead_letters)
            )
            EVENTS.labels("rejected").inc(n_rejected)

    async def _handle(self, messages: list[InMessage]) -> list[RejectedMessageError | None]:
        await self._ensure_leading()
        return await self._handler.on_events([message.value for message in messages])

    async def _ensure_leading(self) -> None:
        """Return if this process is the one that sends alerts."""
        if await self._lock.try_acquire():
            self._has_led = True
        elif self._has_led:  # the events in hand are the other process's now
            raise FatalError("another alert process has taken over")
        else:
            raise TransientError(
                "another process sends the alerts of this database; this process stands by"
            )

    def _on_attempt(self, number: int) -> None:
        """Count a repeated attempt; one that waits for a dependency is no standstill."""
        self._watchdog.note_attempt(time.monotonic())
        if number > 1:
            RETRIES.inc()

    def _fail(self, error: BaseException) -> None:
        self._failure = self._failure or error

    def _on_end(self, task: "asyncio.Task[Any]") -> None:
        """Notice a task that should have run for ever: it has a defect."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fail(error)

    def _beat(self) -> None:
        now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        self._sender.send_heartbeat(orjson.dumps({"alert_datetime": now}))

    async def _watch(self) -> None:
        """End the process if events wait and none is handled: a restart goes on with them."""
        while True:
            await asyncio.sleep(_LAG_EVERY_S)
            try:
                await self._sender.read_ends()
                lag, committed = await self._sender.read_lag()
            except TransientError:  # an outage is not mended by a restart
                self._watchdog.note_attempt(time.monotonic())
                continue
            if self._watchdog.is_stuck(lag, committed, time.monotonic()):
                self._fail(FatalError(f"{lag} events wait and none was handled for a minute"))
                return


def _wake_all(channels: list[DeliveryChannel]) -> None:
    for channel in channels:
        channel.wake()
