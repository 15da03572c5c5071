"""Dead letters: read them, describe them, send them back to their topics."""

import uuid
from collections.abc import Iterable

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition

from livetrap.database.printable import to_printable
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
from runtime.settings import KafkaSettings
from schemas.topics import Topics

__all__ = ["describe", "find_one", "read_all", "redrive", "render"]

_TIMEOUT_S = 10.0
# Added by the service that rejected the message; not part of the original.
_ADDED_HEADERS = frozenset({"topic", "partition", "offset", "service", "reason", "error", "time"})
# Of a dead letter that was too large for Kafka.
_INCOMPLETE_HEADERS = frozenset({"truncated-from", "value-cut", "key-cut", "headers-omitted"})


def read_all(kafka: KafkaSettings) -> list[InMessage]:
    """Return every dead letter that its topic still has, oldest first.

    Raises
    ------
    TransientError
        If the broker is unavailable or refuses the login.
    """
    fetch_cluster_id(kafka)  # a clearer error than a consumer's
    topic = Topics(kafka.topic_prefix).dead_letters
    consumer = create_consumer(kafka, group=f"cli-{uuid.uuid4().hex}", commits_to_kafka=False)
    try:
        ends = _ends(consumer, topic, kafka)
        consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in ends])
        dead_letters = list(_read_until(consumer, ends))
    except KafkaException as error:
        reason = error.args[0].str()
        raise TransientError(
            f"Kafka at {kafka.bootstrap_servers} is unavailable: {reason}"
        ) from error
    finally:
        consumer.close()
    return sorted(dead_letters, key=lambda letter: letter.headers.get("time", ""))


def find_one(kafka: KafkaSettings, position: str) -> InMessage:
    """Return the dead letter at ``partition:offset``.

    Raises
    ------
    SettingsError
        If there is none.
    """
    for letter in read_all(kafka):
        if _position(letter) == position:
            return letter
    raise SettingsError(f"no dead letter at {position}; `livetrap dead-letters list` lists them")


def describe(letter: InMessage) -> dict[str, str | int]:
    """Return the position, origin, reason and size of a dead letter."""
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
    return "\n".join(to_printable("  ".join(str(item[name]) for name in names)) for item in found)


def redrive(kafka: KafkaSettings, dead_letters: list[InMessage]) -> int:
    """Send dead letters back to the topics they came from, unchanged.

    Parameters
    ----------
    kafka : KafkaSettings
        Where the broker is.
    dead_letters : list of InMessage
        They stay in their own topic until its retention ends.

    Returns
    -------
    int
        How many were sent.

    Raises
    ------
    PipelineError
        If one has no topic or only a part of its bytes, or the broker does not take it.
    """
    messages = [_original(letter) for letter in dead_letters]
    produce_and_wait(create_producer(kafka), messages)
    return len(messages)


def _original(letter: InMessage) -> OutMessage:
    """Return the message as it was before it was rejected."""
    topic = letter.headers.get("topic")
    if not topic:
        raise PipelineError(
            f"dead letter {_position(letter)} has no header `topic`; send it yourself"
        )
    if _INCOMPLETE_HEADERS & set(letter.headers):
        raise PipelineError(
            f"dead letter {_position(letter)} lacks a part of the message; "
            f"ingest {letter.headers.get('file', 'the image')} again"
        )
    headers = {name: value for name, value in letter.headers.items() if name not in _ADDED_HEADERS}
    return OutMessage(topic, letter.key, letter.value, headers)


def _position(letter: InMessage) -> str:
    return f"{letter.partition}:{letter.offset}"


def _ends(consumer: Consumer, topic: str, kafka: KafkaSettings) -> dict[int, int]:
    """Return the end of each partition that has a message."""
    metadata = consumer.list_topics(topic, timeout=_TIMEOUT_S).topics[topic]
    if metadata.error is not None:
        raise PipelineError(
            f"no topic {topic} at {kafka.bootstrap_servers}; check "
            "LIVETRAP_KAFKA__BOOTSTRAP_SERVERS and LIVETRAP_KAFKA__TOPIC_PREFIX"
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
    """Yield the messages before these ends."""
    waiting = dict(ends)
    while waiting:
        batch = consume_batch(consumer, limit=100, timeout_s=_TIMEOUT_S)
        if not batch:
            raise TransientError(
                "Kafka stopped answering while the dead letters were read; try again"
            )
        for letter in batch:
            if letter.offset < ends[letter.partition]:
                yield letter
            if letter.offset + 1 >= ends[letter.partition]:
                waiting.pop(letter.partition, None)
