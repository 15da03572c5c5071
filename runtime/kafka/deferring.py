"""Hold back messages of low priority; while others wait they have a share of the time."""

import time
from collections import deque
from collections.abc import Callable, Sequence

from confluent_kafka import Consumer, TopicPartition

from runtime.kafka.consuming import InMessage

__all__ = ["DeferredMessages"]

_MOST_MESSAGES = 200
# Once others have waited without a pause for so long [s], the messages held here have a share of
# the time that these take.
_STARVED_S, _SHARE = 0.25, 0.25
# Neither is more time saved up, so that others wait no longer, nor is more owed, as what is done
# while nothing waits costs nobody [s].
_MOST_SAVED_S, _MOST_OWED_S = 0.1, 1.0


class DeferredMessages:
    """Messages of low priority in the order of their topics, then of their arrival.

    While others wait without a pause they have a share of the time: who waits for an answer is
    slow, not stopped.

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
    clock : callable
        Returns the time [s].
    """

    def __init__(
        self,
        consumer: Consumer,
        topics: Sequence[str],
        *,
        limit: int = _MOST_MESSAGES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._consumer = consumer
        self._limit = limit
        self._messages: dict[str, deque[InMessage]] = {topic: deque() for topic in topics}
        self._paused: set[str] = set()
        self._saved_s = 0.0
        self._clock = clock
        # When the first one was held back, or when no other message waited.
        self._paused_s = clock()

    def __len__(self) -> int:
        return sum(map(len, self._messages.values()))

    def takes(self, message: InMessage) -> bool:
        """Hold a message if it has low priority; return whether it has."""
        held = self._messages.get(message.topic)
        if held is None:
            return False
        if not self:
            self._paused_s = self._clock()
        held.append(message)
        if len(held) >= self._limit:
            # Again with each one beyond the limit: partitions may have been assigned since.
            self._consumer.pause(self._partitions(message.topic))
            self._paused.add(message.topic)
        return True

    def is_due(self) -> bool:
        """Return whether one is handled before others that wait."""
        is_starved = self._clock() - self._paused_s > _STARVED_S
        return self._saved_s > 0 and len(self) > 0 and is_starved

    def note_pause(self) -> None:
        """Note that no message of another topic waits."""
        self._paused_s = self._clock()

    def add_time(self, topic: str, seconds: float) -> None:
        """Note how long a message took: one of another topic gives time to those held here."""
        gained_s = -seconds if topic in self._messages else _SHARE * seconds
        self._saved_s = min(max(self._saved_s + gained_s, -_MOST_OWED_S), _MOST_SAVED_S)

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
