"""Messages of low priority come after others but for a share of the time; few are held."""

from collections import deque
from collections.abc import Sequence

from confluent_kafka import TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from runtime.kafka import DeferredMessages, InMessage, OutMessage
from runtime.poll_pace import PollPace
from runtime.process import _finish, _next_message

PACE = PollPace(busy_s=0.05, idle_s=0.25, awake_s=1.0)


class FakeMessage:
    """A message as the client gives it."""

    def __init__(self, topic: str, partition: int, offset: int) -> None:
        self._place = topic, partition, offset

    def error(self) -> None:
        return None

    def timestamp(self) -> tuple[int, int]:
        return 0, 0

    def topic(self) -> str:
        return self._place[0]

    def partition(self) -> int:
        return self._place[1]

    def offset(self) -> int:
        return self._place[2]

    def key(self) -> bytes:
        return b""

    value = key

    def headers(self) -> None:
        return None


class FakeConsumer:
    """Hands out what is in its queue; a paused partition gives nothing."""

    def __init__(self, topics: list[str], n_partitions: int = 2) -> None:
        self.queue: deque[tuple[str, int, int]] = deque()
        self.paused: set[tuple[str, int]] = set()
        self.timeouts_s: list[float] = []
        self._assignment = [
            TopicPartition(topic, number) for topic in topics for number in range(n_partitions)
        ]

    def assignment(self) -> list[TopicPartition]:
        return self._assignment

    def pause(self, partitions: list[TopicPartition]) -> None:
        self.paused |= {(each.topic, each.partition) for each in partitions}

    def resume(self, partitions: list[TopicPartition]) -> None:
        self.paused -= {(each.topic, each.partition) for each in partitions}

    def consume(self, n: int, timeout: float) -> list[FakeMessage]:
        assert (n, timeout >= 0) == (1, True)
        self.timeouts_s.append(timeout)
        for place in self.queue:
            if place[:2] not in self.paused:
                self.queue.remove(place)
                return [FakeMessage(*place)]
        return []


def handle_all(consumer: FakeConsumer, deferred: DeferredMessages) -> list[InMessage]:
    handled = []
    while (message := _next_message(consumer, deferred, PACE)) is not None:  # type: ignore[arg-type]
        handled.append(message)
    return handled


@given(
    places=st.lists(st.tuples(st.sampled_from(["images", "requests"]), st.integers(0, 1))),
    limit=st.integers(1, 5),
)
def test_images_come_first_and_all_come_in_the_order_of_their_partition(
    places: list[tuple[str, int]], limit: int
) -> None:
    consumer = FakeConsumer(["images", "requests"])
    deferred = DeferredMessages(consumer, ["requests"], limit=limit)  # type: ignore[arg-type]
    consumer.queue.extend((*place, offset) for offset, place in enumerate(places))
    handled = handle_all(consumer, deferred)
    topics = [message.topic for message in handled]
    assert topics == sorted(topics)
    for place in {*places}:
        expected = [offset for offset, each in enumerate(places) if each == place]
        assert [
            message.offset for message in handled if (message.topic, message.partition) == place
        ] == expected
    assert not consumer.paused


@given(
    image_s=st.floats(0.01, 0.1),
    request_s=st.floats(0.001, 0.5),
    n_before=st.integers(0, 50),
)
def test_while_images_wait_requests_have_a_quarter_of_their_time(
    image_s: float, request_s: float, n_before: int
) -> None:
    now_s = [0.0]
    consumer = FakeConsumer(["images", "requests"])
    deferred = DeferredMessages(consumer, ["requests"], clock=lambda: now_s[0])  # type: ignore[arg-type]
    for _ in range(n_before):
        deferred.add_time("requests", 10.0)
    deferred.takes(InMessage("requests", 0, 0, b"", b""))
    seconds = {"images": image_s, "requests": request_s}
    spent_s = dict.fromkeys(seconds, 0.0)
    in_a_row_s = 0.0
    while spent_s["images"] < 20.0:
        if not consumer.queue:
            consumer.queue.append(("images", 0, 0))
        message = _next_message(consumer, deferred, PACE)  # type: ignore[arg-type]
        assert message is not None
        now_s[0] += seconds[message.topic]
        spent_s[message.topic] += seconds[message.topic]
        deferred.add_time(message.topic, seconds[message.topic])
        # An image waits for a tenth of a second, and for a request that was begun in it.
        in_a_row_s = in_a_row_s + request_s if message.topic == "requests" else 0.0
        assert in_a_row_s <= 0.1 + request_s
        deferred.takes(InMessage("requests", 0, 0, b"", b""))
    # Up to a second is owed before; the first quarter of a second is the images'.
    assert -1.5 <= spent_s["requests"] - 5.0 <= request_s + 0.1


def test_where_images_leave_a_pause_requests_wait_for_it() -> None:
    now_s = [0.0]
    consumer = FakeConsumer(["images", "requests"])
    deferred = DeferredMessages(consumer, ["requests"], clock=lambda: now_s[0])  # type: ignore[arg-type]
    for _ in range(100):
        consumer.queue.extend([("requests", 0, 0), ("images", 0, 0), ("images", 0, 0)])
        topics = []
        for _ in range(3):
            message = _next_message(consumer, deferred, PACE)  # type: ignore[arg-type]
            assert message is not None
            topics.append(message.topic)
            now_s[0] += 0.02
            deferred.add_time(message.topic, 0.02)
        assert topics == ["images", "images", "requests"]


def test_no_more_than_the_limit_are_kept() -> None:
    consumer = FakeConsumer(["images", "requests"])
    deferred = DeferredMessages(consumer, ["requests"], limit=4)  # type: ignore[arg-type]
    consumer.queue.extend(("requests", 0, offset) for offset in range(10))
    first = _next_message(consumer, deferred, PACE)  # type: ignore[arg-type]
    assert first is not None
    assert (first.offset, len(deferred), len(consumer.queue)) == (0, 3, 6)
    consumer.queue.append(("images", 0, 0))
    second = _next_message(consumer, deferred, PACE)  # type: ignore[arg-type]
    assert second is not None
    assert second.topic == "images"


def test_messages_of_revoked_partitions_are_dropped() -> None:
    consumer = FakeConsumer(["images", "requests"])
    deferred = DeferredMessages(consumer, ["requests"])  # type: ignore[arg-type]
    for partition in (0, 1):
        deferred.takes(InMessage("requests", partition, 0, b"", b""))
    deferred.drop([TopicPartition("requests", 0), TopicPartition("images", 1)])
    (left,) = handle_all(consumer, deferred)
    assert left.partition == 1


def test_a_partition_that_is_revoked_while_paused_is_read_when_it_comes_back() -> None:
    consumer = FakeConsumer(["images", "requests"])
    deferred = DeferredMessages(consumer, ["requests"], limit=2)  # type: ignore[arg-type]
    for offset in range(2):
        deferred.takes(InMessage("requests", 0, offset, b"", b""))
    assert consumer.paused
    deferred.drop(consumer.assignment())
    consumer.queue.extend(("requests", 0, offset) for offset in range(2))
    assert [message.offset for message in handle_all(consumer, deferred)] == [0, 1]


class FakeResults:
    """Notes the messages that are finished."""

    def __init__(self) -> None:
        self.finished: list[int] = []

    def send(self, message: InMessage, outputs: Sequence[OutMessage]) -> None:
        assert not outputs
        self.finished.append(message.offset)


@given(n_slices=st.lists(st.integers(1, 4), min_size=1, max_size=5), every=st.integers(1, 3))
def test_an_image_comes_between_the_slices_of_a_request(n_slices: list[int], every: int) -> None:
    consumer = FakeConsumer(["images", "requests"], n_partitions=1)
    deferred = DeferredMessages(consumer, ["requests"])  # type: ignore[arg-type]
    consumer.queue.extend(("requests", 0, offset) for offset in range(len(n_slices)))
    left, results = dict(enumerate(n_slices)), FakeResults()
    n_handled = 0
    while (message := _next_message(consumer, deferred, PACE)) is not None:  # type: ignore[arg-type]
        n_handled += 1
        if message.topic == "images":
            assert n_handled % every == 1 or every == 1
            continue
        left[message.offset] -= 1
        outputs = None if left[message.offset] else ()
        held = _finish(message, outputs, results, deferred)  # type: ignore[arg-type]
        assert (held is message) == (outputs is None)
        if n_handled % every == 0 and n_handled < 40:
            consumer.queue.append(("images", 0, n_handled))
    assert results.finished == list(range(len(n_slices)))
    assert not any(left.values())


def test_polls_are_long_where_no_message_has_come_for_a_while() -> None:
    now_s = [0.0]
    pace = PollPace(busy_s=0.05, idle_s=0.25, awake_s=1.0, clock=lambda: now_s[0])
    consumer = FakeConsumer(["images", "requests"])
    deferred = DeferredMessages(consumer, ["requests"])  # type: ignore[arg-type]
    now_s[0] = 2.0
    _next_message(consumer, deferred, pace)  # type: ignore[arg-type]
    consumer.queue.append(("images", 0, 0))
    _next_message(consumer, deferred, pace)  # type: ignore[arg-type]
    _next_message(consumer, deferred, pace)  # type: ignore[arg-type]
    consumer.queue.append(("requests", 0, 0))
    _next_message(consumer, deferred, pace)  # type: ignore[arg-type]
    assert consumer.timeouts_s == [0.25, 0.25, 0.05, 0.05, 0.0]
