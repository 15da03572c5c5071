"""Read one message again, long after it was consumed."""

import time

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from runtime.errors import TransientError
from runtime.kafka.clients import create_consumer
from runtime.kafka.consuming import InMessage, consume_batch
from runtime.settings import KafkaSettings

__all__ = ["MessageFetcher"]

_ANSWER_S = 10.0
_UNKNOWN = frozenset(
    {
        KafkaError._UNKNOWN_PARTITION,  # noqa: SLF001  (librdkafka's names)
        KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001
        KafkaError._INVALID_ARG,  # noqa: SLF001
        KafkaError.UNKNOWN_TOPIC_OR_PART,
    }
)


class MessageFetcher:
    """Reads single messages by partition and offset, and says which there are; no commits.

    Parameters
    ----------
    settings : KafkaSettings
        Where the broker is.
    group : str
        Name of the consumer; it never joins the group.
    """

    def __init__(self, settings: KafkaSettings, *, group: str) -> None:
        self._settings = settings
        self._group = group
        self._consumer: Consumer | None = None

    def fetch(self, topic: str, partition: int, offset: int) -> InMessage | None:
        """Return the message at an offset; None if the topic no longer (or not yet) has it.

        Raises
        ------
        TransientError
            If the broker does not answer.
        """
        consumer = self._connected()
        try:
            low, high = consumer.get_watermark_offsets(
                TopicPartition(topic, partition), timeout=_ANSWER_S
            )
            if not low <= offset < high:
                return None
            consumer.assign([TopicPartition(topic, partition, offset)])
        except KafkaException as error:
            if error.args[0].code() in _UNKNOWN:
                return None
            raise TransientError(f"Kafka does not answer: {error}") from error
        deadline_s = time.monotonic() + _ANSWER_S
        while time.monotonic() < deadline_s:
            for message in consume_batch(consumer, limit=1, timeout_s=0.1):
                consumer.unassign()
                # A later one comes if retention or compaction has removed the wanted one.
                return message if message.offset == offset else None
        raise TransientError(
            f"Kafka does not return offset {offset} of {topic}, partition {partition}"
        )

    def fetch_oldest(self, topic: str, partition: int) -> InMessage | None:
        """Return the oldest message that a partition has; None if it has none.

        Raises
        ------
        TransientError
            If the broker does not answer.
        """
        try:
            low, high = self._connected().get_watermark_offsets(
                TopicPartition(topic, partition), timeout=_ANSWER_S
            )
        except KafkaException as error:
            if error.args[0].code() in _UNKNOWN:
                return None
            raise TransientError(f"Kafka does not answer: {error}") from error
        return self.fetch(topic, partition, low) if low < high else None

    def fetch_offsets(self, topic: str) -> dict[int, tuple[int, int]]:
        """Return the first offset of each partition and the one behind its last.

        Raises
        ------
        TransientError
            If the broker does not answer.
        """
        consumer = self._connected()
        try:
            partitions = consumer.list_topics(topic, timeout=_ANSWER_S).topics[topic].partitions
            return {
                number: consumer.get_watermark_offsets(
                    TopicPartition(topic, number), timeout=_ANSWER_S
                )
                for number in partitions
            }
        except KafkaException as error:
            raise TransientError(f"Kafka does not answer: {error}") from error

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._consumer is not None:
            self._consumer.close()

    def _connected(self) -> Consumer:
        if self._consumer is None:
            settings = self._settings.model_copy(update={"instance_id": None})
            # One message is wanted; what is read beyond it is thrown away.
            self._consumer = create_consumer(
                settings, group=self._group, commits_to_kafka=False, fetch_bytes=1
            )
        return self._consumer
