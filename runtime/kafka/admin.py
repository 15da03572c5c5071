"""The cluster's identity, and the topics on it."""

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from runtime.errors import FatalError, TransientError
from runtime.kafka.clients import MAX_MESSAGE_BYTES, client_logger, common_config
from runtime.settings import KafkaSettings
from schemas.topics import Topics

__all__ = ["ensure_topics", "fetch_cluster_id"]


def fetch_cluster_id(settings: KafkaSettings, *, timeout_s: float = 10.0) -> str:
    """Return the broker's cluster id; offsets of another cluster mean nothing here.

    Raises
    ------
    TransientError
        If the broker is away.
    """
    try:
        metadata = AdminClient(common_config(settings), logger=client_logger()).list_topics(
            timeout=timeout_s
        )
    except KafkaException as error:
        raise TransientError(f"Kafka at {settings.bootstrap_servers} is away: {error}") from error
    return str(metadata.cluster_id)


def ensure_topics(settings: KafkaSettings) -> None:
    """Create the topics that are missing; safe to run twice, also at once.

    Raises
    ------
    TransientError
        If the broker is away.
    FatalError
        If it refuses a topic.
    """
    admin = AdminClient(common_config(settings), logger=client_logger())
    topics = Topics(settings.topic_prefix)
    try:
        existing = admin.list_topics(timeout=10).topics
    except KafkaException as error:
        raise TransientError(f"Kafka at {settings.bootstrap_servers} is away: {error}") from error
    missing = [_new_topic(name, settings, topics) for name in topics.all() if name not in existing]
    if not missing:
        return
    for name, future in admin.create_topics(missing).items():
        try:
            future.result(timeout=30)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise FatalError(f"Kafka refuses to create topic {name}: {error}") from error


def _new_topic(name: str, settings: KafkaSettings, topics: Topics) -> NewTopic:
    single = {topics.alerts_voevent, topics.alerts_gcn, topics.heartbeat}
    retention_ms = int(settings.retention_hours * 3_600_000)
    if name == topics.heartbeat:
        retention_ms = 600_000
    segment_bytes = max(1 << 20, min(1 << 28, settings.retention_bytes // 4))
    return NewTopic(
        name,
        num_partitions=1 if name in single else settings.partitions,
        replication_factor=settings.replication_factor,
        config={
            "max.message.bytes": str(MAX_MESSAGE_BYTES),
            "retention.ms": str(retention_ms),
            "retention.bytes": str(settings.retention_bytes),
            "segment.bytes": str(segment_bytes),
            "compression.type": "producer",
            # Latency counts from the broker's clock, whatever the telescope's says.
            "message.timestamp.type": "LogAppendTime",
        },
    )
