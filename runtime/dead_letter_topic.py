"""The topic of dead letters: read it, describe them, send them back to their topics."""

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaException, TopicPartition

from runtime.errors import PipelineError, TransientError
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

__all__ = ["Redrive", "describe", "find_one", "read_newest", "redrive"]

_TIMEOUT_S = 10.0
# Added by the service that rejected the message; not part of the original.
_ADDED_HEADERS = frozenset({"topic", "partition", "offset", "service", "reason", "error", "time"})
# Of a dead letter that was too large for Kafka.
_INCOMPLETE_HEADERS = frozenset({"truncated-from", "value-cut", "key-cut", "headers-omitted"})


@dataclass(frozen=True, slots=True)
class Redrive:
    """What became of dead letters that were to be sent back.

    Parameters
    ----------
    n_sent : int
        How many were sent.
    refused : tuple of str
        Which were not, and why: a line each.
    """

    n_sent: int
    refused: tuple[str, ...]


def read_newest(kafka: KafkaSettings, *, limit: int | None = None) -> list[InMessage]:
    """Return the dead letters that their topic still has, oldest first.

    Parameters
    ----------
    kafka : KafkaSettings
        Where the broker is.
    limit : int or None
        So many of the newest; None: all.

    Raises
    ------
    TransientError
        If the broker is unavailable or refuses the login.
    """
    ranges = {}
    with _reader(kafka) as (consumer, topic):
        for number, (low, high) in _ranges(consumer, topic, kafka).items():
            ranges[number] = (low if limit is None else max(low, high - limit), high)
        found = _read(consumer, topic, ranges)
    found.sort(key=lambda letter: letter.headers.get("time", ""))
    return found if limit is None else found[-limit:]


def find_one(kafka: KafkaSettings, position: str) -> InMessage | None:
    """Return the dead letter at ``partition:offset``; None if there is none.

    Raises
    ------
    TransientError
        As of `read_newest`.
    """
    partition, _, offset = position.partition(":")
    if not (partition.isdecimal() and offset.isdecimal()):
        return None
    wanted = int(offset)
    with _reader(kafka) as (consumer, topic):
        low, high = _ranges(consumer, topic, kafka).get(int(partition), (0, 0))
        if not low <= wanted < high:
            return None
        found = _read(consumer, topic, {int(partition): (wanted, wanted + 1)})
    return next((letter for letter in found if letter.offset == wanted), None)


@contextmanager
def _reader(kafka: KafkaSettings) -> Iterator[tuple[Consumer, str]]:
    """Give a consumer for a block and the topic, and translate the client's errors."""
    fetch_cluster_id(kafka)  # a clearer error than a consumer's
    consumer = create_consumer(
        kafka, group=f"livetrap-cli-{uuid.uuid4().hex}", commits_to_kafka=False
    )
    try:
        yield consumer, Topics(kafka.topic_prefix).dead_letters
    except KafkaException as error:
        reason = error.args[0].str()
        raise TransientError(
            f"Kafka at {kafka.bootstrap_servers} is unavailable: {reason}"
        ) from error
    finally:
        consumer.close()


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


def redrive(kafka: KafkaSettings, dead_letters: list[InMessage]) -> Redrive:
    """Send dead letters back to the topics they came from, unchanged; leave out what cannot be.

    Parameters
    ----------
    kafka : KafkaSettings
        Where the broker is.
    dead_letters : list of InMessage
        They stay in their own topic until its retention ends.

    Raises
    ------
    TransientError
        If the broker does not take them; some may have arrived.
    """
    refused = {_position(each): why for each in dead_letters if (why := _why_not(each))}
    messages = [_original(each) for each in dead_letters if _position(each) not in refused]
    if messages:
        produce_and_wait(create_producer(kafka), messages)
    return Redrive(len(messages), tuple(f"{place} {why}" for place, why in refused.items()))


def _why_not(letter: InMessage) -> str | None:
    """Return why a dead letter cannot be sent back; None if it can."""
    headers = letter.headers
    if not headers.get("topic"):
        return "has no header `topic`; send it yourself"
    if lacking := sorted(_INCOMPLETE_HEADERS & set(headers)):
        cuts = ", ".join(f"{name}: {headers[name]}" for name in lacking)
        again = headers.get("file", "the image")
        return f"lacks a part of the message ({cuts}); ingest {again} again"
    return None


def _original(letter: InMessage) -> OutMessage:
    """Return the message as it was before it was rejected."""
    headers = {name: value for name, value in letter.headers.items() if name not in _ADDED_HEADERS}
    return OutMessage(letter.headers["topic"], letter.key, letter.value, headers)


def _position(letter: InMessage) -> str:
    return f"{letter.partition}:{letter.offset}"


def _ranges(consumer: Consumer, topic: str, kafka: KafkaSettings) -> dict[int, tuple[int, int]]:
    """Return the offsets of the first message and after the last of each partition with any."""
    metadata = consumer.list_topics(topic, timeout=_TIMEOUT_S).topics[topic]
    if metadata.error is not None:
        raise PipelineError(
            f"no topic {topic} at {kafka.bootstrap_servers}; check "
            "LIVETRAP_KAFKA__BOOTSTRAP_SERVERS and LIVETRAP_KAFKA__TOPIC_PREFIX"
        )
    found = {}
    for number in metadata.partitions:
        low, high = consumer.get_watermark_offsets(
            TopicPartition(topic, number), timeout=_TIMEOUT_S
        )
        if high > low:
            found[number] = (low, high)
    return found


def _read(
    consumer: Consumer, topic: str, ranges: Mapping[int, tuple[int, int]]
) -> list[InMessage]:
    """Return the messages of these ranges of offsets."""
    consumer.assign([TopicPartition(topic, number, low) for number, (low, _) in ranges.items()])
    waiting = {number: high for number, (_, high) in ranges.items()}
    ends = dict(waiting)
    found = []
    while waiting:
        batch = consume_batch(consumer, limit=100, timeout_s=_TIMEOUT_S)
        if not batch:
            raise TransientError(
                "Kafka stopped answering while the dead letters were read; try again"
            )
        for letter in batch:
            if letter.offset < ends[letter.partition]:
                found.append(letter)
            if letter.offset + 1 >= ends[letter.partition]:
                waiting.pop(letter.partition, None)
    return found
