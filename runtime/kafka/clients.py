"""Producers and consumers with the settings for large images and acknowledged results."""

import logging
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import Any

from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin._listoffsets import ListOffsetsResultInfo, OffsetSpec

from runtime.kafka.connection import common_config
from runtime.kafka.identity import ClusterCheck
from runtime.kafka.membership import Membership
from runtime.kafka.security import describe_refusal
from runtime.logging import RateLimitedHandler, RateLimiter, get_logger
from runtime.settings import KafkaSettings

__all__ = [
    "MAX_MESSAGE_BYTES",
    "CheckedConsumer",
    "FirstOffsets",
    "client_logger",
    "create_consumer",
    "create_producer",
    "create_reader",
]

# Room for one 64 MiB image with its framing.
MAX_MESSAGE_BYTES = 100_000_000
# Read ahead of the handler: some images of 1024 px, and at least one message of any size.
_PREFETCH_BYTES = 32 << 20
_FETCH_BYTES = 8 << 20
# A partition is asked for again so soon after the queue was full: the client's own second leaves
# a handler that is behind without work for most of it.
_FULL_QUEUE_WAIT_MS = 10
_ANSWER_S = 10.0
_OWN_ANSWER_S = 2.0
# By topic and partition.
FirstOffsets = dict[tuple[str, int], Future[ListOffsetsResultInfo]]
RebalanceCallback = Callable[[Consumer, list[TopicPartition]], None]


def client_logger() -> logging.Logger:
    """Return the logger that librdkafka writes to; it would write twenty lines a second."""
    logger = logging.getLogger("librdkafka")
    if not logger.handlers:
        logger.addHandler(RateLimitedHandler())
        logger.propagate = False
    return logger


def _log_auth_failures(settings: KafkaSettings) -> Callable[[KafkaError], None]:
    """Return an error callback that logs, twice a minute, which setting the broker refuses."""
    limiter = RateLimiter()

    def on_error(error: KafkaError) -> None:
        reason = describe_refusal(settings, error)
        if reason is not None and limiter.allows():
            get_logger().error("kafka_auth_failed", reason=reason)

    return on_error


def create_producer(settings: KafkaSettings, *, linger_ms: int = 0) -> Producer:
    """Return an idempotent producer for 64 MiB images; `send` waits while its queue is full.

    Parameters
    ----------
    settings : KafkaSettings
        Where the broker is.
    linger_ms : int
        How long a message waits for others, to be sent in one request; `flush` ends the wait [ms].
    """
    return Producer(
        common_config(settings)
        | {
            "enable.idempotence": True,
            "acks": "all",
            # As producers in Java place keys: an image and its forced requests then come to one
            # extractor, whoever sent the image.
            "partitioner": "murmur2_random",
            "linger.ms": linger_ms,
            "message.max.bytes": MAX_MESSAGE_BYTES,
            "queue.buffering.max.kbytes": 4 * MAX_MESSAGE_BYTES // 1024,
            "delivery.timeout.ms": 120_000,
            "error_cb": _log_auth_failures(settings),
        },
        logger=client_logger(),
    )


class CheckedConsumer(Consumer):
    """A consumer that gives no message of a cluster that has taken the port of its own."""

    def __init__(
        self, config: dict[str, Any], *, settings: KafkaSettings, logger: logging.Logger
    ) -> None:
        super().__init__(config, logger=logger)
        self._cluster = ClusterCheck(settings)
        self._membership = Membership()
        self._topics: list[str] = []

    def subscribe(
        self,
        topics: list[str],
        on_assign: RebalanceCallback | None = None,
        on_revoke: RebalanceCallback | None = None,
        on_lost: RebalanceCallback | None = None,
    ) -> None:
        """Join the group as `Consumer` does; `consume` ends one that hears nothing of it."""

        def assigned(consumer: Consumer, partitions: list[TopicPartition]) -> None:
            self._membership.confirm()
            if on_assign is not None:
                on_assign(consumer, partitions)

        def revoked(consumer: Consumer, partitions: list[TopicPartition]) -> None:
            self._membership.expect()
            if on_revoke is not None:
                on_revoke(consumer, partitions)

        def lost(consumer: Consumer, partitions: list[TopicPartition]) -> None:
            self._membership.expect()
            if (take := on_lost or on_revoke) is not None:
                take(consumer, partitions)

        self._topics = topics
        self._membership.expect()
        super().subscribe(topics, on_assign=assigned, on_revoke=revoked, on_lost=lost)

    def consume(self, num_messages: int = 1, timeout: float = -1) -> list[Message]:
        """Return messages as `Consumer` does.

        Raises
        ------
        FatalError
            If another cluster answers, or this client has lost its own.
        """
        messages = super().consume(num_messages, timeout)
        self._cluster.check()
        self._membership.check(self._cluster.answers_since_s, self._asks)
        return messages

    def _asks(self) -> bool:
        """Return whether the broker answers this client."""
        try:
            return bool(self.list_topics(self._topics[0], timeout=_OWN_ANSWER_S).brokers)
        except KafkaException:
            return False

    def ask_first_offsets(self, partitions: Iterable[tuple[str, int]]) -> FirstOffsets:
        """Ask for the first offset that partitions have, of all at once, and do not wait.

        On the consumer's own connection the broker would answer each question after the fetch
        that waits there for messages.
        """
        earliest = OffsetSpec.earliest()  # type: ignore[no-untyped-call]
        asked = {TopicPartition(*each): earliest for each in partitions}
        answers = self._cluster.client.list_offsets(asked, request_timeout=_ANSWER_S)
        return {(each.topic, each.partition): answer for each, answer in answers.items()}

    def renew_questions(self) -> None:
        """Ask with a new client from now on: the one before has lost an answer."""
        self._cluster.renew()


def create_consumer(
    settings: KafkaSettings,
    *,
    group: str,
    commits_to_kafka: bool = True,
    fetch_bytes: int = _FETCH_BYTES,
    fetch_wait_ms: int = 50,
) -> CheckedConsumer:
    """Return a consumer that commits only the offsets given to `store_offsets`.

    Parameters
    ----------
    settings : KafkaSettings
        Where the broker is.
    group : str
        Consumer group; prefixed like the topics.
    commits_to_kafka : bool
        False where the offsets live in PostgreSQL.
    fetch_bytes : int
        Asked of the broker at once, by partition; a larger message comes alone [byte].
    fetch_wait_ms : int
        How long the broker waits for a message: it answers at once when there is one, but a
        partition that was sought or resumed is asked for after it only [ms].
    """
    # A static member that restarts has its partitions at once; a new member would wait until
    # the session of its predecessor times out.
    instance = f"{group}-{settings.instance_id}"
    member = {"group.instance.id": instance} if settings.instance_id else {}
    return CheckedConsumer(
        _consumer_config(settings, group)
        | member
        | {
            "enable.auto.commit": commits_to_kafka,
            "auto.commit.interval.ms": 1000,
            "auto.offset.reset": "earliest",
            # Partitions that an operator adds are read after this, from their first message on.
            "topic.metadata.refresh.interval.ms": 30_000,
            # No image takes this long; a process that hangs loses its partitions after it.
            "max.poll.interval.ms": 600_000,
            "session.timeout.ms": int(1000 * settings.session_timeout_s),
            "fetch.wait.max.ms": fetch_wait_ms,
            "fetch.message.max.bytes": fetch_bytes,
            "partition.assignment.strategy": "range",
        },
        settings=settings,
        logger=client_logger(),
    )


def create_reader(settings: KafkaSettings, *, name: str) -> CheckedConsumer:
    """Return a consumer that is assigned partitions by hand: no group, no commits.

    Offsets that the broker does not have any more are replaced by the end of the topic.

    Parameters
    ----------
    settings : KafkaSettings
        Where the broker is.
    name : str
        Its name; prefixed like the topics.
    """
    return CheckedConsumer(
        _consumer_config(settings, name)
        | {
            "enable.auto.commit": False,
            "auto.offset.reset": "latest",
            # The broker answers at once when there is a message; this is the pace of an idle one.
            "fetch.wait.max.ms": 500,
        },
        settings=settings,
        logger=client_logger(),
    )


def _consumer_config(
    settings: KafkaSettings, group: str
) -> dict[str, str | int | float | bool | Callable[[KafkaError], None]]:
    return {
        **common_config(settings),
        "group.id": settings.topic_prefix + group,
        "enable.auto.offset.store": False,
        "fetch.message.max.bytes": _FETCH_BYTES,
        "fetch.max.bytes": _PREFETCH_BYTES,
        # The broker sends the first message whatever its size.
        "receive.message.max.bytes": MAX_MESSAGE_BYTES + _PREFETCH_BYTES,
        "queued.max.messages.kbytes": _PREFETCH_BYTES // 1024,
        "fetch.queue.backoff.ms": _FULL_QUEUE_WAIT_MS,
        "error_cb": _log_auth_failures(settings),
    }
