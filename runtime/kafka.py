"""Kafka clients set up for large images and hard guarantees, and the topics they use."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    Producer,
    TopicPartition,
)
from confluent_kafka import Message as KafkaMessage
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from runtime.errors import FatalError, TransientError
from runtime.logging import get_logger
from runtime.settings import KafkaSettings
from schemas.topics import Topics

__all__ = [
    "InMessage",
    "OffsetTracker",
    "OutMessage",
    "consume_batch",
    "create_consumer",
    "create_producer",
    "ensure_topics",
    "fetch_cluster_id",
    "produce_and_locate",
    "produce_and_wait",
    "send",
]

# Room for one 64 MiB image with its framing.
MAX_MESSAGE_BYTES = 100_000_000
_LOG_EVERY_S = 30.0


@dataclass(frozen=True, slots=True)
class InMessage:
    """A message as it came from Kafka."""

    topic: str
    partition: int
    offset: int
    key: bytes
    value: bytes
    headers: dict[str, str] = field(default_factory=dict)
    time_appended: datetime | None = None


@dataclass(frozen=True, slots=True)
class OutMessage:
    """A message to be sent."""

    topic: str
    key: bytes
    value: bytes
    headers: Mapping[str, str | bytes] = field(default_factory=dict)


class _OnceInAWhile(logging.Handler):
    """Turn librdkafka's twenty lines a second into one line of ours every half minute."""

    def __init__(self) -> None:
        super().__init__()
        self._last_s = float("-inf")

    def emit(self, record: logging.LogRecord) -> None:
        now_s = time.monotonic()
        if now_s - self._last_s < _LOG_EVERY_S:
            return
        self._last_s = now_s
        get_logger().warning("kafka_client_complained", detail=record.getMessage())


def _client_logger() -> logging.Logger:
    logger = logging.getLogger("livetrap.kafka")
    if not logger.handlers:
        logger.addHandler(_OnceInAWhile())
        logger.propagate = False
    return logger


def _common_config(settings: KafkaSettings) -> dict[str, str | int | float | bool]:
    config: dict[str, str | int | float | bool] = {
        "bootstrap.servers": settings.bootstrap_servers,
        "security.protocol": settings.security_protocol,
        "reconnect.backoff.max.ms": 2000,
        "broker.address.family": "v4",
        "log.connection.close": False,
    }
    optional = {
        "sasl.mechanism": settings.sasl_mechanism,
        "sasl.username": settings.sasl_username,
        "sasl.password": settings.sasl_password and settings.sasl_password.get_secret_value(),
        "ssl.ca.location": settings.ssl_ca_location,
    }
    config.update({name: value for name, value in optional.items() if value})
    return config


def create_producer(settings: KafkaSettings) -> Producer:
    """Return an idempotent producer that takes 64 MiB images and pushes back when full."""
    return Producer(
        _common_config(settings)
        | {
            "enable.idempotence": True,
            "acks": "all",
            "linger.ms": 0,
            "message.max.bytes": MAX_MESSAGE_BYTES,
            "queue.buffering.max.kbytes": 4 * MAX_MESSAGE_BYTES // 1024,
            "delivery.timeout.ms": 120_000,
        },
        logger=_client_logger(),
    )


def create_consumer(
    settings: KafkaSettings, *, group: str, commits_to_kafka: bool = True
) -> Consumer:
    """Return a consumer that commits only what `store_offsets` was told.

    Parameters
    ----------
    settings : KafkaSettings
        Where the broker is.
    group : str
        Consumer group; prefixed like the topics.
    commits_to_kafka : bool
        False where the offsets live in PostgreSQL.
    """
    # A static member that comes back takes its partitions at once; a nameless one would wait
    # for its own ghost to time out.
    instance = f"{group}-{settings.instance_id}"
    member = {"group.instance.id": instance} if settings.instance_id else {}
    return Consumer(
        _common_config(settings)
        | member
        | {
            "group.id": settings.topic_prefix + group,
            "enable.auto.offset.store": False,
            "enable.auto.commit": commits_to_kafka,
            "auto.commit.interval.ms": 1000,
            "auto.offset.reset": "earliest",
            # A kernel never takes this long; a hung process is thrown out after it.
            "max.poll.interval.ms": 600_000,
            "session.timeout.ms": 10_000,
            "fetch.wait.max.ms": 50,
            "fetch.message.max.bytes": MAX_MESSAGE_BYTES,
            "fetch.max.bytes": MAX_MESSAGE_BYTES,
            "receive.message.max.bytes": MAX_MESSAGE_BYTES + 1_000_000,
            "queued.max.messages.kbytes": 2 * MAX_MESSAGE_BYTES // 1024,
            "partition.assignment.strategy": "range",
        },
        logger=_client_logger(),
    )


def fetch_cluster_id(settings: KafkaSettings, *, timeout_s: float = 10.0) -> str:
    """Return the broker's cluster id; offsets of another cluster mean nothing here.

    Raises
    ------
    TransientError
        If the broker is away.
    """
    try:
        metadata = AdminClient(_common_config(settings), logger=_client_logger()).list_topics(
            timeout=timeout_s
        )
    except KafkaException as error:
        raise TransientError(f"Kafka at {settings.bootstrap_servers} is away: {error}") from error
    return str(metadata.cluster_id)


def ensure_topics(settings: KafkaSettings) -> None:
    """Create the topics that are missing; safe to run twice, also at once.

    Raises
    ------
    TransientError
        If the broker is away.
    FatalError
        If it refuses a topic.
    """
    admin = AdminClient(_common_config(settings), logger=_client_logger())
    topics = Topics(settings.topic_prefix)
    try:
        existing = admin.list_topics(timeout=10).topics
    except KafkaException as error:
        raise TransientError(f"Kafka at {settings.bootstrap_servers} is away: {error}") from error
    missing = [_new_topic(name, settings, topics) for name in topics.all() if name not in existing]
    if not missing:
        return
    for name, future in admin.create_topics(missing).items():
        try:
            future.result(timeout=30)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise FatalError(f"Kafka refuses to create topic {name}: {error}") from error


def _new_topic(name: str, settings: KafkaSettings, topics: Topics) -> NewTopic:
    single = {topics.alerts_voevent, topics.alerts_gcn, topics.heartbeat}
    retention_ms = int(settings.retention_hours * 3_600_000)
    if name == topics.heartbeat:
        retention_ms = 600_000
    segment_bytes = max(1 << 20, min(1 << 28, settings.retention_bytes // 4))
    return NewTopic(
        name,
        num_partitions=1 if name in single else settings.partitions,
        replication_factor=settings.replication_factor,
        config={
            "max.message.bytes": str(MAX_MESSAGE_BYTES),
            "retention.ms": str(retention_ms),
            "retention.bytes": str(settings.retention_bytes),
            "segment.bytes": str(segment_bytes),
            "compression.type": "producer",
            # Latency counts from the broker's clock, whatever the telescope's says.
            "message.timestamp.type": "LogAppendTime",
        },
    )


def consume_batch(consumer: Consumer, *, limit: int, timeout_s: float) -> list[InMessage]:
    """Return up to `limit` messages, or none after `timeout_s`.

    Raises
    ------
    FatalError
        If the broker says that this consumer can never go on.
    """
    messages = []
    for message in consumer.consume(limit, timeout_s):
        error = message.error()
        if error is None:
            messages.append(_to_in_message(message))
        elif error.fatal() or error.code() in _HOPELESS:
            raise FatalError(f"Kafka ends this consumer: {error}")
        elif error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001  (librdkafka's name)
            get_logger().warning("kafka_consume_failed", error=str(error))
    return messages


_HOPELESS = frozenset(
    {KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED}
)


def _to_in_message(message: KafkaMessage) -> InMessage:
    kind, timestamp_ms = message.timestamp()
    key = message.key() or b""
    return InMessage(
        topic=message.topic() or "",
        partition=int(message.partition() or 0),
        offset=int(message.offset() or 0),
        key=key if isinstance(key, bytes) else key.encode(),
        value=bytes(message.value() or b""),
        headers=_to_text_headers(message),
        time_appended=datetime.fromtimestamp(timestamp_ms / 1000, UTC) if kind else None,
    )


def _to_text_headers(message: KafkaMessage) -> dict[str, str]:
    """Return the headers as text; anybody may have written them, so nothing here raises."""
    headers = {}
    for name, value in dict(message.headers() or []).items():
        if isinstance(value, bytes):
            headers[name] = value.decode("utf-8", "replace")
        elif value is not None:
            headers[name] = str(value)
    return headers


class OffsetTracker:
    """Store a consumed offset only when all that was made of it is on the broker.

    Deliveries are acknowledged per output partition, so they may come back out of order;
    the stored offset of an input partition is the lowest that still waits.
    """

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer
        self._waiting: dict[tuple[str, int], dict[int, int]] = {}

    def begin(self, message: InMessage, n_outputs: int) -> None:
        """Remember that `message` is done once `n_outputs` deliveries are acknowledged."""
        partition = (message.topic, message.partition)
        self._waiting.setdefault(partition, {})[message.offset] = n_outputs
        if n_outputs == 0:
            self._settle(partition)

    def acknowledge(self, message: InMessage) -> None:
        """Count one acknowledged output of `message`."""
        partition = (message.topic, message.partition)
        waiting = self._waiting.get(partition)
        if waiting is None or message.offset not in waiting:
            return  # the partition was taken from us meanwhile: another worker does it again
        waiting[message.offset] -= 1
        self._settle(partition)

    def forget(self, partitions: Sequence[TopicPartition]) -> None:
        """Drop partitions that another worker has now."""
        for partition in partitions:
            self._waiting.pop((partition.topic, partition.partition), None)

    def _settle(self, partition: tuple[str, int]) -> None:
        waiting = self._waiting[partition]
        done = None
        for offset in sorted(waiting):
            if waiting[offset] > 0:
                break
            done = offset
            del waiting[offset]
        if done is not None:
            topic, number = partition
            self._consumer.store_offsets(offsets=[TopicPartition(topic, number, done + 1)])


def send(
    producer: Producer, message: OutMessage, on_done: Callable[[KafkaError | None], None]
) -> None:
    """Queue one message; wait while the queue is full (back-pressure, nothing is dropped)."""
    while True:
        try:
            producer.produce(
                message.topic,
                key=message.key,
                value=message.value,
                headers=_to_wire_headers(message),
                on_delivery=lambda error, _message: on_done(error),
            )
        except BufferError:
            producer.poll(0.1)
        else:
            producer.poll(0)
            return


def _to_wire_headers(message: OutMessage) -> list[tuple[str, str | bytes | None]]:
    return [
        (name, value.encode() if isinstance(value, str) else value)
        for name, value in message.headers.items()
    ]


def produce_and_wait(
    producer: Producer, messages: Sequence[OutMessage], *, timeout_s: float = 30.0
) -> None:
    """Send messages and return when the broker has all of them.

    Raises
    ------
    TransientError
        If one was not acknowledged in time; some may have arrived.
    """
    failures: list[str] = []
    acknowledged = 0

    def on_done(error: KafkaError | None) -> None:
        nonlocal acknowledged
        if error is None:
            acknowledged += 1
        else:
            failures.append(str(error))

    for message in messages:
        send(producer, message, on_done)
    producer.flush(timeout_s)
    if failures or acknowledged < len(messages):
        reason = failures[0] if failures else f"no answer within {timeout_s:.0f} s"
        raise TransientError(f"Kafka did not take {len(messages)} message(s): {reason}")


def produce_and_locate(
    producer: Producer, message: OutMessage, *, timeout_s: float = 120.0
) -> tuple[int, int]:
    """Send one message and return the partition and offset that it got.

    Raises
    ------
    TransientError
        If it was not acknowledged in time.
    """
    place: list[tuple[int, int]] = []

    def on_delivery(error: KafkaError | None, delivered: KafkaMessage) -> None:
        if error is None:
            place.append((int(delivered.partition() or 0), int(delivered.offset() or 0)))

    producer.produce(
        message.topic,
        key=message.key,
        value=message.value,
        headers=_to_wire_headers(message),
        on_delivery=on_delivery,
    )
    producer.flush(timeout_s)
    if not place:
        raise TransientError(f"Kafka did not take a message within {timeout_s:.0f} s")
    return place[0]
