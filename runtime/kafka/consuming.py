"""Consume messages, and store the offsets of those that are done."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from confluent_kafka import Consumer, KafkaError, TopicPartition
from confluent_kafka import Message as KafkaMessage

from runtime.errors import FatalError
from runtime.logging import get_logger

__all__ = ["InMessage", "OffsetTracker", "consume_batch", "without_bytes"]

# Timestamps outside of these years are invalid.
_FIRST_YEAR, _LAST_YEAR = 1990, 2200

_HOPELESS = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        # Not marked as fatal, but the consumer does not recover: the broker fences a static
        # member that was suspended beyond its session. A new process can join again.
        KafkaError._FATAL,  # noqa: SLF001  (librdkafka's name)
        KafkaError.FENCED_INSTANCE_ID,
    }
)


@dataclass(frozen=True, slots=True)
class InMessage:
    """A consumed message."""

    topic: str
    partition: int
    offset: int
    key: bytes
    value: bytes
    headers: dict[str, str] = field(default_factory=dict)
    time_appended: datetime | None = None


def without_bytes(message: InMessage, reason: str) -> InMessage:
    """Return a message that stands for one whose bytes are gone or must not be looked at.

    Its text names it, so that no two are the same; who sends dead letters again leaves it out.
    """
    text = f"{message.topic} {message.partition}:{message.offset}, {reason}"
    return replace(message, value=text.encode(), headers=message.headers | {"value-cut": reason})


def consume_batch(consumer: Consumer, *, limit: int, timeout_s: float) -> list[InMessage]:
    """Return up to `limit` messages as soon as there is one, or none after `timeout_s`.

    librdkafka would wait the whole time for a batch that is not full.

    Raises
    ------
    FatalError
        If this consumer cannot recover.
    """
    first = _consume(consumer, 1, timeout_s)
    if not first or limit == 1:
        return first
    return first + _consume(consumer, limit - 1, 0.0)


def _consume(consumer: Consumer, limit: int, timeout_s: float) -> list[InMessage]:
    messages = []
    for message in consumer.consume(limit, timeout_s):
        error = message.error()
        if error is None:
            messages.append(_to_in_message(message))
        elif error.fatal() or error.code() in _HOPELESS:
            raise FatalError(f"this consumer cannot recover: {error}; a restart joins again")
        elif error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001  (librdkafka's name)
            get_logger().warning("kafka_consume_failed", error=str(error))
    return messages


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
        time_appended=_to_time(timestamp_ms) if kind else None,
    )


def _to_time(timestamp_ms: int) -> datetime | None:
    """Return a timestamp of Kafka; None for an invalid one: producers may set any number."""
    try:
        moment = datetime.fromtimestamp(timestamp_ms / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return moment if _FIRST_YEAR <= moment.year <= _LAST_YEAR else None


def _to_text_headers(message: KafkaMessage) -> dict[str, str]:
    """Return the headers as text; producers may write anything, so nothing here raises."""
    headers = {}
    try:
        pairs = dict(message.headers() or [])
    except (UnicodeDecodeError, ValueError) as error:
        get_logger().warning("message_headers_ignored", error=str(error))
        return {}
    for name, value in pairs.items():
        if isinstance(value, bytes):
            headers[name] = value.decode("utf-8", "replace")
        elif value is not None:
            headers[name] = str(value)
    return headers


class OffsetTracker:
    """Stores the offset of a message when all of its outputs are on the broker.

    Outputs are acknowledged by partition, so in any order; the stored offset of an input
    partition is the lowest one that still waits.
    """

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer
        self._waiting: dict[tuple[str, int], dict[int, int]] = {}

    def begin(self, message: InMessage, n_outputs: int) -> None:
        """Expect `n_outputs` acknowledgements of `message`."""
        partition = (message.topic, message.partition)
        self._waiting.setdefault(partition, {})[message.offset] = n_outputs
        if n_outputs == 0:
            self._settle(partition)

    def acknowledge(self, message: InMessage) -> None:
        """Count one acknowledged output of `message`."""
        partition = (message.topic, message.partition)
        waiting = self._waiting.get(partition)
        if waiting is None or message.offset not in waiting:
            return  # the partition was revoked meanwhile: another worker repeats the message
        waiting[message.offset] -= 1
        self._settle(partition)

    def drop(self, partitions: Sequence[TopicPartition]) -> None:
        """Drop the messages of revoked partitions: another process repeats them."""
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
