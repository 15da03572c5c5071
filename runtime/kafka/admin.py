"""The identity of the cluster, and its topics."""

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._metadata import ClusterMetadata
from confluent_kafka.cimpl import NewTopic

from runtime.errors import FatalError, TransientError
from runtime.kafka.clients import MAX_MESSAGE_BYTES
from runtime.kafka.connection import common_config
from runtime.kafka.identity import check_cluster_id
from runtime.kafka.security import describe_refusal, without_duration
from runtime.settings import KafkaSettings
from schemas.topics import Topics

__all__ = ["ensure_alert_topic", "ensure_topics", "fetch_cluster_id"]

_UNREACHABLE = frozenset(
    {KafkaError._TRANSPORT, KafkaError._RESOLVE}  # noqa: SLF001  (librdkafka's names)
)


def fetch_cluster_id(settings: KafkaSettings, *, timeout_s: float = 10.0) -> str:
    """Return the id of the cluster; offsets are valid in one cluster only.

    Raises
    ------
    TransientError
        If the broker is unavailable or refuses the login.
    FatalError
        If it belongs to another cluster than the settings say.
    """
    return str(_connect(settings, timeout_s)[1].cluster_id)


def ensure_topics(settings: KafkaSettings) -> None:
    """Create the topics that are missing; safe to run twice, also at once.

    Raises
    ------
    TransientError
        If the broker is unavailable or refuses the login.
    FatalError
        If it refuses a topic, or belongs to another cluster than the settings say.
    """
    admin, metadata = _connect(settings, timeout_s=10.0)
    topics = Topics(settings.topic_prefix)
    missing = [
        _new_topic(name, settings, topics) for name in topics.all() if name not in metadata.topics
    ]
    if missing:
        _create(admin, missing)


def _create(admin: AdminClient, missing: list[NewTopic]) -> None:
    for name, future in admin.create_topics(missing).items():
        try:
            future.result(timeout=30)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise FatalError(f"Kafka refuses to create topic {name}: {error}") from error


def ensure_alert_topic(settings: KafkaSettings, name: str) -> None:
    """Create the topic of one subscription, if it is missing; errors as of `ensure_topics`."""
    admin, metadata = _connect(settings, timeout_s=10.0)
    if name not in metadata.topics:
        _create(admin, [_new_topic(name, settings, Topics(settings.topic_prefix), is_single=True)])


def _connect(settings: KafkaSettings, timeout_s: float) -> tuple[AdminClient, ClusterMetadata]:
    """Return a client and the metadata of the cluster; wait for the broker up to the timeout.

    A refused login is a `TransientError` too, with its own text: the broker's operator may
    create the user or restore the right while we wait.
    """
    errors: list[KafkaError] = []
    # log_level 0: the errors are in the exception.
    admin = AdminClient(common_config(settings) | {"log_level": 0}, error_cb=errors.append)
    try:
        metadata = admin.list_topics(timeout=timeout_s)
    except KafkaException as error:
        admin.poll(0)  # calls error_cb
        raise TransientError(_describe_failure(settings, errors)) from error
    check_cluster_id(settings, metadata.cluster_id)
    return admin, metadata


def _describe_failure(settings: KafkaSettings, errors: list[KafkaError]) -> str:
    """Return why the broker does not answer; the same cause gives the same text."""
    refusals = [reason for each in errors if (reason := describe_refusal(settings, each))]
    if refusals:
        return min(refusals)
    where = f"Kafka at {settings.bootstrap_servers}"
    unreachable = [each.str() for each in errors if each.code() in _UNREACHABLE]
    if unreachable:
        return f"{where} is unavailable: {without_duration(min(unreachable))}"
    # A broker that expects TLS or a login closes the connection without an error.
    return (
        f"{where} does not answer; check that it expects LIVETRAP_KAFKA__SECURITY_PROTOCOL="
        f"{settings.security_protocol}"
    )


def _new_topic(
    name: str, settings: KafkaSettings, topics: Topics, *, is_single: bool = False
) -> NewTopic:
    single = {topics.alerts_voevent, topics.alerts_gcn, topics.alerts_avro, topics.heartbeat}
    retention_ms = int(settings.retention_hours * 3_600_000)
    if name == topics.heartbeat:
        retention_ms = 600_000
    segment_bytes = max(1 << 20, min(1 << 28, settings.retention_bytes // 4))
    return NewTopic(
        name,
        num_partitions=1 if is_single or name in single else settings.partitions,
        replication_factor=settings.replication_factor,
        config={
            "max.message.bytes": str(MAX_MESSAGE_BYTES),
            "retention.ms": str(retention_ms),
            "retention.bytes": str(settings.retention_bytes),
            "segment.bytes": str(segment_bytes),
            "compression.type": "producer",
            # Latency counts from the broker's clock, not from the telescope's.
            "message.timestamp.type": "LogAppendTime",
        },
    )
