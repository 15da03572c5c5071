"""How far what producers have sent has come through another service to this one."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from confluent_kafka import Consumer, KafkaException, TopicPartition

from runtime.errors import TransientError
from runtime.kafka.clients import create_consumer
from runtime.settings import KafkaSettings

__all__ = ["ConsumedHorizon", "GroupOffsets", "Offsets"]

_ANSWER_S = 2.0
_INTERVAL_S = 0.5


class Offsets(Protocol):
    """What the broker knows about two topics, where one service turns the first into the other."""

    def read_source(self) -> dict[int, tuple[int, int]]:
        """Return first and next offset of each partition of the first topic."""
        ...

    def read_committed(self) -> dict[int, int]:
        """Return how far the service has come, by partition of the first topic."""
        ...

    def read_results(self) -> dict[int, int]:
        """Return the next offset of each partition of the second topic."""
        ...


class GroupOffsets:
    """The offsets of a consumer group, whose results are on another topic.

    Parameters
    ----------
    settings : KafkaSettings
        Where the broker is.
    group : str
        The group, without the prefix of the installation; this process does not join it.
    source, results : str
        Topic that the group reads, and topic of its results.
    """

    def __init__(self, settings: KafkaSettings, *, group: str, source: str, results: str) -> None:
        anonymous = settings.model_copy(update={"instance_id": None})
        self._consumer: Consumer = create_consumer(anonymous, group=group, commits_to_kafka=False)
        self._source = source
        self._results = results

    def read_source(self) -> dict[int, tuple[int, int]]:
        """Return first and next offset of each partition of the source.

        Raises
        ------
        TransientError
            If the broker does not answer.
        """
        return self._read_watermarks(self._source)

    def read_committed(self) -> dict[int, int]:
        """Return the committed offset of each partition of the source; negative: none.

        Raises
        ------
        TransientError
            If the broker does not answer.
        """
        try:
            committed = self._consumer.committed(self._partitions(self._source), timeout=_ANSWER_S)
        except KafkaException as error:
            raise TransientError(f"Kafka does not answer: {error}") from error
        return {each.partition: each.offset for each in committed}

    def read_results(self) -> dict[int, int]:
        """Return the next offset of each partition of the results.

        Raises
        ------
        TransientError
            If the broker does not answer.
        """
        ends = self._read_watermarks(self._results)
        return {partition: end for partition, (_, end) in ends.items()}

    def close(self) -> None:
        """Close the connection."""
        self._consumer.close()

    def _read_watermarks(self, topic: str) -> dict[int, tuple[int, int]]:
        try:
            return {
                each.partition: self._consumer.get_watermark_offsets(each, timeout=_ANSWER_S)
                for each in self._partitions(topic)
            }
        except KafkaException as error:
            raise TransientError(f"Kafka does not answer: {error}") from error

    def _partitions(self, topic: str) -> list[TopicPartition]:
        metadata = self._consumer.list_topics(topic, timeout=_ANSWER_S)
        return [TopicPartition(topic, number) for number in metadata.topics[topic].partitions]


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """A time, and the offsets that must have been passed for everything before it to be here."""

    time_s: float
    ends: Mapping[int, int]
    is_extracted: bool = False


class ConsumedHorizon:
    """Until when all that was sent has been consumed here.

    A message that is missing now may still be on its way while another service is behind or the
    broker is away. Who waits for it counts the time that this class says.

    Parameters
    ----------
    offsets : Offsets
        Asks the broker.
    next_offsets : callable
        Returns the next offset of each partition of the results that this process reads.
    clock : callable
        Returns the time [s].

    Attributes
    ----------
    until_s : float
        Everything that was on the broker at this time has been consumed [s].
    available_since_s : float
        The broker has answered every time since then [s].
    """

    def __init__(
        self,
        offsets: Offsets,
        next_offsets: Callable[[], Mapping[int, int]],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._offsets = offsets
        self._next_offsets = next_offsets
        self._clock = clock
        self._snapshot: _Snapshot | None = None
        self._next_poll_s = float("-inf")
        self._is_away = False
        self.until_s = clock()
        self.available_since_s = float("-inf")

    def poll(self) -> None:
        """Ask the broker, twice a second at most, and move `until_s` as far as it allows."""
        self._pass_here()
        if self._clock() < self._next_poll_s:
            return
        try:
            self._advance()
        except TransientError:
            self._is_away = True  # the consumer of this process logs it
        else:
            if self._is_away:
                self.available_since_s = self._clock()
            self._is_away = False
        self._next_poll_s = self._clock() + _INTERVAL_S

    def _advance(self) -> None:
        snapshot = self._snapshot
        if snapshot is None:
            now_s = self._clock()
            source = self._offsets.read_source()
            ends = {number: end for number, (first, end) in source.items() if end > first}
            snapshot = _Snapshot(now_s, ends)
        if not snapshot.is_extracted and _has_passed(
            self._offsets.read_committed() if snapshot.ends else {}, snapshot.ends
        ):
            ends = self._offsets.read_results()
            snapshot = _Snapshot(snapshot.time_s, ends, is_extracted=True)
        self._snapshot = snapshot
        self._pass_here()

    def _pass_here(self) -> None:
        """Move `until_s` if this process has consumed all results of a snapshot."""
        snapshot = self._snapshot
        if snapshot is None or not snapshot.is_extracted:
            return
        ours = self._next_offsets()
        ends = {number: end for number, end in snapshot.ends.items() if number in ours}
        if _has_passed(ours, ends):
            self.until_s, self._snapshot = snapshot.time_s, None


def _has_passed(offsets: Mapping[int, int], ends: Mapping[int, int]) -> bool:
    return all(offsets.get(number, -1) >= end for number, end in ends.items())
