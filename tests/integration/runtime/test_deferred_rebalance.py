"""A worker reads its paused partitions again after another one has joined its group."""

import uuid
from contextlib import closing

from confluent_kafka import Consumer, TopicPartition

from runtime.kafka import (
    DeferredMessages,
    OutMessage,
    consume_batch,
    create_consumer,
    create_producer,
    ensure_topics,
    produce_and_wait,
)
from runtime.settings import KafkaSettings
from schemas.topics import Topics
from tests.support.vtp_service import wait_until

N_KEYS, LIMIT = 40, 5


def hold(consumer: Consumer, deferred: DeferredMessages) -> None:
    """Hold what comes; serve rebalances meanwhile."""
    for message in consume_batch(consumer, limit=1, timeout_s=0.05):
        assert deferred.takes(message)


def test_requests_that_waited_when_another_worker_joined_are_handled(
    kafka_bootstrap: str,
) -> None:
    settings = KafkaSettings(
        bootstrap_servers=kafka_bootstrap, topic_prefix=f"{uuid.uuid4().hex}.", partitions=2
    )
    ensure_topics(settings)
    topic = Topics(settings.topic_prefix).forced_requests
    produce_and_wait(
        create_producer(settings),
        [OutMessage(topic, str(number).encode(), b"value") for number in range(N_KEYS)],
    )
    group = f"{settings.topic_prefix}group"
    made = [create_consumer(settings, group=group, commits_to_kafka=False) for _ in range(2)]
    with closing(made[0]) as first, closing(made[1]) as second:
        deferred = DeferredMessages(first, [topic], limit=LIMIT)

        def drop(_: Consumer, partitions: list[TopicPartition]) -> None:
            deferred.drop(partitions)

        first.subscribe([topic], on_revoke=drop)
        wait_until(lambda: hold(first, deferred) or len(deferred) >= LIMIT, what="requests")
        second.subscribe([topic])

        def is_shared() -> bool:
            hold(first, deferred)
            second.poll(0.05)
            return len(first.assignment()) == len(second.assignment()) == 1

        wait_until(is_shared, what="the second worker")
        (mine,) = first.assignment()
        _, end = first.get_watermark_offsets(mine, timeout=30)
        assert 0 < end < N_KEYS
        handled: list[int] = []

        def is_handled() -> bool:
            hold(first, deferred)
            second.poll(0)
            while deferred:
                handled.append(deferred.pop().offset)
            return len(handled) >= end

        wait_until(is_handled, what="the requests of its partition")
        assert handled == list(range(end))
