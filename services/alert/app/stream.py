"""The faust app: an agent on transients-v1 and the heartbeat timer."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import NoReturn, Protocol

import faust

from runtime.kafka import InMessage, create_ssl_context
from runtime.settings import KafkaSettings
from schemas.topics import Topics
from services.alert.app.handing_over import at_once

__all__ = ["SESSION_TIMEOUT_S", "EventQueue", "build_app"]

# A member without instance_id that was killed keeps its partitions for this time: the least that
# Kafka takes, whatever LIVETRAP_KAFKA__SESSION_TIMEOUT_S says, because who stands by has to wait.
SESSION_TIMEOUT_S = 6.0

_DAY_S = 86_400.0
# Work of about a second: a batch that is lost with its process is soon repeated.
_BATCH = 200
# A client with events that nobody has taken yet asks for no others for so long.
_UNTAKEN_S = 60.0
_StreamEvent = tuple["faust.Stream[bytes]", faust.Event]


class EventQueue:
    """Events that the agent has read, handled in batches: many cost hardly more than one."""

    def __init__(self) -> None:
        self._events: asyncio.Queue[tuple[faust.Stream[bytes], faust.Event]] = asyncio.Queue(
            _BATCH
        )

    async def read(self, stream: "faust.Stream[bytes]") -> None:
        """Read ahead while a batch is handled, at most one batch: the body of the agent."""
        # Acknowledged explicitly: faust would do so for an event whose handling was cancelled.
        manual = stream.noack()
        async for event in manual.events():
            await self._events.put((manual, event))

    async def run(self, on_events: Callable[[list[InMessage]], Awaitable[None]]) -> NoReturn:
        """Handle what has arrived, in order; acknowledge it when `on_events` returns."""
        while True:
            batch = [await self._events.get()]
            while len(batch) < _BATCH and not self._events.empty():
                batch.append(self._events.get_nowait())
            await on_events([_to_message(event) for _, event in batch])
            for stream, event in batch:
                await stream.ack(event)


class _Cluster(Protocol):
    """What the assignor of faust asks of the metadata of a cluster."""

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        """Return the numbers of the partitions; None or empty for an unknown topic."""


class _KnownTopic:
    """Metadata of a broker that has the topic of events, even if the broker has just started.

    Until it has read its own log its answers may lack topics, and a group that is made then would
    give none of its members anything to read, for as long as the members stay.
    """

    def __init__(self, cluster: _Cluster, topic: str, n_partitions: int) -> None:
        self._cluster, self._topic, self._n_partitions = cluster, topic, n_partitions

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        """Return what the broker says, and what was known where it knows nothing."""
        found = self._cluster.partitions_for_topic(topic)
        if not found and topic == self._topic:
            return set(range(self._n_partitions))
        return found


def build_app(
    settings: KafkaSettings,
    *,
    group: str,
    data_dir: Path,
    events: EventQueue,
    n_partitions: int,
    heartbeat: Callable[[], None],
) -> faust.App:
    """Return the app, not started.

    Parameters
    ----------
    settings : KafkaSettings
        Where Kafka is.
    group : str
        Consumer group without the prefix of the installation.
    data_dir : Path
        Where faust may write.
    events : EventQueue
        Gets the events.
    n_partitions : int
        How many partitions the topic of events has.
    heartbeat : callable
        Called once a second.
    """
    app = faust.App(
        settings.topic_prefix + group,
        broker=[f"kafka://{address}" for address in settings.bootstrap_servers.split(",")],
        broker_credentials=_credentials(settings),
        broker_session_timeout=SESSION_TIMEOUT_S,
        broker_heartbeat_interval=2.0,
        broker_commit_interval=1.0,
        # A wait for the database is no reason to leave the group or to warn, and a stop does
        # not wait for the current events: they are not acknowledged and come again.
        broker_max_poll_interval=_DAY_S,
        stream_processing_timeout=_DAY_S,
        broker_commit_livelock_soft_timeout=_DAY_S,
        stream_wait_empty=False,
        consumer_auto_offset_reset="earliest",
        consumer_group_instance_id=settings.instance_id and f"{group}-{settings.instance_id}",
        datadir=data_dir,
        store="memory://",
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
    )
    topic = app.topic(
        Topics(settings.topic_prefix).transients,
        key_type=bytes,
        value_type=bytes,
        key_serializer="raw",
        value_serializer="raw",
    )
    app.agent(topic, name="alert")(events.read)
    assign = app.assignor.assign
    app.assignor.assign = lambda cluster, members: assign(
        _KnownTopic(cluster, Topics(settings.topic_prefix).transients, n_partitions), members
    )

    async def send_heartbeat() -> None:
        heartbeat()

    app.timer(1.0, name="heartbeat")(send_heartbeat)
    app.on_partitions_assigned.connect(_ask_for_all_or_none)
    app.on_partitions_assigned.connect(_hand_over_at_once)
    return app


async def _ask_for_all_or_none(app: faust.App, _assigned: object, **_: object) -> None:
    """Let the client ask for events of all its partitions, or of none.

    By itself it asks for those of the others when the events of one have waited for 0.1 s, as in
    a burst. The broker answers that after 1.5 s if they have none, and until then the partition
    that has more is not asked for.
    """
    fetcher = app.consumer._thread._consumer._fetcher  # noqa: SLF001  (no setting has it)
    fetcher._prefetch_backoff = _UNTAKEN_S  # noqa: SLF001


async def _hand_over_at_once(app: faust.App, _assigned: object, **_: object) -> None:
    """Let the consumer hand an event over without four tasks, if somebody has room for it."""
    consumer = app.consumer
    consumer.wait_first = at_once(partial(type(consumer).wait_first, consumer))


def _to_message(event: faust.Event) -> InMessage:
    message = event.message
    headers = message.headers or {}
    pairs = headers.items() if isinstance(headers, dict) else headers
    return InMessage(
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        key=message.key or b"",
        value=message.value or b"",
        headers={str(name): _to_text(value) for name, value in pairs},
    )


def _to_text(value: bytes | str | None) -> str:
    """Return the value of a header; producers may write anything."""
    return value if isinstance(value, str) else bytes(value or b"").decode("utf-8", "replace")


def _credentials(
    settings: KafkaSettings,
) -> faust.SASLCredentials | faust.SSLCredentials | None:
    if settings.security_protocol == "plaintext":
        return None
    context = create_ssl_context(settings) if settings.uses_ssl else None
    if not settings.uses_sasl:
        return faust.SSLCredentials(context)
    password = settings.sasl_password
    return faust.SASLCredentials(
        username=settings.sasl_username,
        password=password and password.get_secret_value(),
        ssl_context=context,
        mechanism=settings.sasl_mechanism,
    )
