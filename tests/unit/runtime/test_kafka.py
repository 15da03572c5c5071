"""An offset is stored when all outputs of its message are acknowledged."""

from itertools import pairwise

import pytest
from confluent_kafka import KafkaError, TopicPartition
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
