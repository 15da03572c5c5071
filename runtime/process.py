"""The loop of every stream processor, and the only place that decides a message's fate."""

import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer

from runtime.errors import FatalError, PipelineError, RejectedMessageError, TransientError
from runtime.kafka import (
    InMessage,
    OffsetTracker,
    OutMessage,
    consume_batch,
    ensure_topics,
    send,
)
from runtime.logging import configure_logging, get_logger
from runtime.settings import Settings, load_settings

__all__ = [
    "MessageHandler",
    "StopFlag",
    "dead_letter",
    "retry",
    "run_service",
    "run_transform",
]

T = TypeVar("T")

_FIRST_BACKOFF_S = 0.2
_LONGEST_BACKOFF_S = 10.0


class StopFlag:
    """Set by SIGTERM or SIGINT; the loops look at it between two messages."""

    def __init__(self) -> None:
        self._event = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._event.set())

    def is_set(self) -> bool:
        """Return whether the process shall end."""
        return self._event.is_set()

    def wait(self, seconds: float) -> None:
        """Sleep, but wake at once when told to stop."""
        self._event.wait(seconds)


def run_service(service: str, body: Callable[[Settings, StopFlag], None]) -> None:
    """Run one service's `body` until it is told to stop; exit with the contract's codes.

    Parameters
    ----------
    service : str
        Name in the logs.
    body : callable
        Called with the settings and the stop flag.
    """
    try:
        settings = load_settings()
        configure_logging(service, level=settings.logging.level)
        body(settings, StopFlag())
    except FatalError as error:
        get_logger().error("service_failed", error=str(error))
        sys.exit(2 if type(error).__name__ == "SettingsError" else 1)
    get_logger().info("service_stopped")


def retry(action: Callable[[], T], stop: StopFlag) -> T | None:
    """Call `action` until it stops raising `TransientError`; None if told to stop before.

    The wait doubles from 0.2 s to 10 s. The trouble is logged when it begins and ends.
    """
    backoff_s = _FIRST_BACKOFF_S
    last_reason = ""
    while not stop.is_set():
        try:
            result = action()
        except TransientError as error:
            if str(error) != last_reason:
                get_logger().warning("dependency_unavailable", reason=str(error))
                last_reason = str(error)
            stop.wait(backoff_s)
            backoff_s = min(2 * backoff_s, _LONGEST_BACKOFF_S)
        else:
            if last_reason:
                get_logger().info("dependency_recovered")
            return result
    return None


def dead_letter(
    message: InMessage, error: PipelineError, *, topic: str, service: str
) -> OutMessage:
    """Return the dead letter of `message`: its own bytes, with the reason in the headers."""
    reason = error.reason_code if isinstance(error, RejectedMessageError) else "failed"
    return OutMessage(
        topic,
        message.key,
        message.value,
        message.headers
        | {
            "topic": message.topic,
            "partition": str(message.partition),
            "offset": str(message.offset),
            "service": service,
            "reason": reason,
            "error": str(error),
            "time": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        },
    )


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
    settings: Settings,
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
    settings : Settings
        For the topics that must exist.
    """
    retry(lambda: ensure_topics(settings.kafka), stop)
    results = _Results(consumer, producer)

    def process(message: InMessage) -> Sequence[OutMessage]:
        try:
            return handlers[message.topic].handle(message)
        except RejectedMessageError as error:
            _log_rejection(message, error)
            return handlers[message.topic].on_rejected(message, error)

    consumer.subscribe(
        list(handlers), on_revoke=lambda _, partitions: results.tracker.forget(partitions)
    )
    get_logger().info("service_started", topics=list(handlers))
    try:
        while not stop.is_set():
            for message in consume_batch(consumer, limit=1, timeout_s=0.05):
                outputs = retry(partial(process, message), stop)
                if outputs is not None:  # None: told to stop while the world was away
                    results.send(message, outputs)
            results.check()
        producer.flush(10)
    finally:
        _close(consumer)


def _log_rejection(message: InMessage, error: RejectedMessageError) -> None:
    get_logger().warning(
        "message_rejected",
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        reason=error.reason_code,
        error=str(error),
    )


def _close(consumer: Consumer) -> None:
    started_s = time.monotonic()
    try:
        consumer.close()
    except KafkaException as error:
        get_logger().warning(
            "close_failed", error=str(error), seconds=time.monotonic() - started_s
        )
