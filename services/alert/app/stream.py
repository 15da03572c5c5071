"""The faust app: an agent on transients-v1 and a heartbeat."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import faust

from runtime.kafka import InMessage, create_ssl_context
from runtime.settings import KafkaSettings
from schemas.topics import Topics
from services.alert.app.batches import in_batches

__all__ = ["build_app"]

_DAY_S = 86_400.0
# A second's work at most: a lost batch is soon done again.
_MOST_AT_ONCE = 200


def build_app(
    settings: KafkaSettings,
    *,
    group: str,
    data_dir: Path,
    on_events: Callable[[list[InMessage]], Awaitable[None]],
    on_failure: Callable[[BaseException], None],
    beat: Callable[[], None],
) -> faust.App:
    """Return the app, not started.

    Parameters
    ----------
    settings : KafkaSettings
        Where Kafka is.
    group : str
        Consumer group without the installation's prefix.
    data_dir : Path
        Where faust may write.
    on_events : callable
        Gets what waits; returns when all of it is done: only then offsets are committed.
    on_failure : callable
        Called when `on_events` raised; the events stay uncommitted and nothing follows them.
    beat : callable
        Called once a second.
    """
    app = faust.App(
        settings.topic_prefix + group,
        broker=[f"kafka://{address}" for address in settings.bootstrap_servers.split(",")],
        broker_credentials=_credentials(settings),
        # A nameless member that was killed holds its partitions until this has passed.
        broker_session_timeout=6.0,
        broker_heartbeat_interval=1.0,
        broker_commit_interval=0.5,
        # To wait for a database is no reason to be thrown out or complained about, and a
        # stop does not wait for it: what is in hand is not acknowledged and comes again.
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

    async def alert(stream: faust.Stream[bytes]) -> None:
        # By hand: faust's own acknowledgement also comes when the loop is broken off.
        manual = stream.noack()
        async for events in in_batches(manual.events(), most=_MOST_AT_ONCE):
            try:
                await on_events([_to_message(event) for event in events])
            except Exception as error:  # noqa: BLE001  (whatever it is: go no further)
                on_failure(error)
                await asyncio.Event().wait()
            for event in events:
                await manual.ack(event)

    app.agent(topic, name="alert")(alert)

    async def heartbeat() -> None:
        beat()

    app.timer(1.0, name="heartbeat")(heartbeat)
    return app


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
        headers={name: (value or b"").decode("utf-8", "replace") for name, value in pairs},
    )


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
