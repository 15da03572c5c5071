"""Producers and consumers set up for large images and hard guarantees."""

import logging
import time
from collections.abc import Callable

from confluent_kafka import Consumer, KafkaError, Producer

from runtime.kafka.security import describe_refusal, security_config
from runtime.logging import get_logger
from runtime.settings import KafkaSettings

__all__ = [
    "MAX_MESSAGE_BYTES",
    "client_logger",
    "common_config",
    "create_consumer",
    "create_producer",
]

# Room for one 64 MiB image with its framing.
MAX_MESSAGE_BYTES = 100_000_000
_LOG_EVERY_S = 30.0


class RateLimitedHandler(logging.Handler):
    """Turn librdkafka's twenty lines a second into one line of ours every half minute."""

    def __init__(self) -> None:
        super().__init__()
        self._last_s = float("-inf")

    def emit(self, record: logging.LogRecord) -> None:
        now_s = time.monotonic()
        if now_s - self._last_s < _LOG_EVERY_S:
            return
        self._last_s = now_s
        get_logger().warning("kafka_client_warning", detail=record.getMessage())


def client_logger() -> logging.Logger:
    """Return the logger that librdkafka is to complain to."""
    logger = logging.getLogger("livetrap.kafka")
    if not logger.handlers:
        logger.addHandler(RateLimitedHandler())
        logger.propagate = False
    return logger


def common_config(settings: KafkaSettings) -> dict[str, str | int | float | bool]:
    """Return what every client needs to reach the broker.

    Raises
    ------
    SettingsError
        If a file that security needs is missing or is not what it should be.
    """
    return {
        "bootstrap.servers": settings.bootstrap_servers,
        "reconnect.backoff.max.ms": 2000,
        "broker.address.family": "v4",
        "log.connection.close": False,
        **security_config(settings),
    }


def _refusal_logger(settings: KafkaSettings) -> Callable[[KafkaError], None]:
    """Return a callback that tells, now and then, which setting the broker does not accept."""
    last_s = float("-inf")

    def on_error(error: KafkaError) -> None:
        nonlocal last_s
        reason = describe_refusal(settings, error)
        now_s = time.monotonic()
        if reason is not None and now_s - last_s >= _LOG_EVERY_S:
            last_s = now_s
            get_logger().error("kafka_auth_failed", reason=reason)

    return on_error


def create_producer(settings: KafkaSettings) -> Producer:
    """Return an idempotent producer that takes 64 MiB images and pushes back when full."""
    return Producer(
        common_config(settings)
        | {
            "enable.idempotence": True,
            "acks": "all",
            "linger.ms": 0,
            "message.max.bytes": MAX_MESSAGE_BYTES,
            "queue.buffering.max.kbytes": 4 * MAX_MESSAGE_BYTES // 1024,
            "delivery.timeout.ms": 120_000,
            "error_cb": _refusal_logger(settings),
        },
        logger=client_logger(),
    )


def create_consumer(
    settings: KafkaSettings, *, group: str, commits_to_kafka: bool = True
) -> Consumer:
    """Return a consumer that commits only what `store_offsets` was told.

    Parameters
    ----------
    settings : KafkaSettings
        Where the broker is.
    group : str
        Consumer group; prefixed like the topics.
    commits_to_kafka : bool
        False where the offsets live in PostgreSQL.
    """
    # A static member that comes back takes its partitions at once; a nameless one would wait
    # for its own ghost to time out.
    instance = f"{group}-{settings.instance_id}"
    member = {"group.instance.id": instance} if settings.instance_id else {}
    return Consumer(
        common_config(settings)
        | member
        | {
            "group.id": settings.topic_prefix + group,
            "enable.auto.offset.store": False,
            "enable.auto.commit": commits_to_kafka,
            "auto.commit.interval.ms": 1000,
            "auto.offset.reset": "earliest",
            # A kernel never takes this long; a hung process is thrown out after it.
            "max.poll.interval.ms": 600_000,
            "session.timeout.ms": 10_000,
            "fetch.wait.max.ms": 50,
            "fetch.message.max.bytes": MAX_MESSAGE_BYTES,
            "fetch.max.bytes": MAX_MESSAGE_BYTES,
            "receive.message.max.bytes": MAX_MESSAGE_BYTES + 1_000_000,
            "queued.max.messages.kbytes": 2 * MAX_MESSAGE_BYTES // 1024,
            "partition.assignment.strategy": "range",
            "error_cb": _refusal_logger(settings),
        },
        logger=client_logger(),
    )
