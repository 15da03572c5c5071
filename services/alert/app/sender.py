"""Send alerts to Kafka, and find out which of them are there already."""

import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from confluent_kafka import KafkaError, KafkaException, Message, Producer, TopicPartition

from runtime.advisory_lock import FENCE_S
from runtime.dead_letters import DeadLetters
from runtime.errors import TransientError
from runtime.kafka import (
    BrokerClock,
    ClusterCheck,
    InMessage,
    LostMessages,
    OutMessage,
    create_consumer,
    create_producer,
    fence_topics,
    produce_and_wait,
)
from runtime.settings import KafkaSettings
from runtime.threads import run_in_thread
from schemas.topics import Topics
from services.alert.models import LowWatermark, StoredAlert

__all__ = ["KafkaSender"]

_TIMEOUT_S = 10.0
# Beyond librdkafka's own 120 s: the fate of a message is then settled, and its repetition
# never races a first attempt that still waits in the queue.
_SETTLED_S = 130.0
_MAX_HEARTBEATS_QUEUED = 5
# Alerts of a batch go in one request; the flush behind them lets none wait.
_LINGER_MS = 20


class KafkaSender:
    """Sends alerts with an idempotent producer; blocking calls run in threads.

    Parameters
    ----------
    settings : KafkaSettings
        Where Kafka is.
    group : str
        Consumer group of the service, whose lag `read_lag` returns.
    is_leader : callable
        Returns whether this process is the one that sends; asked before each alert.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        *,
        group: str,
        is_leader: Callable[[], bool] = lambda: True,
    ) -> None:
        self._is_leader = is_leader
        self._settings = settings
        self._clock = BrokerClock()
        self._topics = Topics(settings.topic_prefix)
        self._alert_topics = self._topics.alerts()
        self._producer: Producer = create_producer(settings, linger_ms=_LINGER_MS)
        # It never subscribes, so it is no member of the group.
        anonymous = settings.model_copy(update={"instance_id": None})
        self._reader = create_consumer(anonymous, group=group, commits_to_kafka=False)
        self._cluster = ClusterCheck(settings)
        self._lost: LostMessages | None = None
        self._ends: LowWatermark = {}  # unknown: topics are searched from their start

    def close(self) -> None:
        """Drop what is not acknowledged yet: the process ends and sends it after its restart."""
        self._producer.purge()

    async def fence(self, heartbeat: bytes) -> None:
        """Let Kafka refuse alerts that this process was allowed to send and sends much later.

        A process that stands still for long is replaced; when it goes on, what is in the queue
        of its client is too old. Their age is told by the broker's clock, which this process
        reads from its heartbeats.

        Raises
        ------
        TransientError
            If Kafka is away.
        """
        await run_in_thread(
            lambda: fence_topics(self._settings, self._alert_topics, longest_s=FENCE_S)
        )
        await run_in_thread(lambda: self._read_clock(heartbeat))

    def _read_clock(self, heartbeat: bytes) -> None:
        self.send_heartbeat(heartbeat)
        if self._producer.flush(_TIMEOUT_S):
            raise TransientError("Kafka is away: it does not take a heartbeat")

    async def read_ends(self) -> None:
        """Read the ends of the alert topics.

        Raises
        ------
        TransientError
            If Kafka is away.
        """
        self._ends = await run_in_thread(self._read_ends)

    async def count_partitions(self) -> int:
        """Return how many partitions the topic of events has.

        Raises
        ------
        TransientError
            If Kafka is away, or does not know the topic yet.
        """
        return await run_in_thread(self._count_partitions)

    def known_ends(self) -> LowWatermark:
        """Return the ends of the alert topics as they were read last: they only grow."""
        return self._ends

    async def find_sent(self, alerts: Sequence[StoredAlert]) -> dict[str, set[str]]:
        """Return by ivorn the alert topics that have an alert behind its low watermark.

        Raises
        ------
        TransientError
            If Kafka is away.
        """
        return await run_in_thread(lambda: self._find_sent(alerts))

    async def send(
        self, alerts: Sequence[StoredAlert], already: Mapping[str, Collection[str]]
    ) -> None:
        """Send each to the alert topics but those in `already`; return when acknowledged.

        Raises
        ------
        TransientError
            If Kafka did not acknowledge all; some may have arrived, none will arrive later.
        """
        messages = [
            message
            for alert in alerts
            for message in self._to_messages(alert)
            if message.topic not in already.get(alert.ivorn, ())
        ]
        if messages:
            await self._produce(messages)

    async def send_dead_letters(self, dead_letters: DeadLetters) -> None:
        """Send the dead letters that are pending; return when acknowledged.

        Raises
        ------
        FatalError
            If another cluster has taken the port.
        TransientError
            If Kafka did not acknowledge them.
        """
        await self.check_cluster()  # of records that are no events nothing was asked yet
        await run_in_thread(lambda: dead_letters.send(self._producer, timeout_s=_SETTLED_S))

    def send_heartbeat(self, value: bytes) -> None:
        """Queue a heartbeat, unless several wait already: nobody needs an old one."""
        if len(self._producer) < _MAX_HEARTBEATS_QUEUED:
            self._producer.produce(
                self._topics.heartbeat, value=value, on_delivery=self._on_heartbeat
            )
        self._producer.poll(0)

    def _on_heartbeat(self, error: KafkaError | None, delivered: Message) -> None:
        if error is None:
            self._clock.learn(delivered)

    async def read_lag(self) -> tuple[int, tuple[int, ...]]:
        """Return the number of events behind the committed offsets, and these offsets.

        Raises
        ------
        TransientError
            If Kafka is away.
        """
        return await run_in_thread(self._read_lag)

    async def check_cluster(self) -> None:
        """Return when what has come is known to be of this cluster.

        Raises
        ------
        FatalError
            If another cluster has taken the port.
        """
        if self._cluster.is_due:
            await run_in_thread(self._cluster.check)

    async def find_lost(self, messages: Sequence[InMessage]) -> list[InMessage]:
        """Return the events that Kafka deleted before these; at first also those before any.

        Raises
        ------
        TransientError
            If Kafka is away.
        """
        return await run_in_thread(lambda: list(self._find_lost(messages)))

    async def _produce(self, messages: list[OutMessage]) -> None:
        await run_in_thread(
            lambda: produce_and_wait(
                self._producer,
                messages,
                timeout_s=_SETTLED_S,
                may_send=self._is_leader,
                now_ms=self._clock.now_ms,
            )
        )

    def _to_messages(self, alert: StoredAlert) -> Iterator[OutMessage]:
        # Header names and values that hop-client and gcn-kafka expect.
        common: dict[str, str | bytes] = {
            "_id": uuid.uuid5(uuid.NAMESPACE_URL, alert.ivorn).bytes,
            "ivorn": alert.ivorn,
        }
        if alert.role == "test":
            common["_test"] = "true"
        key = alert.trig_id.encode()
        for topic, value, kind in (
            (self._topics.alerts_voevent, alert.voevent, "voevent"),
            (self._topics.alerts_gcn, alert.notice, "json"),
            (self._topics.alerts_avro, alert.avro_packet, "blob"),  # hop reads files alone as avro
        ):
            if value is None:
                continue
            yield OutMessage(topic, key, value, {"_format": kind, **common})

    def _count_partitions(self) -> int:
        try:
            return len(self._partitions(self._topics.transients))
        except KafkaException as error:
            raise TransientError(f"Kafka is away: {error}") from error

    def _partitions(self, topic: str) -> list[TopicPartition]:
        """Return the partitions of a topic; none would be taken for an empty one."""
        metadata = self._reader.list_topics(topic, timeout=_TIMEOUT_S).topics[topic]
        if not metadata.partitions:
            raise TransientError(f"the broker does not know {topic} yet")
        return [TopicPartition(topic, number) for number in sorted(metadata.partitions)]

    def _end(self, partition: TopicPartition) -> tuple[int, int]:
        low, high = self._reader.get_watermark_offsets(partition, timeout=_TIMEOUT_S)
        return int(low), int(high)

    def _read_ends(self) -> LowWatermark:
        try:
            return {
                f"{partition.topic}/{partition.partition}": self._end(partition)[1]
                for topic in self._alert_topics
                for partition in self._partitions(topic)
            }
        except KafkaException as error:
            raise TransientError(f"Kafka is away: {error}") from error

    def _find_sent(self, alerts: Sequence[StoredAlert]) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {alert.ivorn: set() for alert in alerts}
        try:
            for topic in self._alert_topics:
                for partition in self._partitions(topic):
                    for ivorn in self._read_ivorns(partition, [a.low_watermark for a in alerts]):
                        found.get(ivorn, set()).add(topic)
        except KafkaException as error:
            raise TransientError(f"Kafka is away: {error}") from error
        finally:
            self._reader.unassign()
        return found

    def _read_ivorns(
        self, partition: TopicPartition, watermarks: Sequence[LowWatermark]
    ) -> Iterator[str]:
        """Read one partition from the lowest watermark to its end."""
        low, high = self._end(partition)
        name = f"{partition.topic}/{partition.partition}"
        start = min((each.get(name, low) for each in watermarks), default=high)
        if not low <= start <= high:
            start = low  # the topic has deleted its oldest messages, or was created again
        if start == high:
            return
        self._reader.assign([TopicPartition(partition.topic, partition.partition, start)])
        at = start
        while at < high:
            message = self._reader.poll(_TIMEOUT_S)
            if message is None or message.error():
                raise TransientError(f"cannot read {partition.topic} from offset {at}")
            yield _ivorn_of(message)
            at = int(message.offset() or 0) + 1

    def _find_lost(self, messages: Sequence[InMessage]) -> Iterator[InMessage]:
        if self._lost is None:
            lost = LostMessages(self._reader)
            try:
                lost.on_assign(self._reader, self._partitions(self._topics.transients))
            except KafkaException as error:
                raise TransientError(f"Kafka is away: {error}") from error
            self._lost = lost
        yield from self._lost.at_start()
        for message in messages:
            yield from self._lost.before(message)

    def _read_lag(self) -> tuple[int, tuple[int, ...]]:
        try:
            committed = self._reader.committed(
                self._partitions(self._topics.transients), timeout=_TIMEOUT_S
            )
            lag = 0
            for partition in committed:
                low, high = self._end(partition)
                lag += high - max(low, partition.offset)  # negative: nothing was committed yet
        except KafkaException as error:
            raise TransientError(f"Kafka is away: {error}") from error
        return lag, tuple(partition.offset for partition in committed)


def _ivorn_of(message: Message) -> str:
    value = dict(message.headers() or []).get("ivorn")
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else ""
