"""The horizon is never beyond what has been consumed, and follows when everything is."""

from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import TransientError
from runtime.kafka import ConsumedHorizon

POLL_S = 1.0


class Pipeline:
    """Images on two partitions, extracted onto one partition of results, consumed in order."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.is_away = False
        self.sent = {0: 0, 1: 0}
        self.extracted = {0: 0, 1: 0}
        self.n_consumed = 0
        # When each image was sent, in the order of the results.
        self.sent_s: dict[tuple[int, int], float] = {}
        self.results: list[tuple[int, int]] = []
        self.horizon = ConsumedHorizon(
            self, lambda: {0: self.n_consumed}, clock=lambda: self.now_s
        )

    def read_source(self) -> dict[int, tuple[int, int]]:
        if self.is_away:
            raise TransientError("away")
        return {number: (0, end) for number, end in self.sent.items()}

    def read_committed(self) -> dict[int, int]:
        return {number: offset or -1001 for number, offset in self.extracted.items()}

    def read_results(self) -> dict[int, int]:
        return {0: len(self.results), 7: 10_000}

    def send(self, partition: int) -> None:
        self.sent_s[partition, self.sent[partition]] = self.now_s
        self.sent[partition] += 1

    def extract(self, partition: int) -> None:
        if self.extracted[partition] < self.sent[partition]:
            self.results.append((partition, self.extracted[partition]))
            self.extracted[partition] += 1

    def consume(self) -> None:
        self.n_consumed = min(self.n_consumed + 1, len(self.results))

    def poll(self) -> None:
        self.now_s += POLL_S
        self.horizon.poll()

    def oldest_missing_s(self) -> float:
        """Return when the oldest image that is not consumed was sent."""
        here = set(self.results[: self.n_consumed])
        missing = [sent_s for image, sent_s in self.sent_s.items() if image not in here]
        return min(missing, default=float("inf"))


steps = st.lists(
    st.sampled_from(["send 0", "send 1", "extract 0", "extract 1", "consume", "poll"]),
    max_size=60,
)


@given(steps)
def test_everything_sent_before_the_horizon_is_here(chosen: list[str]) -> None:
    pipeline = Pipeline()
    for step in chosen:
        name, *partition = step.split()
        getattr(pipeline, name)(*(int(each) for each in partition))
        assert pipeline.horizon.until_s <= pipeline.oldest_missing_s()


@given(steps)
def test_the_horizon_follows_when_everything_is_consumed(chosen: list[str]) -> None:
    pipeline = Pipeline()
    for step in chosen:
        name, *partition = step.split()
        getattr(pipeline, name)(*(int(each) for each in partition))
    for partition in (0, 1):
        for _ in range(len(chosen)):
            pipeline.extract(partition)
    for _ in range(len(chosen)):
        pipeline.consume()
    before_s = pipeline.now_s
    for _ in range(3):
        pipeline.poll()
    assert pipeline.horizon.until_s > before_s


def test_it_stands_while_the_broker_is_away_and_says_since_when_it_is_back() -> None:
    pipeline = Pipeline()
    pipeline.poll()
    assert (pipeline.horizon.until_s, pipeline.horizon.available_since_s) == (1.0, float("-inf"))
    pipeline.is_away = True
    for _ in range(5):
        pipeline.poll()
    assert pipeline.horizon.until_s == 1.0
    pipeline.is_away = False
    pipeline.poll()
    assert (pipeline.horizon.until_s, pipeline.horizon.available_since_s) == (7.0, 7.0)


def test_the_broker_is_not_asked_more_often_than_twice_a_second() -> None:
    pipeline = Pipeline()
    pipeline.poll()
    pipeline.send(0)
    pipeline.now_s += 0.1
    pipeline.horizon.poll()
    assert pipeline.horizon.until_s == 1.0


def test_what_is_left_to_be_consumed_here_is_no_question_to_the_broker() -> None:
    pipeline = Pipeline()
    pipeline.send(0)
    pipeline.extract(0)
    pipeline.poll()
    assert pipeline.horizon.until_s == 0.0
    pipeline.consume()
    pipeline.is_away = True
    pipeline.now_s += 0.1
    pipeline.horizon.poll()
    assert pipeline.horizon.until_s == 1.0
