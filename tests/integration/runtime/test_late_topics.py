"""A consumer that comes before its topic reads it when it is there."""

import uuid

import pytest
from confluent_kafka import Consumer, KafkaError
from confluent_kafka.admin import AdminClient, NewTopic

from runtime.kafka import OutMessage, create_consumer, create_producer, produce_and_wait
from runtime.settings import KafkaSettings


def wait_until_the_topic_is_missed(consumer: Consumer) -> None:
    """Consume until the broker has said that it knows no such topic."""
    while True:
        for message in consumer.consume(1, 1.0):
            error = message.error()
            assert error is not None
            if error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                return


@pytest.mark.parametrize("instance_id", [None, "worker-0"])
@pytest.mark.parametrize("is_replaced", [False, True])
def test_a_consumer_that_comes_before_its_topic_reads_it(
    kafka_bootstrap: str, instance_id: str | None, *, is_replaced: bool
) -> None:
    """A process that takes the place of a member of the same name is given the partitions, too."""
    settings = KafkaSettings(
        bootstrap_servers=kafka_bootstrap,
        instance_id=instance_id,
        topic_prefix=f"{uuid.uuid4().hex}.",
    )
    topic = f"{settings.topic_prefix}late"
    consumers = [create_consumer(settings, group="g")]
    try:
        consumers[0].subscribe([topic])
        wait_until_the_topic_is_missed(consumers[0])
        admin = AdminClient({"bootstrap.servers": kafka_bootstrap})
        admin.create_topics([NewTopic(topic, 3, 1)])[topic].result(60)
        produce_and_wait(create_producer(settings), [OutMessage(topic, b"", b"first")])
        if is_replaced:
            consumers.append(create_consumer(settings, group="g"))
            consumers[1].subscribe([topic])
        values: list[bytes | str | None] = []
        while b"first" not in values:
            # The partition may be given to either of them.
            values += [
                message.value()
                for consumer in consumers
                for message in consumer.consume(1, 0.5)
                if message.error() is None
            ]
    finally:
        for consumer in consumers:
            consumer.close()
