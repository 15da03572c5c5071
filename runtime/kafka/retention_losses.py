"""Messages that the broker deleted before their consumer had read them."""

import time
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from confluent_kafka import Consumer, KafkaException, TopicPartition

from runtime.errors import RejectedMessageError, TransientError
from runtime.kafka.consuming import InMessage, without_bytes
from runtime.logging import get_logger

__all__ = ["LostMessages", "RetentionWatch", "lost_by_retention"]

_ANSWER_S = 10.0
_IDLE_INTERVAL_S = 10.0
# What a partition must hold: a restart of everything, and somebody who looks at it.
_LEAST_TIME = timedelta(minutes=5)
_RATE_WINDOW = timedelta(minutes=1)


def lost_by_retention(message: InMessage) -> RejectedMessageError:
    """Return why a message has no result that was deleted before it was read."""
    return RejectedMessageError(
        "lost_by_retention",
        f"{message.topic} no longer had offset {message.offset} of partition {message.partition} "
        "when its turn came: the backlog outlived LIVETRAP_KAFKA__RETENTION_HOURS or "
        "LIVETRAP_KAFKA__RETENTION_BYTES",
    )


class LostMessages:
    """Finds the offsets that a consumer skips because the broker has deleted them.

    A consumer whose offset is gone continues silently with the first that is left. An offset that
    holds no message for another reason, such as the mark of a transaction, is none of them.

    Parameters
    ----------
    consumer : Consumer
        Reads the topics.
    """

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer
        self._next: dict[tuple[str, int], int] = {}
        # Partitions that are new: those whose offset Kafka has, and those to be compared.
        self._committed: list[TopicPartition] = []
        self._unchecked: set[tuple[str, int]] = set()
        self._next_idle_s = 0.0

    def assign(self, offsets: Iterable[TopicPartition]) -> None:
        """Begin with these offsets of partitions; negative: the group has none yet."""
        for each in offsets:
            place = (each.topic, each.partition)
            self._next.pop(place, None)
            if each.offset >= 0:
                self._next[place] = each.offset
                self._unchecked.add(place)

    def on_assign(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        """Begin with the offsets that the group has committed: a callback of `subscribe`."""
        self._committed = list(partitions)

    def at_start(self) -> Iterator[InMessage]:
        """Give what is lost behind the offsets of partitions that are new.

        Raises
        ------
        TransientError
            If the broker does not answer.
        """
        if self._committed:
            self.assign(self._read_committed(self._committed))
            self._committed = []
        for place in tuple(self._unchecked):
            yield from self._lose(*place, self._next[place], self._low(*place))
            self._unchecked.discard(place)

    def while_idle(self) -> Iterator[InMessage]:
        """Give what is lost where no message follows; asks every 10 s.

        To be called only when the consumer has given none: what it has fetched is not lost.

        Raises
        ------
        TransientError
            If the broker does not answer.
        """
        if time.monotonic() < self._next_idle_s:
            return
        for topic, partition in tuple(self._next):
            place = (topic, partition)
            yield from self._lose(*place, self._next[place], self._low(*place))
        self._next_idle_s = time.monotonic() + _IDLE_INTERVAL_S

    def release(self, partitions: Iterable[TopicPartition]) -> None:
        """Forget partitions that were revoked: another process counts what they lose."""
        for each in partitions:
            self._next.pop((each.topic, each.partition), None)
            self._unchecked.discard((each.topic, each.partition))

    def before(self, message: InMessage) -> Iterator[InMessage]:
        """Give what is lost between the message that was read last and this one.

        Raises
        ------
        TransientError
            If the broker does not answer.
        """
        place = (message.topic, message.partition)
        expected = self._next.get(place, message.offset)
        if message.offset > expected:
            end = min(self._low(*place), message.offset)
            yield from self._lose(*place, expected, end)
        self._next[place] = message.offset + 1

    def _lose(self, topic: str, partition: int, first: int, end: int) -> Iterator[InMessage]:
        """Give a message without key, headers and bytes for each offset; its text names it."""
        if end <= first:
            return
        get_logger().error(
            "messages_lost_by_retention", topic=topic, partition=partition, first_offset=first,
            n=end - first, hint="raise LIVETRAP_KAFKA__RETENTION_HOURS and _RETENTION_BYTES",
        )  # fmt: skip
        for offset in range(first, end):
            gone = InMessage(topic, partition, offset, b"", b"")
            yield without_bytes(gone, "lost by retention")
            self._next[topic, partition] = offset + 1

    def _read_committed(self, partitions: list[TopicPartition]) -> list[TopicPartition]:
        try:
            return list(self._consumer.committed(partitions, timeout=_ANSWER_S))
        except KafkaException as error:
            raise TransientError(f"Kafka does not answer: {error}") from error

    def _low(self, topic: str, partition: int) -> int:
        try:
            low, _ = self._consumer.get_watermark_offsets(
                TopicPartition(topic, partition), timeout=_ANSWER_S, cached=False
            )
        except KafkaException as error:
            raise TransientError(f"Kafka does not answer: {error}") from error
        return int(low)


class RetentionWatch:
    """Warns when a partition holds less than five minutes of what comes.

    Parameters
    ----------
    retention_bytes : int
        What a partition keeps [byte].
    """

    def __init__(self, retention_bytes: int) -> None:
        self._retention_bytes = retention_bytes
        # Of each partition: begin of the window by the broker's clock, and bytes since.
        self._windows: dict[tuple[str, int], tuple[datetime, int]] = {}
        self._warned: set[tuple[str, int]] = set()

    def add(self, message: InMessage) -> bool:
        """Count a message; return whether its partition is warned of, which happens once.

        The rate is that of the senders, by the times at which the broker took the messages:
        during a backlog, too.
        """
        place, now = (message.topic, message.partition), message.time_appended
        if now is None or place in self._warned:
            return False
        begin, n_bytes = self._windows.get(place, (now, 0))
        if now - begin < _RATE_WINDOW:
            self._windows[place] = (begin, n_bytes + len(message.value))
            return False
        self._windows[place] = (now, len(message.value))
        held_s = self._retention_bytes * (now - begin).total_seconds() / max(n_bytes, 1)
        if held_s >= _LEAST_TIME.total_seconds():
            return False
        self._warned.add(place)
        get_logger().warning(
            "retention_too_short", topic=message.topic, partition=message.partition,
            held_s=round(held_s), hint="what waits longer is deleted: raise "
            "LIVETRAP_KAFKA__RETENTION_BYTES and retention.bytes of the topic, or its partitions",
        )  # fmt: skip
        return True
