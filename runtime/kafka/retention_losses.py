"""Messages that the broker deleted before their consumer had read them."""

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime, timedelta

from confluent_kafka import Consumer, KafkaException, TopicPartition

from runtime.errors import RejectedMessageError, TransientError
from runtime.kafka.clients import CheckedConsumer, FirstOffsets
from runtime.kafka.consuming import InMessage, without_bytes
from runtime.logging import get_logger

__all__ = ["LostMessages", "RetentionWatch", "lost_by_retention"]

_ANSWER_S = 10.0
_IDLE_INTERVAL_S = 10.0
# The client ends a question after 10 s; one that it has lost is asked by a new client.
_LOST_ANSWER_S = 20.0
# What a partition must hold: a restart of everything, and somebody who looks at it.
_LEAST_TIME = timedelta(minutes=5)
_RATE_WINDOW = timedelta(minutes=1)
_REMEDY = (
    "raise retention.bytes and retention.ms of the topic (docs/operations.md, Keep more on "
    "Kafka); LIVETRAP_KAFKA__RETENTION_... is for topics that do not exist yet"
)
_Place = tuple[str, int]


def lost_by_retention(message: InMessage) -> RejectedMessageError:
    """Return why a message has no result that was deleted before it was read."""
    return RejectedMessageError(
        "lost_by_retention",
        f"{message.topic} no longer had offset {message.offset} of partition {message.partition} "
        "when its turn came: the backlog outlived retention.ms or retention.bytes of the topic",
    )


class LostMessages:
    """Finds the offsets that a consumer skips because the broker has deleted them.

    A consumer whose offset is gone continues silently with the first that is left. An offset that
    holds no message for another reason, such as the mark of a transaction, is none of them.

    Parameters
    ----------
    consumer : CheckedConsumer
        Reads the topics.
    """

    def __init__(self, consumer: CheckedConsumer) -> None:
        self._consumer = consumer
        self._next: dict[_Place, int] = {}
        # Partitions that are new: those whose offset Kafka has, and those to be compared.
        self._committed: list[TopicPartition] = []
        self._unchecked: set[_Place] = set()
        self._next_idle_s = 0.0
        # What was asked while no message came.
        self._asked: FirstOffsets = {}

    def assign(self, offsets: Iterable[TopicPartition]) -> None:
        """Begin with these offsets of partitions; negative: the group has none yet."""
        for each in offsets:
            place = (each.topic, each.partition)
            self._next.pop(place, None)
            self._unchecked.discard(place)
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
        if not self._unchecked:
            return
        for place, low in self._read_lows(self._unchecked).items():
            yield from self._lose(*place, self._next[place], low)
            self._unchecked.discard(place)

    def while_idle(self) -> Iterator[InMessage]:
        """Give what is lost where no message follows; asks every 10 s, and waits for no answer.

        To be called only when the consumer has given none: what it has fetched is not lost. A
        broker that does not answer is asked again.
        """
        if self._asked:
            if not all(answer.done() for answer in self._asked.values()):
                if time.monotonic() >= self._next_idle_s + _LOST_ANSWER_S:
                    self._asked = {}
                    self._consumer.renew_questions()
                return
            asked, self._asked = self._asked, {}
            for place, answer in asked.items():
                if answer.exception() is None and place in self._next:
                    yield from self._lose(*place, self._next[place], answer.result().offset)
        elif self._next and time.monotonic() >= self._next_idle_s:
            self._next_idle_s = time.monotonic() + _IDLE_INTERVAL_S
            with suppress(KafkaException):
                self._asked = self._consumer.ask_first_offsets(self._next)

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
            end = min(self._read_lows([place])[place], message.offset)
            yield from self._lose(*place, expected, end)
        self._next[place] = message.offset + 1

    def _lose(self, topic: str, partition: int, first: int, end: int) -> Iterator[InMessage]:
        """Give a message without key, headers and bytes for each offset; its text names it."""
        if end <= first:
            return
        get_logger().error(
            "messages_lost_by_retention", topic=topic, partition=partition, first_offset=first,
            n=end - first, hint=_REMEDY,
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

    def _read_lows(self, places: Iterable[_Place]) -> dict[_Place, int]:
        """Return the first offset that the broker has of each partition."""
        try:
            asked = self._consumer.ask_first_offsets(places)
            return {
                place: int(answer.result(_LOST_ANSWER_S).offset) for place, answer in asked.items()
            }
        except (KafkaException, TimeoutError) as error:
            self._consumer.renew_questions()
            raise TransientError(f"Kafka does not answer: {error!r}") from error


class RetentionWatch:
    """Warns when a partition holds less than five minutes of what comes.

    Parameters
    ----------
    retention_bytes : mapping of str to int
        By topic what a partition keeps; negative: any number [byte].
    """

    def __init__(self, retention_bytes: Mapping[str, int]) -> None:
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
        kept_bytes = self._retention_bytes[message.topic]
        held_s = kept_bytes * (now - begin).total_seconds() / max(n_bytes, 1)
        if kept_bytes < 0 or held_s >= _LEAST_TIME.total_seconds():
            return False
        self._warned.add(place)
        get_logger().warning(
            "retention_too_short", topic=message.topic, partition=message.partition,
            held_s=round(held_s), retention_bytes=kept_bytes,
            hint=f"what waits longer is deleted: {_REMEDY}",
        )  # fmt: skip
        return True
