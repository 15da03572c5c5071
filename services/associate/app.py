"""Composition root of the associator: offsets come from PostgreSQL, not from Kafka."""

import asyncio
from collections.abc import Coroutine
from functools import partial
from typing import Any, TypeVar

from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition

from runtime.errors import RejectedMessageError
from runtime.kafka import (
    InMessage,
    OutMessage,
    consume_batch,
    create_consumer,
    create_producer,
    ensure_topics,
    fetch_cluster_id,
    produce_and_wait,
)
from runtime.metrics import serve_metrics
from runtime.postgres import create_pool
from runtime.process import StopFlag, dead_letter, retry, run_service
from runtime.settings import Settings
from schemas.topics import Topics
from services.associate.handlers.detections import DetectionsHandler
from services.associate.handlers.forced import ForcedHandler
from services.associate.storage import CatalogueStore

__all__ = ["main"]

T = TypeVar("T")
_BATCH = 100
_FORCED_BATCH = 20
_POLL_S = 0.02


def main() -> None:
    """Run until SIGTERM."""
    run_service("associate", _run)


def _run(settings: Settings, stop: StopFlag) -> None:
    serve_metrics(settings.metrics)
    with asyncio.Runner() as runner:
        app = _Associator(settings, stop, runner)
        if app.connect():
            app.loop()


class _Associator:
    """The consumer loop around one `DetectionsHandler`."""

    def __init__(self, settings: Settings, stop: StopFlag, runner: asyncio.Runner) -> None:
        self._settings = settings
        self._stop = stop
        self._runner = runner
        self._topics = Topics(settings.kafka.topic_prefix)

    def connect(self) -> bool:
        """Wait for Kafka and PostgreSQL; False if told to stop before."""
        kafka = self._settings.kafka
        retry(lambda: ensure_topics(kafka), self._stop)
        cluster_id = retry(lambda: fetch_cluster_id(kafka), self._stop)
        pool = retry(
            lambda: self._await(create_pool(self._settings.postgres, service="associate")),
            self._stop,
        )
        if cluster_id is None or pool is None:
            return False
        self._handler = DetectionsHandler(self._settings, self._topics, cluster_id, pool)
        self._consumer: Consumer = create_consumer(
            kafka, group="livetrap-associate", commits_to_kafka=False
        )
        self._producer: Producer = create_producer(kafka)
        self._forced_handler = ForcedHandler(
            CatalogueStore(pool), self._settings.associate, self._topics.transients
        )
        self._forced_consumer: Consumer = create_consumer(kafka, group="livetrap-associate-forced")
        self._forced_consumer.subscribe([self._topics.forced_measurements])
        self._consumer.subscribe(
            [self._topics.detections], on_assign=self._on_assign, on_revoke=self._on_revoke
        )
        return True

    def loop(self) -> None:
        """Consume, associate what is complete, relay what the database holds ready."""
        while not self._stop.is_set():
            for message in consume_batch(self._consumer, limit=_BATCH, timeout_s=_POLL_S):
                self._handler.on_message(message)
            retry(self._send_dead_letter, self._stop)
            if retry(self._associate, self._stop) is False:
                self._seek(self._handler.partitions())
            retry(self._relay, self._stop)
            self._store_forced()
            self._await(self._handler.drop_expired())
        self._consumer.close()
        self._forced_consumer.close()
        self._await(self._handler.aclose())

    def _send_dead_letter(self) -> None:
        """Send the dead letters before an offset moves beyond them."""
        if dead_letters := self._handler.dead_letters():
            self._send(list(dead_letters))
            self._handler.forget_dead_letters()

    def _associate(self) -> bool:
        """Commit the timesteps that are complete; False if another associator was faster."""
        return self._await(self._handler.associate_ready())

    def _relay(self) -> None:
        """Publish what the transactions left in the outbox, in order."""
        while outbox := self._await(self._handler.fetch_outbox()):
            self._send([message for _, message in outbox])
            self._await(self._handler.delete_outbox([number for number, _ in outbox]))

    def _store_forced(self) -> None:
        """Store forced measurements; one may come twice, so Kafka has their offsets."""
        for message in consume_batch(self._forced_consumer, limit=_FORCED_BATCH, timeout_s=0):
            if retry(partial(self._store_answer, message), self._stop) is None:
                return  # told to stop while the world was away
            self._forced_consumer.store_offsets(
                offsets=[TopicPartition(message.topic, message.partition, message.offset + 1)]
            )

    def _store_answer(self, message: InMessage) -> bool:
        try:
            if self._await(self._forced_handler.on_message(message)):
                self._handler.expect_outbox()
        except RejectedMessageError as error:
            letter = dead_letter(
                message, error, topic=self._topics.dead_letters, service="associate"
            )
            self._send([letter])
        return True

    def _send(self, messages: list[OutMessage]) -> None:
        produce_and_wait(self._producer, messages)

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        offsets = retry(
            lambda: self._await(self._handler.take_partitions([p.partition for p in partitions])),
            self._stop,
        )
        for partition in partitions:
            partition.offset = (offsets or {}).get(partition.partition, OFFSET_BEGINNING)
        consumer.assign(partitions)

    def _on_revoke(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._handler.release_partitions([each.partition for each in partitions])

    def _seek(self, partitions: list[int]) -> None:
        """Start again where the database says; what was in memory is read again."""
        offsets = retry(lambda: self._await(self._handler.take_partitions(partitions)), self._stop)
        for number in partitions if offsets is not None else []:
            offset = offsets.get(number, OFFSET_BEGINNING) if offsets else OFFSET_BEGINNING
            self._consumer.seek(TopicPartition(self._topics.detections, number, offset))

    def _await(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)
