"""A question for first offsets that the client has lost is asked by a new client."""

from collections.abc import Iterable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, cast

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from runtime.errors import TransientError
from runtime.kafka import retention_losses
from runtime.kafka.retention_losses import LostMessages

if TYPE_CHECKING:
    from runtime.kafka.clients import CheckedConsumer


class _Silent:
    """A consumer whose client has lost its answers, or refuses to ask."""

    def __init__(self, *, refuses: bool = False) -> None:
        self.n_asked = 0
        self.n_renewed = 0
        self._refuses = refuses

    def ask_first_offsets(self, partitions: Iterable[tuple[str, int]]) -> dict[Any, Future[Any]]:
        self.n_asked += 1
        if self._refuses:
            raise KafkaException(KafkaError(KafkaError._TRANSPORT))
        return {place: Future() for place in partitions}

    def renew_questions(self) -> None:
        self.n_renewed += 1


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention_losses, "_LOST_ANSWER_S", 0.01)
    monkeypatch.setattr(retention_losses, "_IDLE_INTERVAL_S", 0.0)


def _begin(consumer: _Silent) -> LostMessages:
    lost = LostMessages(cast("CheckedConsumer", consumer))
    lost.assign([TopicPartition("images-v1", 0, 5)])
    return lost


@pytest.mark.parametrize("refuses", [False, True])
def test_a_new_partition_is_asked_for_again(*, refuses: bool) -> None:
    consumer = _Silent(refuses=refuses)
    lost = _begin(consumer)
    for number in (1, 2):
        with pytest.raises(TransientError, match="Kafka does not answer"):
            list(lost.at_start())
        assert (consumer.n_asked, consumer.n_renewed) == (number, number)


def test_an_idle_partition_is_asked_for_again() -> None:
    consumer = _Silent()
    lost = _begin(consumer)
    while not consumer.n_renewed:
        assert list(lost.while_idle()) == []
    assert consumer.n_asked == 1
    while consumer.n_asked < 2:
        assert list(lost.while_idle()) == []


def test_an_idle_consumer_goes_on_where_the_client_refuses() -> None:
    consumer = _Silent(refuses=True)
    lost = _begin(consumer)
    while consumer.n_asked < 2:
        assert list(lost.while_idle()) == []
