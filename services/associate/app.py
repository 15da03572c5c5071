"""Composition root of the associator: offsets come from PostgreSQL, not from Kafka."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition

from runtime.array_codecs import take_numpy
from runtime.attempts import AttemptLog, state_dir
from runtime.health import Health
from runtime.in_flight import InFlight, MessageLimits
from runtime.kafka import (
    GroupOffsets,
    InMessage,
    KafkaProbe,
    LostMessages,
    OutMessage,
    consume_batch,
    create_consumer,
    create_producer,
    ensure_topics,
    fetch_cluster_id,
    lost_by_retention,
    produce_and_wait,
)
from runtime.metrics import serve_metrics
from runtime.poll_pace import PollPace
from runtime.postgres import DatabaseProbe, create_pool
from runtime.process import log_assigned, log_started, run_service
from runtime.retry import RetryPolicy
from runtime.settings import AssociateProcessSettings
from runtime.stop_flag import StopFlag, StoppedError
from schemas.topics import Topics
from services.associate.handlers.detections import DetectionsHandler
from services.associate.handlers.forced_batches import ForcedBatches
from services.associate.handlers.forced_measurements import ForcedMeasurementsHandler
from services.associate.handlers.single_messages import SingleMessages
from services.associate.handlers.stamps import StampHandler
from services.associate.storage import CatalogueStore

__all__ = ["main"]

T = TypeVar("T")
_BATCH = 100
# Twenty milliseconds while images come or wait, two polls a second where nothing does: each is a
# look at two other topics and at what is due. A record ends a poll at once.
_POLL_S, _IDLE_POLL_S, _AWAKE_S = 0.02, 0.5, 2.0
# Its messages are small, so a queue is seldom full; each answer costs this process and the broker.
_FETCH_WAIT_MS = 500


def main() -> None:
    """Run until SIGTERM."""
    run_service("associate", AssociateProcessSettings, _run)


def _run(settings: AssociateProcessSettings, stop: StopFlag) -> None:
    health = Health(
        stop,
        stall_s=settings.metrics.stall_s,
        probes=[KafkaProbe(settings.kafka).check, DatabaseProbe(settings.postgres).check],
    )
    serve_metrics(settings.metrics, health)
    attempts = AttemptLog(state_dir(), group=settings.kafka.topic_prefix + "livetrap-associate")
    in_flight = InFlight(attempts, MessageLimits(timeout_s=settings.associate.timeout_s))
    with asyncio.Runner() as runner:
        app = _Associator(settings, stop, runner, in_flight, health)
        app.connect()
        app.loop()


class _Associator:
    """The consumer loop around one `DetectionsHandler`."""

    def __init__(
        self,
        settings: AssociateProcessSettings,
        stop: StopFlag,
        runner: asyncio.Runner,
        in_flight: InFlight,
        health: Health,
    ) -> None:
        self._health = health
        self._settings = settings
        self._stop = stop
        self._retry = RetryPolicy(stop)
        self._runner = runner
        self._in_flight = in_flight
        self._topics = Topics(settings.kafka.topic_prefix)
        self._pace = PollPace(busy_s=_POLL_S, idle_s=_IDLE_POLL_S, awake_s=_AWAKE_S)

    def connect(self) -> None:
        """Wait for Kafka and PostgreSQL."""
        kafka = self._settings.kafka
        retry_until_success = self._retry.retry_until_success
        retry_until_success(lambda: ensure_topics(kafka))
        cluster_id = retry_until_success(lambda: fetch_cluster_id(kafka))
        pool = retry_until_success(
            lambda: self._await(
                create_pool(
                    self._settings.postgres,
                    service="associate",
                    prepare=take_numpy,
                    resets_sessions=False,
                )
            )
        )
        self._upstream = GroupOffsets(
            kafka,
            group="livetrap-extract",
            source=self._topics.images,
            results=self._topics.detections,
        )
        self._handler = DetectionsHandler(
            self._settings.associate,
            self._topics,
            cluster_id,
            pool,
            self._in_flight,
            offsets=self._upstream,
        )
        self._consumer: Consumer = create_consumer(
            kafka,
            group="livetrap-associate",
            commits_to_kafka=False,
            fetch_wait_ms=_FETCH_WAIT_MS,
        )
        self._lost = LostMessages(self._consumer)
        self._producer: Producer = create_producer(kafka)
        self._forced = ForcedBatches(
            ForcedMeasurementsHandler(
                CatalogueStore(pool), self._settings.associate, self._topics
            ),
            self._in_flight,
            dead_letters=self._handler.dead_letters,
            outbox=self._handler.outbox,
        )
        self._forced_consumer: Consumer = create_consumer(
            kafka, group="livetrap-associate-forced", fetch_wait_ms=_FETCH_WAIT_MS
        )
        self._stamps = StampHandler(CatalogueStore(pool), self._settings.associate, self._topics)
        self._single = SingleMessages(self._in_flight, self._handler.dead_letters)
        self._stamp_consumer: Consumer = create_consumer(
            kafka, group="livetrap-associate-stamps", fetch_wait_ms=_FETCH_WAIT_MS
        )
        self._stamp_consumer.subscribe([self._topics.stamps])
        self._lost_forced = LostMessages(self._forced_consumer)
        self._forced_consumer.subscribe(
            [self._topics.forced_measurements], on_assign=self._lost_forced.on_assign
        )
        self._consumer.subscribe(
            [self._topics.detections], on_assign=self._on_assign, on_revoke=self._on_revoke
        )
        log_started(self._settings, topics=[self._topics.detections])

    def loop(self) -> None:
        """Consume, associate complete timesteps, publish the outbox."""
        with suppress(StoppedError):
            while not self._stop.is_set():
                self._step()
        self._consumer.close()
        self._forced_consumer.close()
        self._stamp_consumer.close()
        self._upstream.close()
        self._await(self._handler.aclose())

    def _step(self) -> None:
        retry_until_success = self._retry.retry_until_success
        messages = self._consume()
        is_idle = not messages and not self._handler.has_ready
        if not is_idle or self._handler.has_open_images():
            self._pace.stay_awake()
        retry_until_success(self._book_lost)
        if is_idle:
            retry_until_success(self._book_lost_while_idle)
        for message in messages:
            retry_until_success(partial(self._book_lost, message))
            self._handler.on_message(message)
        retry_until_success(self._send_dead_letters)
        if not retry_until_success(self._associate):
            self._seek(self._handler.partitions())
        retry_until_success(self._relay)
        self._store_forced()
        retry_until_success(self._announce_overdue)
        retry_until_success(self._relay)
        self._handle_stamps(is_idle=is_idle)
        self._await(self._handler.expiry.drop_expired())
        self._await(self._handler.reset_clocks())

    def _consume(self) -> list[InMessage]:
        """Return the next records; none while timesteps that are here can be associated."""
        if self._handler.has_ready:
            return []
        return consume_batch(self._consumer, limit=_BATCH, timeout_s=self._pace.timeout_s())

    def _book_lost(self, message: InMessage | None = None) -> None:
        """Book the records that Kafka deleted at the start, or before a message."""
        found = self._lost.at_start() if message is None else self._lost.before(message)
        for lost in found:
            self._handler.on_lost(lost)

    def _book_lost_while_idle(self) -> None:
        for lost in self._lost.while_idle():
            self._handler.on_lost(lost)

    def _reject_lost_forced(self, message: InMessage) -> None:
        for found in (self._lost_forced.at_start(), self._lost_forced.before(message)):
            for lost in found:
                self._handler.dead_letters.add(lost, lost_by_retention(lost))

    def _send_dead_letters(self) -> None:
        """Send the dead letters before an offset moves beyond them."""
        self._handler.dead_letters.send(self._producer)

    def _associate(self) -> bool:
        """Commit the timesteps that are complete; False if another associator took over."""
        return self._await(self._handler.associate_ready())

    def _relay(self) -> None:
        """Publish what the transactions left in the outbox, in order."""
        while self._await(self._handler.outbox.relay(self._send)):
            pass

    def _announce_overdue(self) -> None:
        """Tell the new sources that have waited long enough for what earlier images show."""
        if self._await(self._handler.look_backs.announce_overdue()):
            self._handler.outbox.expect()

    def _store_forced(self) -> None:
        """Store forced measurements; one may come twice, so Kafka has their offsets."""
        messages = consume_batch(
            self._forced_consumer, limit=self._forced.most_messages, timeout_s=0
        )
        if messages:
            self._pace.stay_awake()
        for message in messages:
            self._retry.retry_until_success(partial(self._reject_lost_forced, message))
        for batch in self._forced.split(messages):
            self._retry.retry_until_success(partial(self._store_batch, batch))
            self._retry.retry_until_success(self._send_dead_letters)
        for message in messages:
            self._forced_consumer.store_offsets(
                offsets=[TopicPartition(message.topic, message.partition, message.offset + 1)]
            )

    def _store_batch(self, batch: list[InMessage]) -> None:
        self._await(self._forced.store(batch))

    def _handle_stamps(self, *, is_idle: bool) -> None:
        """Ask for stamps after the events that they belong to, store those that have come."""
        if self._await(self._stamps.ask(is_idle=is_idle, is_awake=self._pace.is_awake)):
            self._handler.outbox.expect()
            self._pace.stay_awake()
        if not self._stamps.may_take(is_idle=is_idle):
            return
        for message in consume_batch(self._stamp_consumer, limit=1, timeout_s=0):
            self._pace.stay_awake()
            self._retry.retry_until_success(partial(self._store_stamps, message))
            self._retry.retry_until_success(self._send_dead_letters)
            self._stamp_consumer.store_offsets(
                offsets=[TopicPartition(message.topic, message.partition, message.offset + 1)]
            )
        if is_idle:
            self._await(self._stamps.drop_expired())

    def _store_stamps(self, message: InMessage) -> None:
        self._await(self._single.store_or_refuse(self._stamps.on_message, message))

    def _send(self, messages: list[OutMessage]) -> None:
        produce_and_wait(self._producer, messages)

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        offsets = self._take([partition.partition for partition in partitions])
        for partition in partitions:
            partition.offset = offsets.get(partition.partition, OFFSET_BEGINNING)
        self._lost.assign(partitions)
        consumer.assign(partitions)
        log_assigned(partitions)
        self._health.mark_started()

    def _on_revoke(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._lost.release(partitions)
        self._handler.release_partitions([each.partition for each in partitions])

    def _seek(self, partitions: list[int]) -> None:
        """Start again at the offsets of the database; what was in memory is read again."""
        offsets = self._take(partitions)
        for number in partitions:
            offset = offsets.get(number, OFFSET_BEGINNING)
            place = TopicPartition(self._topics.detections, number, offset)
            self._lost.assign([place])
            self._consumer.seek(place)

    def _take(self, partitions: list[int]) -> dict[int, int]:
        """Take partitions over; return their offsets in the database, if they have one."""
        return self._retry.retry_until_success(
            lambda: self._await(self._handler.take_partitions(partitions))
        )

    def _await(self, work: Coroutine[Any, Any, T]) -> T:
        # What `Runner.run` does for Ctrl-C is four times the cost of a short call.
        return self._runner.get_loop().run_until_complete(work)
