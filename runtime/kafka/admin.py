"""The identity of the cluster, and its topics."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource
from confluent_kafka.admin._metadata import ClusterMetadata
from confluent_kafka.admin._resource import ResourceType
from confluent_kafka.cimpl import NewTopic

from runtime.errors import FatalError, TransientError
from runtime.kafka.clients import MAX_MESSAGE_BYTES
from runtime.kafka.connection import common_config
from runtime.kafka.identity import check_cluster_id
from runtime.kafka.security import describe_refusal, without_duration
from runtime.logging import get_logger
from runtime.settings import KafkaSettings
from schemas.topics import Topics

__all__ = [
    "KafkaProbe",
    "compare_topics",
    "delete_topics",
    "ensure_alert_topic",
    "ensure_topics",
    "fence_config",
    "fence_topics",
    "fetch_cluster_id",
    "fetch_retention_bytes",
]

_UNREACHABLE = frozenset(
    {KafkaError._TRANSPORT, KafkaError._RESOLVE}  # noqa: SLF001  (librdkafka's names)
)
# A topic is not known to every broker in the moment in which it was made.
_PASSING = _UNREACHABLE | {
    KafkaError._TIMED_OUT,  # noqa: SLF001  (the same)
    KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001  (the same)
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_CONTROLLER,
    KafkaError.REQUEST_TIMED_OUT,
}
_ANSWER_S = 10.0
# What a difference costs: images that are too large, too old, or lost with one broker.
_COMPARED = ("max.message.bytes", "retention.ms", "retention.bytes", "min.insync.replicas")


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
        If it refuses a topic, belongs to another cluster than the settings say, or images and
        forced requests have different numbers of partitions.
    """
    admin, metadata = _connect(settings, timeout_s=10.0)
    topics = Topics(settings.topic_prefix)
    _check_partitions(topics, metadata)
    missing = [
        _new_topic(name, settings, topics) for name in topics.all() if name not in metadata.topics
    ]
    images = metadata.topics.get(topics.images)
    for each in missing:
        # Equal keys are to come to one extractor.
        if each.topic in (topics.forced_requests, topics.stamp_requests) and images is not None:
            each.num_partitions = len(images.partitions)
    if missing:
        _create(admin, missing)


def fence_config(longest_s: float) -> dict[str, str]:
    """Return what a topic needs to refuse messages whose own time is too long ago.

    Parameters
    ----------
    longest_s : float
        From the time of a message to its arrival [s].
    """
    return {
        "message.timestamp.type": "CreateTime",
        "message.timestamp.before.max.ms": str(int(1000 * longest_s)),
    }


def fence_topics(settings: KafkaSettings, names: Sequence[str], *, longest_s: float) -> bool:
    """Let the broker refuse messages of some topics whose own time is too long ago.

    Parameters
    ----------
    settings : KafkaSettings
        Where the broker is.
    names : sequence of str
        Topics that exist.
    longest_s : float
        From the time of a message to its arrival [s].

    Returns
    -------
    bool
        False if the broker does not allow it, or is older than Kafka 3.6; the log says why.

    Raises
    ------
    TransientError
        If the broker is unavailable, refuses the login, or does not know a new topic yet.
    FatalError
        If it belongs to another cluster than the settings say.
    """
    admin, _ = _connect(settings, timeout_s=_ANSWER_S)
    wanted = fence_config(longest_s)
    try:
        resources = [ConfigResource(ResourceType.TOPIC, name) for name in names]
        for resource, described in admin.describe_configs(resources).items():
            found = described.result(timeout=_ANSWER_S)
            if any(name not in found or found[name].value != wanted[name] for name in wanted):
                _alter(admin, resource.name, wanted)
    except TimeoutError as error:
        raise TransientError(f"Kafka does not answer within {_ANSWER_S:g} s") from error
    except KafkaException as error:
        if error.args[0].code() in _PASSING:
            raise TransientError(f"Kafka does not fence the alert topics: {error}") from error
        get_logger().warning("topics_not_fenced", topics=list(names), error=str(error))
        return False
    return True


def _alter(admin: AdminClient, topic: str, values: Mapping[str, str]) -> None:
    entries = [
        ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
        for name, value in values.items()
    ]
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=entries)
    for altered in admin.incremental_alter_configs([resource]).values():
        altered.result(timeout=_ANSWER_S)


def _check_partitions(topics: Topics, metadata: ClusterMetadata) -> None:
    """Refuse topics whose equal keys would not come to one extractor (assignment by range)."""
    pair = (topics.images, topics.forced_requests)
    counts = [len(metadata.topics[name].partitions) for name in pair if name in metadata.topics]
    if len(set(counts)) > 1:
        raise FatalError(
            f"Kafka topics {pair[0]} and {pair[1]} have {counts[0]} and {counts[1]} partitions; "
            "give both as many (kafka-topics --alter --partitions, which only adds)"
        )


def compare_topics(settings: KafkaSettings) -> list[str]:
    """Return how topics that exist differ from the settings; each is logged as a warning.

    Topics keep what they were created with: a changed setting changes none of them.

    Raises
    ------
    TransientError
        If the broker is unavailable or refuses the login.
    FatalError
        If it belongs to another cluster than the settings say.
    """
    admin, metadata = _connect(settings, timeout_s=10.0)
    topics = Topics(settings.topic_prefix)
    wanted = [
        _new_topic(name, settings, topics) for name in topics.all() if name in metadata.topics
    ]
    resources = [ConfigResource(ResourceType.TOPIC, each.topic) for each in wanted]
    found = admin.describe_configs(resources) if resources else {}
    differences = []
    for each, resource in zip(wanted, resources, strict=True):
        n_partitions = len(metadata.topics[each.topic].partitions)
        if n_partitions != each.num_partitions:
            differences.append(
                f"{each.topic} has {n_partitions} partitions, LIVETRAP_KAFKA__PARTITIONS asks "
                f"for {each.num_partitions}"
            )
        differences += _differences(each, _entries_of(each.topic, found[resource]))
    for line in differences:
        get_logger().warning("topic_differs", difference=line)
    return differences


def fetch_retention_bytes(settings: KafkaSettings, names: Sequence[str]) -> dict[str, int]:
    """Return what a partition of each topic keeps; where Kafka does not tell, as the settings say.

    Parameters
    ----------
    settings : KafkaSettings
        Where the broker is.
    names : sequence of str
        Topics that exist; they keep what they were created with, or what was set at them since.

    Returns
    -------
    dict of str to int
        By topic; negative: any number [byte].

    Raises
    ------
    TransientError
        If the broker is unavailable or refuses the login.
    FatalError
        If it belongs to another cluster than the settings say.
    """
    admin, _ = _connect(settings, timeout_s=_ANSWER_S)
    kept = dict.fromkeys(names, settings.retention_bytes)
    resources = [ConfigResource(ResourceType.TOPIC, name) for name in names]
    for resource, described in admin.describe_configs(resources).items():
        entry = _entries_of(resource.name, described).get("retention.bytes")
        if entry is not None and entry.value is not None:
            kept[resource.name] = int(entry.value)
    return kept


def _entries_of(topic: str, described: Future[dict[str, ConfigEntry]]) -> dict[str, ConfigEntry]:
    """Return the values of a topic; none if Kafka does not tell them to this login."""
    try:
        return described.result(timeout=_ANSWER_S)
    except TimeoutError as error:
        raise TransientError(f"Kafka does not answer within {_ANSWER_S:g} s") from error
    except KafkaException as error:
        get_logger().info("topic_not_described", topic=topic, error=str(error))
        return {}


def _differences(wanted: NewTopic, entries: dict[str, ConfigEntry]) -> list[str]:
    return [
        f"{wanted.topic} has {name}={entries[name].value}, the settings ask for {value}"
        for name, value in (wanted.config or {}).items()
        if name in _COMPARED and name in entries and entries[name].value != value
    ]


class KafkaProbe:
    """Asks whether the broker answers; for the readiness of a process.

    Parameters
    ----------
    settings : KafkaSettings
        Where the broker is.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._admin: AdminClient | None = None

    def check(self, timeout_s: float) -> str | None:
        """Return why the broker cannot be used; None if it answers.

        Parameters
        ----------
        timeout_s : float
            Time for an answer [s].
        """
        if self._admin is None:
            self._admin = AdminClient(common_config(self._settings) | {"log_level": 0})
        try:
            self._admin.list_topics(
                topic=Topics(self._settings.topic_prefix).heartbeat, timeout=timeout_s
            )
        except KafkaException as error:
            where = self._settings.bootstrap_servers
            # It may have lost its brokers for good (`runtime.kafka.membership`).
            self._admin = None
            return f"Kafka at {where} does not answer: {error.args[0].str()}"
        return None


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


def delete_topics(settings: KafkaSettings, names: Sequence[str]) -> None:
    """Delete topics; those that do not exist are deleted already.

    Raises
    ------
    TransientError
        If the broker is away or refuses; some may be deleted.
    FatalError
        If it belongs to another cluster than the settings say.
    """
    admin, metadata = _connect(settings, timeout_s=_ANSWER_S)
    there = [name for name in names if name in metadata.topics]
    if not there:
        return
    for name, future in admin.delete_topics(there, operation_timeout=_ANSWER_S).items():
        try:
            future.result(timeout=2 * _ANSWER_S)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise TransientError(f"Kafka does not delete topic {name}: {error}") from error


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
    single = {*topics.alerts(), topics.heartbeat}
    retention_ms, retention_bytes = _retention_of(name, settings, topics)
    segment_bytes = max(1 << 20, min(1 << 28, retention_bytes // 4))
    return NewTopic(
        name,
        num_partitions=1 if is_single or name in single else settings.partitions,
        replication_factor=settings.replication_factor,
        config={
            "max.message.bytes": str(MAX_MESSAGE_BYTES),
            "retention.ms": str(retention_ms),
            "retention.bytes": str(retention_bytes),
            "segment.bytes": str(segment_bytes),
            # With three copies one broker may be away, and a result that Kafka took has two.
            "min.insync.replicas": str(2 if settings.replication_factor >= 3 else 1),
            "compression.type": "producer",
            # Latency counts from the broker's clock, not from the telescope's.
            "message.timestamp.type": "LogAppendTime",
        },
    )


def _retention_of(name: str, settings: KafkaSettings, topics: Topics) -> tuple[int, int]:
    """Return how long a topic keeps messages [ms], and how much of them a partition [byte]."""
    hours, n_bytes = settings.retention_hours, settings.retention_bytes
    if name == topics.dead_letters:
        hours, n_bytes = settings.dead_letter_hours, settings.dead_letter_bytes
    return 600_000 if name == topics.heartbeat else int(hours * 3_600_000), n_bytes
