"""An offset is stored when all outputs of its message are acknowledged."""

from collections import deque
from itertools import pairwise

import pytest
from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, KafkaError, TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import FatalError
from runtime.kafka import InMessage, OffsetTracker, consume_batch


class FakeConsumer:
    def __init__(self) -> None:
        self.stored: list[int] = []

    def store_offsets(self, *, offsets: list[TopicPartition]) -> None:
        self.stored.append(offsets[0].offset)


def message(offset: int) -> InMessage:
    return InMessage("images-v1", 0, offset, b"", b"")


@given(st.permutations([offset for offset in range(6) for _ in range(2)]))
def test_an_offset_is_stored_when_all_before_it_is_done(order: list[int]) -> None:
    consumer = FakeConsumer()
    tracker = OffsetTracker(consumer)  # type: ignore[arg-type]
    for offset in range(6):
        tracker.begin(message(offset), 2)
    left = dict.fromkeys(range(6), 2)
    for offset in order:
        tracker.acknowledge(message(offset))
        left[offset] -= 1
        first_waiting = next((each for each in range(6) if left[each]), 6)
        assert (consumer.stored[-1] if consumer.stored else 0) == first_waiting
    assert all(earlier < later for earlier, later in pairwise(consumer.stored))


def test_a_message_without_outputs_is_done_at_once() -> None:
    consumer = FakeConsumer()
    tracker = OffsetTracker(consumer)  # type: ignore[arg-type]
    tracker.begin(message(0), 0)
    assert consumer.stored == [1]


def test_a_revoked_partition_is_not_committed() -> None:
    consumer = FakeConsumer()
    tracker = OffsetTracker(consumer)  # type: ignore[arg-type]
    tracker.begin(message(0), 1)
    tracker.drop([TopicPartition("images-v1", 0)])
    tracker.acknowledge(message(0))
    assert consumer.stored == []


class Messages:
    """A consumer that gives one message, which is an error."""

    def __init__(self, error: KafkaError) -> None:
        self._error = error

    def consume(self, _limit: int, _timeout_s: float) -> list["Messages"]:
        return [self]

    def error(self) -> KafkaError:
        return self._error


@pytest.mark.parametrize("code", [KafkaError._FATAL, KafkaError.FENCED_INSTANCE_ID])
def test_a_consumer_that_cannot_recover_ends_its_process(code: int) -> None:
    fenced = Messages(KafkaError(code, "Static consumer fenced"))
    with pytest.raises(FatalError, match="fenced"):
        consume_batch(fenced, limit=1, timeout_s=0)  # type: ignore[arg-type]


def test_a_consumer_that_recovers_continues() -> None:
    down = Messages(KafkaError(KafkaError._ALL_BROKERS_DOWN, "down"))
    assert consume_batch(down, limit=1, timeout_s=0) == []  # type: ignore[arg-type]


class Received:
    """A message as the client has it."""

    def __init__(self, offset: int) -> None:
        self._offset = offset

    def error(self) -> None:
        return None

    def offset(self) -> int:
        return self._offset

    def timestamp(self) -> tuple[int, int]:
        return TIMESTAMP_NOT_AVAILABLE, 0

    def topic(self) -> str:
        return "dead-letters-v1"

    def partition(self) -> int:
        return 0

    def key(self) -> bytes:
        return b""

    def value(self) -> bytes:
        return b""

    def headers(self) -> None:
        return None


class Queue:
    """A consumer that waits the whole time for a batch that is not full, as librdkafka does."""

    def __init__(self, n: int) -> None:
        self.waited_s = 0.0
        self._left = deque(Received(offset) for offset in range(n))

    def consume(self, limit: int, timeout_s: float) -> list[Received]:
        taken = [self._left.popleft() for _ in range(min(limit, len(self._left)))]
        if len(taken) < limit:
            self.waited_s += timeout_s
        return taken


@pytest.mark.parametrize(("n", "waited_s"), [(0, 10.0), (1, 0.0), (3, 0.0), (100, 0.0)])
def test_what_is_there_is_read_without_a_wait_for_more(n: int, waited_s: float) -> None:
    queue = Queue(n)
    found = consume_batch(queue, limit=100, timeout_s=10.0)  # type: ignore[arg-type]
    assert [each.offset for each in found] == list(range(n))
    assert queue.waited_s == waited_s


def test_no_more_is_read_than_asked_for() -> None:
    queue = Queue(3)
    assert len(consume_batch(queue, limit=1, timeout_s=10.0)) == 1  # type: ignore[arg-type]
    assert len(consume_batch(queue, limit=9, timeout_s=10.0)) == 2  # type: ignore[arg-type]
