"""The messages of a topic from its present end on, for a process that keeps no offsets."""

from confluent_kafka import Consumer, KafkaException, TopicPartition

from runtime.errors import TransientError
from runtime.kafka.clients import create_reader
from runtime.kafka.consuming import InMessage, consume_batch
from runtime.settings import KafkaSettings

__all__ = ["TopicTail"]

_ANSWER_S = 10.0


class TopicTail:
    """Reads every partition of a topic; joins no consumer group and commits nothing.

    Parameters
    ----------
    settings : KafkaSettings
        Where the broker is.
    topic : str
        Name of the topic, with the prefix of the installation.
    name : str
        Name of the consumer, for the broker's log.
    """

    def __init__(self, settings: KafkaSettings, topic: str, *, name: str) -> None:
        self._topic = topic
        self._consumer: Consumer = create_reader(settings, name=name)

    def seek_to_end(self) -> None:
        """Read from here on what is appended after this call.

        Raises
        ------
        TransientError
            If the broker does not answer, or has no such topic yet.
        """
        try:
            found = self._consumer.list_topics(self._topic, timeout=_ANSWER_S).topics[self._topic]
            partitions = [TopicPartition(self._topic, number) for number in found.partitions]
            ends = [
                self._consumer.get_watermark_offsets(each, timeout=_ANSWER_S)[1]
                for each in partitions
            ]
        except KafkaException as error:
            raise TransientError(f"Kafka does not answer: {error}") from error
        if not partitions:
            raise TransientError(f"Kafka has no topic {self._topic} yet")
        self._consumer.assign(
            [
                TopicPartition(self._topic, each.partition, end)
                for each, end in zip(partitions, ends, strict=True)
            ]
        )

    def read(self, *, limit: int, timeout_s: float) -> list[InMessage]:
        """Return messages as soon as there is one, or none after `timeout_s`.

        Raises
        ------
        FatalError
            If the broker reports that this consumer can never continue.
        """
        return consume_batch(self._consumer, limit=limit, timeout_s=timeout_s)

    def close(self) -> None:
        """Close the connections."""
        self._consumer.close()
