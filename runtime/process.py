"""The loop of a stream processor: handle messages, send results, dead letters and offsets."""

import faulthandler
import gc
import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import NoReturn, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from runtime.attempts import AttemptLog
from runtime.dead_letters import log_rejection
from runtime.errors import (
    FatalError,
    PipelineError,
    RejectedMessageError,
    SettingsError,
)
from runtime.health import Health
from runtime.in_flight import MessageLimits, time_limit
from runtime.kafka import (
    CheckedConsumer,
    DeferredMessages,
    InMessage,
    LostMessages,
    OffsetTracker,
    OutMessage,
    RetentionWatch,
    compare_topics,
    consume_batch,
    ensure_topics,
    fetch_retention_bytes,
    lost_by_retention,
    send,
    without_bytes,
)
from runtime.logging import configure_logging, get_logger
from runtime.poll_pace import PollPace
from runtime.retry import RetryPolicy, call_twice
from runtime.settings import ServiceSettings, WorkerSettings, load_settings
from runtime.shutdown import end_process, limit_stop_time
from runtime.stop_flag import StopFlag, StoppedError

__all__ = [
    "MessageHandler",
    "MessageLimits",
    "log_assigned",
    "log_started",
    "process_message",
    "run_service",
    "run_worker",
]

S = TypeVar("S", bound=ServiceSettings)
# Delivery reports, lost messages and the stop flag wait for the end of a poll; a message does not.
_BUSY_POLL_S, _IDLE_POLL_S, _AWAKE_S = 0.05, 0.25, 1.0


def run_service(service: str, kind: type[S], body: Callable[[S, StopFlag], None]) -> NoReturn:
    """Run one service's `body` until the stop flag is set; exit with the contract's codes.

    The process ends within `STOP_LIMIT_S` of the signal, also while Kafka or PostgreSQL is away.

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
        faulthandler.enable()  # a crash in native code leaves its traceback in the log
        stop = StopFlag()
        limit_stop_time()
        # Modules stay as long as the process: to look for garbage among their 200 000 objects
        # takes a tenth of a second, in which a message waits.
        gc.freeze()
        with suppress(StoppedError):
            body(settings, stop)
    except FatalError as error:
        get_logger().error("service_failed", error=str(error))
        end_process(2 if isinstance(error, SettingsError) else 1)
    except Exception:  # noqa: BLE001  (the interpreter would wait for clients of Kafka at its end)
        get_logger().exception("service_failed")
        end_process(1)
    get_logger().info("service_stopped")
    end_process(0)


def log_started(settings: ServiceSettings, **facts: object) -> None:
    """Log that a service is connected and begins, with what tells two deployments apart.

    Parameters
    ----------
    settings : ServiceSettings
        Two processes with the same digest have the same settings; secrets do not enter it.
    **facts : object
        What the service works on.
    """
    digest = hashlib.sha256(settings.model_dump_json().encode()).hexdigest()[:12]
    get_logger().info(
        "service_started", version=version("livetrap"), settings_digest=digest, **facts
    )


def log_assigned(partitions: Sequence[TopicPartition]) -> None:
    """Log the partitions that the group has given to this process."""
    names = sorted(f"{each.topic}-{each.partition}" for each in partitions)
    get_logger().info("partitions_assigned", partitions=names)


class _Results:
    """Results on their way to the broker."""

    def __init__(self, consumer: Consumer, producer: Producer, retry: RetryPolicy) -> None:
        self.tracker = OffsetTracker(consumer)
        self._producer = producer
        self._retry = retry
        self._failed = False

    def send(self, message: InMessage, outputs: Sequence[OutMessage]) -> None:
        """Queue the outputs of one message; its offset is stored when all are acknowledged."""
        self.tracker.begin(message, len(outputs))

        def on_done(error: KafkaError | None) -> None:
            if error is None:
                self.tracker.acknowledge(message)
            else:
                get_logger().error("kafka_delivery_failed", error=str(error))
                self._failed = True

        for output in outputs:
            self._retry.retry_until_success(partial(send, self._producer, output, on_done))

    def check(self) -> None:
        """Handle delivery reports; a lost result ends the process, and a restart repeats it."""
        self._producer.poll(0)
        if self._failed:
            raise FatalError("Kafka did not take a result within its delivery timeout")


@dataclass(frozen=True, slots=True)
class MessageHandler:
    """How the messages of a topic are handled.

    Parameters
    ----------
    handle : callable
        Message in, messages out. A deferred one may give None: it is not finished, and is called
        with the same message again when its turn comes. `RejectedMessageError` ends the message,
        `TransientError` repeats it, `FatalError` ends the process; after anything else it is
        called once more, and then the message is rejected as ``internal_error``.
    on_rejected : callable
        The messages that record a rejection; the dead letter among them.
    reset : callable
        Clears the state of earlier messages, before a message is tried once more.
    is_deferred : bool
        Whether messages of other topics come before its own, which have a share of the time.
    """

    handle: Callable[[InMessage], Sequence[OutMessage] | None]
    on_rejected: Callable[[InMessage, RejectedMessageError], Sequence[OutMessage]]
    reset: Callable[[], None] = lambda: None
    is_deferred: bool = False


class _LostBooks:
    """Rejects the messages that the broker deleted before this group read them."""

    def __init__(
        self,
        lost: LostMessages,
        handlers: Mapping[str, MessageHandler],
        results: _Results,
        retry: RetryPolicy,
    ) -> None:
        self._lost = lost
        self._handlers = handlers
        self._results = results
        self._retry = retry

    def book_new(self) -> None:
        """Reject what is lost of the partitions that are new."""
        self._retry.retry_until_success(lambda: self._book(self._lost.at_start()))

    def book_before(self, message: InMessage) -> None:
        """Reject what is lost between the last message of a partition and this one."""
        self._retry.retry_until_success(lambda: self._book(self._lost.before(message)))

    def book_idle(self) -> None:
        """Reject what is lost while no message comes."""
        self._retry.retry_until_success(lambda: self._book(self._lost.while_idle()))

    def _book(self, messages: Iterator[InMessage]) -> None:
        for each in messages:
            handler, error = self._handlers[each.topic], lost_by_retention(each)
            self._results.send(each, _reject_twice(handler, each, error))


def run_worker(
    *,
    consumer: CheckedConsumer,
    producer: Producer,
    handlers: Mapping[str, MessageHandler],
    stop: StopFlag,
    settings: WorkerSettings,
    health: Health,
    attempts: AttemptLog,
    limits: MessageLimits,
    when_idle: Callable[[], None] = lambda: None,
) -> None:
    """Consume topics: call the handler of each message, send its results, then commit.

    Parameters
    ----------
    consumer, producer : confluent_kafka clients
        Closed here when the stop flag is set. After an error they are left to the end of the
        process: a member that the group has fenced waits for ever for a coordinator that it
        has lost, and nobody would restart it.
    handlers : mapping of str to MessageHandler
        Handler of each topic.
    stop : StopFlag
        Ends the loop after the current message.
    settings : WorkerSettings
        For the topics that must exist.
    health : Health
        Told when the group has given this process its partitions, or none.
    attempts : AttemptLog
        Record of the message that is handled now; closed here.
    limits : MessageLimits
        When a message that ends processes is rejected.
    when_idle : callable
        Called while no message comes, some times a second; repeated on `TransientError`.
    """
    retry = RetryPolicy(stop)
    results = _Results(consumer, producer, retry)
    lost = LostMessages(consumer)
    books = _LostBooks(lost, handlers, results, retry)
    deferred = DeferredMessages(
        consumer, [topic for topic, handler in handlers.items() if handler.is_deferred]
    )

    def take(_: Consumer, partitions: list[TopicPartition]) -> None:
        lost.on_assign(_, partitions)
        log_assigned(partitions)
        health.mark_started()

    def drop(_: Consumer, partitions: list[TopicPartition]) -> None:
        results.tracker.drop(partitions)
        deferred.drop(partitions)
        lost.release(partitions)

    try:
        with suppress(StoppedError):
            retry.retry_until_success(lambda: ensure_topics(settings.kafka))
            retry.retry_until_success(lambda: compare_topics(settings.kafka))
            watch = RetentionWatch(
                retry.retry_until_success(
                    lambda: fetch_retention_bytes(settings.kafka, list(handlers))
                )
            )
            consumer.subscribe(list(handlers), on_assign=take, on_revoke=drop)
            log_started(settings, topics=list(handlers))
            pace = PollPace(busy_s=_BUSY_POLL_S, idle_s=_IDLE_POLL_S, awake_s=_AWAKE_S)
            unfinished: InMessage | None = None
            while not stop.is_set():
                message = _next_message(consumer, deferred, pace)
                books.book_new()
                if message is None:
                    books.book_idle()
                    retry.retry_until_success(when_idle)
                else:
                    if message is not unfinished:
                        watch.add(message)
                        books.book_before(message)
                    process = partial(
                        process_message, handlers[message.topic], message, attempts=attempts,
                        limits=limits,
                    )  # fmt: skip
                    started_s = time.monotonic()
                    outputs = retry.retry_until_success(process)
                    deferred.add_time(message.topic, time.monotonic() - started_s)
                    unfinished = _finish(message, outputs, results, deferred) or unfinished
                results.check()
        producer.flush(10)
        _close(consumer)
    finally:
        attempts.close()


def _finish(
    message: InMessage,
    outputs: Sequence[OutMessage] | None,
    results: _Results,
    deferred: DeferredMessages,
) -> InMessage | None:
    """Send the outputs of a message; hold one that is not finished again, and return it."""
    if outputs is None:
        deferred.put_back(message)
        return message
    results.send(message, outputs)
    return None


def _next_message(
    consumer: Consumer, deferred: DeferredMessages, pace: PollPace
) -> InMessage | None:
    """Return the next message; None if none is there.

    One of low priority comes if no other waits, or if it is due.
    """
    if deferred.is_due():
        return deferred.pop()
    while messages := consume_batch(
        consumer, limit=1, timeout_s=0.0 if deferred else pace.timeout_s()
    ):
        pace.stay_awake()
        if not deferred.takes(messages[0]):
            return messages[0]
    deferred.note_pause()
    return deferred.pop() if deferred else None


def process_message(
    handler: MessageHandler, message: InMessage, *, attempts: AttemptLog, limits: MessageLimits
) -> Sequence[OutMessage] | None:
    """Return the outputs of a message: its result, or the record of its rejection.

    None if it is not finished.

    Raises
    ------
    TransientError
        If a dependency is unavailable: the message is not done.
    FatalError
        If the process cannot continue.
    """
    n_ended = attempts.begin(message)
    try:
        with time_limit(limits.timeout_s):
            limits.check(n_ended)
            return _handle_twice(handler, message)
    except RejectedMessageError as error:
        log_rejection(message, error)
        # Where its rejection ends processes, too, nobody looks at its bytes any more.
        is_hopeless = n_ended >= 2 * limits.max_attempts
        rejected = without_bytes(message, "ended every process") if is_hopeless else message
        with time_limit(limits.timeout_s):
            return _reject_twice(handler, rejected, error)
    finally:
        attempts.keep(message, n_ended=n_ended if n_ended >= limits.max_attempts else 0)


def _handle_twice(handler: MessageHandler, message: InMessage) -> Sequence[OutMessage] | None:
    """Handle a message; after an unexpected exception once more, in a clean state."""
    return call_twice(
        partial(handler.handle, message), subject="message", reset=handler.reset,
        topic=message.topic, partition=message.partition, offset=message.offset,
    )  # fmt: skip


def _reject_twice(
    handler: MessageHandler, message: InMessage, error: RejectedMessageError
) -> Sequence[OutMessage]:
    """Return the record of a rejection; after an unexpected exception try once more."""
    try:
        return handler.on_rejected(message, error)
    except PipelineError:
        raise
    except Exception:  # noqa: BLE001  (without this record the message would come for ever)
        get_logger().exception("rejection_failed_once", topic=message.topic, offset=message.offset)
    handler.reset()
    return handler.on_rejected(message, error)


def _close(consumer: Consumer) -> None:
    started_s = time.monotonic()
    try:
        consumer.close()
    except KafkaException as error:
        get_logger().warning(
            "consumer_close_failed", error=str(error), seconds=time.monotonic() - started_s
        )
