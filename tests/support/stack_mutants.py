"""Mutants for a whole running stack, and the books of it afterwards."""

from collections import Counter
from collections.abc import Iterable

import numpy as np
from confluent_kafka import Consumer, Producer, TopicPartition

from runtime.kafka.clients import MAX_MESSAGE_BYTES
from schemas.codec import (
    encode_image_detections,
    encode_image_stamps,
    encode_source_event,
    encode_stamp_request,
)
from schemas.messages import ImageStamps, SourceOffset, StampColumns, StampFile, StampRequest
from tests.support.avro_mutants import avro_mutant
from tests.support.kafka_messages import Headers, hostile_headers, hostile_key
from tests.support.mutants import good_image, wire_mutant
from tests.support.night import Stack, wait_for
from tests.support.records import image
from tests.support.vtp_events import source_event

__all__ = [
    "check_books",
    "n_booked_without_image",
    "n_on_topic",
    "pids",
    "publish_good",
    "publish_images",
    "publish_records",
]

Message = tuple[bytes | None, bytes, Headers]
_STREAMS = (b"north:150", b"south:150", b"east:1400", b"west:", b"Upper Case:1")
_SERVICES = ("extract", "associate", "alert", "distribute", "api")


def publish_images(stack: Stack, numbers: range, *, seed: int) -> None:
    """Put mutants of an image on images-v1, those with an ordinary key in several streams."""

    def messages() -> Iterable[Message]:
        for number in numbers:
            _, key, value, headers = wire_mutant(seed, number)
            yield _STREAMS[number % len(_STREAMS)] if number % 3 else key, value, headers

    _publish(stack, stack.topics.images, messages())


_OFFSET = SourceOffset("cluster", "images-v1", 0, 0)
_STAMP_REQUEST = encode_stamp_request(
    StampRequest(
        "0" * 64,
        "mutants",
        _OFFSET,
        StampColumns(("abc-now",), np.array([10.0]), np.array([20.0])),
    )
)
_STAMPS = encode_image_stamps(
    ImageStamps("0" * 64, "mutants", _OFFSET, (StampFile("abc-now", "", b"SIMPLE  ="),))
)


def publish_records(stack: Stack, numbers: range, *, seed: int) -> None:
    """Put mutants of Avro records on the topics between the services, but detections-v1.

    That one is booked, so it would hide an image that is not.
    """
    record = encode_image_detections(image(0, [(10.0, 20.0)]))
    event = encode_source_event(source_event(1, salt="stack", stream="mutants"))
    topics = stack.topics
    goods = {topics.transients: event, topics.alerts_voevent: event,
             topics.forced_requests: record, topics.forced_measurements: record,
             topics.stamp_requests: _STAMP_REQUEST, topics.stamps: _STAMPS}  # fmt: skip
    for topic, good in goods.items():
        messages = []
        for number in numbers:
            rng = np.random.default_rng((seed, number, 6))
            value = avro_mutant(good, seed, number)[1]
            messages.append((hostile_key(rng), value, hostile_headers(rng)))
        _publish(stack, topic, messages)


def publish_good(stack: Stack) -> None:
    """Send a good image in a stream of its own, and wait until it has its three sources."""
    _publish(stack, stack.topics.images, [(b"good:150", good_image(), [])])
    wait_for(
        lambda: len(stack.get("sources", stream="good")["items"]) == 3,
        what="the sources of the good image",
    )


def _publish(stack: Stack, topic: str, messages: Iterable[Message]) -> None:
    producer = Producer(
        {"bootstrap.servers": stack.status["kafka"], "message.max.bytes": MAX_MESSAGE_BYTES}
    )
    for key, value, headers in messages:
        # No client can write a header name that is not UTF-8.
        known = [] if isinstance(headers, UnicodeDecodeError) else headers
        producer.produce(topic, value, key=key, headers=known)
        producer.poll(0)
    assert producer.flush(60) == 0


def n_on_topic(stack: Stack, topic: str) -> int:
    """Return how many messages a topic has."""
    reader = Consumer({"bootstrap.servers": stack.status["kafka"], "group.id": "count"})
    try:
        partitions = reader.list_topics(topic, timeout=30).topics[topic].partitions
        ends = [
            reader.get_watermark_offsets(TopicPartition(topic, number), timeout=30)
            for number in partitions
        ]
    finally:
        reader.close()
    return sum(high - low for low, high in ends)


def pids(stack: Stack) -> dict[str, int]:
    """Return the process id of every service."""
    services = stack.refresh()["services"]
    names = [name for name in services if name.split("-")[0].split(":")[0] in _SERVICES]
    assert len(names) >= len(_SERVICES)
    return {name: services[name]["pid"] for name in names}


def n_booked_without_image(stack: Stack) -> int:
    """Return how many more outcomes than images there are: those of records sent by a test."""
    return sum(stack.outcomes().values()) - n_on_topic(stack, stack.topics.images)


def check_books(stack: Stack, *, n_without_image: int = 0, timeout_s: float = 300) -> Counter[str]:
    """Wait until every image on Kafka is booked; return the reasons of the rejected ones.

    Planes of a cube are on images-v1 too.
    """

    def is_balanced() -> bool:
        return n_booked_without_image(stack) == n_without_image

    wait_for(is_balanced, what="every image booked", timeout_s=timeout_s, every_s=1)
    return Counter(stack.get("ledger")["reasons"])
