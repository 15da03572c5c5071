"""Hold messages back that are handled when no other message waits."""

from collections import deque
from collections.abc import Sequence

from confluent_kafka import Consumer, TopicPartition

from runtime.kafka.consuming import InMessage

__all__ = ["DeferredMessages"]

_MOST_MESSAGES = 200


class DeferredMessages:
    """Messages of low priority in the order of their arrival, up to a limit.

    At the limit their partitions are paused, so that they stay on the broker; at half of it they
    are resumed.

    Parameters
    ----------
    consumer : Consumer
        Where they come from.
    topics : sequence of str
        Topics of low priority.
    limit : int
        How many are held.
    """

    def __init__(
        self, consumer: Consumer, topics: Sequence[str], *, limit: int = _MOST_MESSAGES
    ) -> None:
        self._consumer = consumer
        self._topics = frozenset(topics)
        self._limit = limit
        self._messages: deque[InMessage] = deque()
        self._is_paused = False

    def __len__(self) -> int:
        return len(self._messages)

    def takes(self, message: InMessage) -> bool:
        """Hold a message if it has low priority; return whether it has."""
        if message.topic not in self._topics:
            return False
        self._messages.append(message)
        if len(self._messages) >= self._limit:
            # Again with each one beyond the limit: partitions may have been assigned since.
            self._consumer.pause(self._partitions())
            self._is_paused = True
        return True

    def pop(self) -> InMessage:
        """Return the oldest message, and remove it."""
        message = self._messages.popleft()
        if self._is_paused and len(self._messages) <= self._limit // 2:
            self._consumer.resume(self._partitions())
            self._is_paused = False
        return message

    def drop(self, partitions: Sequence[TopicPartition]) -> None:
        """Drop the messages of partitions that were revoked: another worker handles them."""
        gone = {(each.topic, each.partition) for each in partitions}
        self._messages = deque(
            each for each in self._messages if (each.topic, each.partition) not in gone
        )

    def _partitions(self) -> list[TopicPartition]:
        return [each for each in self._consumer.assignment() if each.topic in self._topics]
