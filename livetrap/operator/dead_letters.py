"""Dead letters for an operator: read, describe and send back what could not be processed."""

import uuid
from collections.abc import Iterable

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition

from runtime.errors import PipelineError, SettingsError, TransientError
from runtime.kafka import (
    InMessage,
    OutMessage,
    consume_batch,
    create_consumer,
    create_producer,
    fetch_cluster_id,
    produce_and_wait,
)
from runtime.settings import KafkaSettings, load_settings
from schemas.topics import Topics

__all__ = ["describe", "find_one", "open_kafka", "read_all", "redrive", "render"]

_TIMEOUT_S = 10.0
# Added by whoever gave up on the message; not part of the original.
_VERDICT_HEADERS = frozenset(
    {"topic", "partition", "offset", "service", "reason", "error", "time"}
)


def open_kafka() -> KafkaSettings:
    """Return where the broker is, by the effective settings."""
    return load_settings().kafka


def read_all(kafka: KafkaSettings) -> list[InMessage]:
    """Return every dead letter still kept, oldest first.

    Raises
    ------
    TransientError
        If the broker is away or does not let us in.
    """
    fetch_cluster_id(kafka)  # tells more about what is wrong than a consumer
    topic = Topics(kafka.topic_prefix).dead_letters
    consumer = create_consumer(kafka, group=f"cli-{uuid.uuid4().hex}", commits_to_kafka=False)
    try:
        ends = _ends(consumer, topic, kafka)
        consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in ends])
        dead_letters = list(_read_until(consumer, ends))
    except KafkaException as error:
        raise TransientError(f"Kafka at {kafka.bootstrap_servers} is away: {error}") from error
    finally:
        consumer.close()
    return sorted(dead_letters, key=lambda letter: letter.headers.get("time", ""))


def find_one(kafka: KafkaSettings, position: str) -> InMessage:
    """Return the dead letter at ``partition:offset``.

    Raises
    ------
    SettingsError
        If nothing is kept there.
    """
    for letter in read_all(kafka):
        if _position(letter) == position:
            return letter
    raise SettingsError(f"no dead letter at {position}; `livetrap dead-letters list` shows them")


def describe(letter: InMessage) -> dict[str, str | int]:
    """Return what an operator wants to know about a dead letter."""
    headers = letter.headers
    source = [headers.get(name, "?") for name in ("topic", "partition", "offset")]
    return {
        "position": _position(letter),
        "time": headers.get("time", ""),
        "service": headers.get("service", ""),
        "reason": headers.get("reason", ""),
        "error": headers.get("error", ""),
        "source": ":".join(source),
        "size_bytes": len(letter.value),
    }


def render(found: list[dict[str, str | int]]) -> str:
    """Return one line a dead letter."""
    if not found:
        return "no dead letters"
    names = ("position", "time", "service", "reason", "error")
    return "\n".join("  ".join(str(item[name]) for name in names) for item in found)


def redrive(kafka: KafkaSettings, dead_letters: list[InMessage]) -> int:
    """Send dead letters back to where they came from, as they were.

    Parameters
    ----------
    kafka : KafkaSettings
        Where the broker is.
    dead_letters : list of InMessage
        Dead dead_letters; they stay in their topic until retention takes them.

    Returns
    -------
    int
        How many were sent.

    Raises
    ------
    PipelineError
        If one does not say where it came from, or the broker does not take it.
    """
    messages = [_original(letter) for letter in dead_letters]
    produce_and_wait(create_producer(kafka), messages)
    return len(messages)


def _original(letter: InMessage) -> OutMessage:
    """Return the message as it was before somebody gave up on it."""
    topic = letter.headers.get("topic")
    if not topic:
        raise PipelineError(f"dead letter {_position(letter)} does not say which topic it is of")
    if "truncated-from" in letter.headers:
        raise PipelineError(
            f"dead letter {_position(letter)} holds only the head of "
            f"{letter.headers.get('file', 'a file')}; ingest the file again"
        )
    headers = {
        name: value for name, value in letter.headers.items() if name not in _VERDICT_HEADERS
    }
    return OutMessage(topic, letter.key, letter.value, headers)


def _position(letter: InMessage) -> str:
    return f"{letter.partition}:{letter.offset}"


def _ends(consumer: Consumer, topic: str, kafka: KafkaSettings) -> dict[int, int]:
    """Return the end of each partition that keeps a message."""
    metadata = consumer.list_topics(topic, timeout=_TIMEOUT_S).topics[topic]
    if metadata.error is not None:
        raise PipelineError(
            f"no topic {topic} at {kafka.bootstrap_servers}; is this the right broker?"
        )
    ends = {}
    for number in metadata.partitions:
        low, high = consumer.get_watermark_offsets(
            TopicPartition(topic, number), timeout=_TIMEOUT_S
        )
        if high > low:
            ends[number] = high
    return ends


def _read_until(consumer: Consumer, ends: dict[int, int]) -> Iterable[InMessage]:
    """Give the messages before these ends."""
    waiting = dict(ends)
    while waiting:
        batch = consume_batch(consumer, limit=100, timeout_s=_TIMEOUT_S)
        if not batch:
            raise TransientError("Kafka stopped answering while the dead letters were read")
        for letter in batch:
            if letter.offset < ends[letter.partition]:
                yield letter
            if letter.offset + 1 >= ends[letter.partition]:
                waiting.pop(letter.partition, None)
