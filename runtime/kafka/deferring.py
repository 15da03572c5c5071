"""Hold messages back that are handled when no other message waits."""

from collections import deque
from collections.abc import Sequence

from confluent_kafka import Consumer, TopicPartition

from runtime.kafka.consuming import InMessage

__all__ = ["DeferredMessages"]

_MOST_MESSAGES = 200


class DeferredMessages:
    """Messages of low priority in the order of their topics, then of their arrival.

    At a limit of a topic its partitions are paused, so that its messages stay on the broker; at
    half of it they are resumed.

    Parameters
    ----------
    consumer : Consumer
        Where they come from.
    topics : sequence of str
        Topics of low priority, the higher one first.
    limit : int
        How many of each are held.
    """

    def __init__(
        self, consumer: Consumer, topics: Sequence[str], *, limit: int = _MOST_MESSAGES
    ) -> None:
        self._consumer = consumer
        self._limit = limit
        self._messages: dict[str, deque[InMessage]] = {topic: deque() for topic in topics}
        self._paused: set[str] = set()

    def __len__(self) -> int:
        return sum(map(len, self._messages.values()))

    def takes(self, message: InMessage) -> bool:
        """Hold a message if it has low priority; return whether it has."""
        held = self._messages.get(message.topic)
        if held is None:
            return False
        held.append(message)
        if len(held) >= self._limit:
            # Again with each one beyond the limit: partitions may have been assigned since.
            self._consumer.pause(self._partitions(message.topic))
            self._paused.add(message.topic)
        return True

    def put_back(self, message: InMessage) -> None:
        """Hold a message that is not finished; it comes before the others of its topic."""
        self._messages[message.topic].appendleft(message)

    def pop(self) -> InMessage:
        """Return the oldest message of the first topic that has one, and remove it."""
        topic, held = next(each for each in self._messages.items() if each[1])
        message = held.popleft()
        self._resume_if_free(topic)
        return message

    def drop(self, partitions: Sequence[TopicPartition]) -> None:
        """Drop the messages of partitions that are revoked: another worker handles them.

        A partition that comes back to this one is as paused as it was: it is resumed before.
        """
        gone = {(each.topic, each.partition) for each in partitions}
        self._messages = {
            topic: deque(each for each in held if (topic, each.partition) not in gone)
            for topic, held in self._messages.items()
        }
        for topic in self._messages:
            self._resume_if_free(topic)

    def _resume_if_free(self, topic: str) -> None:
        if topic in self._paused and len(self._messages[topic]) <= self._limit // 2:
            self._consumer.resume(self._partitions(topic))
            self._paused.discard(topic)

    def _partitions(self, topic: str) -> list[TopicPartition]:
        return [each for each in self._consumer.assignment() if each.topic == topic]
