"""The loop of every stream processor, and the only place that decides a message's fate."""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer

from runtime.dead_letters import log_rejection
from runtime.errors import FatalError, RejectedMessageError, SettingsError
from runtime.kafka import (
    InMessage,
    OffsetTracker,
    OutMessage,
    consume_batch,
    ensure_topics,
    send,
)
from runtime.logging import configure_logging, get_logger
from runtime.retry import RetryPolicy
from runtime.settings import ServiceSettings, WorkerSettings, load_settings
from runtime.stop_flag import StopFlag, StoppedError

__all__ = ["MessageHandler", "run_service", "run_transform"]

S = TypeVar("S", bound=ServiceSettings)


def run_service(service: str, kind: type[S], body: Callable[[S, StopFlag], None]) -> None:
    """Run one service's `body` until the stop flag is set; exit with the contract's codes.

    Parameters
    ----------
    service : str
        Name in the logs.
    kind : type
        The sections of the settings that the process reads.
    body : callable
        Called with the settings and the stop flag; a `StoppedError` is its normal end.
    """
    try:
        settings = load_settings(kind)
        configure_logging(service, level=settings.logging.level)
        with suppress(StoppedError):
            body(settings, StopFlag())
    except FatalError as error:
        get_logger().error("service_failed", error=str(error))
        sys.exit(2 if isinstance(error, SettingsError) else 1)
    get_logger().info("service_stopped")


class _Results:
    """What was made of the messages, on its way to the broker."""

    def __init__(self, consumer: Consumer, producer: Producer) -> None:
        self.tracker = OffsetTracker(consumer)
        self._producer = producer
        self._failed = False

    def send(self, message: InMessage, outputs: Sequence[OutMessage]) -> None:
        """Queue the outputs of one message; its offset follows when all have arrived."""
        self.tracker.begin(message, len(outputs))

        def on_done(error: KafkaError | None) -> None:
            if error is None:
                self.tracker.acknowledge(message)
            else:
                get_logger().error("delivery_failed", error=str(error))
                self._failed = True

        for output in outputs:
            send(self._producer, output, on_done)

    def check(self) -> None:
        """Take delivery reports; a lost result ends the process, and a restart redoes it."""
        self._producer.poll(0)
        if self._failed:
            raise FatalError("Kafka did not take a result within its delivery timeout")


@dataclass(frozen=True, slots=True)
class MessageHandler:
    """What becomes of the messages of a topic.

    Parameters
    ----------
    handle : callable
        Message in, messages out. `RejectedMessageError` ends the message, `TransientError`
        repeats it, anything else ends the process with the offset unmoved.
    on_rejected : callable
        The messages that record a rejection; the dead letter among them.
    """

    handle: Callable[[InMessage], Sequence[OutMessage]]
    on_rejected: Callable[[InMessage, RejectedMessageError], Sequence[OutMessage]]


def run_transform(
    *,
    consumer: Consumer,
    producer: Producer,
    handlers: Mapping[str, MessageHandler],
    stop: StopFlag,
    settings: WorkerSettings,
) -> None:
    """Consume topics, hand each message to its handler, send what it returns, then commit.

    Parameters
    ----------
    consumer, producer : confluent_kafka clients
        Closed here.
    handlers : mapping of str to MessageHandler
        Who takes the messages of which topic.
    stop : StopFlag
        Ends the loop after the message in hand.
    settings : WorkerSettings
        For the topics that must exist.
    """
    retry = RetryPolicy(stop)
    results = _Results(consumer, producer)
    try:
        with suppress(StoppedError):
            retry.retry_until_success(lambda: ensure_topics(settings.kafka))
            consumer.subscribe(
                list(handlers), on_revoke=lambda _, partitions: results.tracker.forget(partitions)
            )
            get_logger().info("service_started", topics=list(handlers))
            while not stop.is_set():
                for message in consume_batch(consumer, limit=1, timeout_s=0.05):
                    process = partial(_process, handlers[message.topic], message)
                    results.send(message, retry.retry_until_success(process))
                results.check()
        producer.flush(10)
    finally:
        _close(consumer)


def _process(handler: MessageHandler, message: InMessage) -> Sequence[OutMessage]:
    """Return what a message becomes, be it a result or the record of its rejection."""
    try:
        return handler.handle(message)
    except RejectedMessageError as error:
        log_rejection(message, error)
        return handler.on_rejected(message, error)


def _close(consumer: Consumer) -> None:
    started_s = time.monotonic()
    try:
        consumer.close()
    except KafkaException as error:
        get_logger().warning(
            "close_failed", error=str(error), seconds=time.monotonic() - started_s
        )
