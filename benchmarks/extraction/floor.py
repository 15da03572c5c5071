"""CPU time of an image that no extract process can do without, part by part.

``python -m benchmarks.extraction.floor 2300`` starts a broker and, for each part, a process that
takes images from it as `from_broker` sends them and does nothing but this part and those above it.
"""

import argparse
import hashlib
import multiprocessing
import os
import statistics
from collections.abc import Callable
from dataclasses import astuple
from multiprocessing.connection import Connection

import psutil
from confluent_kafka import TopicPartition

from benchmarks.extraction.from_broker import SOURCES_A_PIXEL, difference, usage_of
from benchmarks.extraction.sky import generate_field, to_fits
from runtime.kafka import OutMessage, create_consumer, create_producer, ensure_topics, send
from runtime.memory import reuse_large_blocks
from runtime.settings import KafkaSettings
from schemas.topics import Topics
from services.extract.models import FinderParameters
from services.extract.steps.catalogue import extract_sources
from services.extract.steps.image import open_image
from tests.support.own_broker import own_broker

_WARM_UP, _IMAGES = 3, 20


def _hash(data: bytes) -> None:
    hashlib.sha256(data).digest()


def _hash_and_decode(data: bytes) -> None:
    _hash(data)
    open_image(data, {})


def _hash_decode_and_find(data: bytes) -> None:
    _hash(data)
    extract_sources(open_image(data, {}), FinderParameters())


PARTS: dict[str, Callable[[bytes], None]] = {
    "received": lambda _data: None,
    "hashed (sha256)": _hash,
    "decoded": _hash_and_decode,
    "sources found": _hash_decode_and_find,
}


def take(name: str, kafka: KafkaSettings, ready: Connection) -> None:
    """Do some parts with each image that comes, and say so."""
    reuse_large_blocks()
    reader = create_consumer(kafka, group="floor", commits_to_kafka=False)
    end = reader.get_watermark_offsets(TopicPartition(Topics().images, 0), timeout=30)[1]
    reader.assign([TopicPartition(Topics().images, 0, end)])
    do = PARTS[name]
    ready.send(None)
    while True:
        message = reader.poll(0.05)
        if message is not None and message.error() is None:
            do(message.value())
            ready.send(None)


def measure(side_px: int) -> dict[str, tuple[float, float]]:
    """Return user and system time of an image of a side up to and with each part [ms]."""
    field = generate_field(side_px, round(SOURCES_A_PIXEL * side_px**2), 1, mixed=True)
    data = to_fits(field)
    with own_broker() as broker:
        kafka = KafkaSettings(bootstrap_servers=broker.bootstrap, partitions=1)
        ensure_topics(kafka)
        return {name: _measure_part(name, kafka, data) for name in PARTS}


def _measure_part(name: str, kafka: KafkaSettings, data: bytes) -> tuple[float, float]:
    producer = create_producer(kafka)
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=take, args=(name, kafka, theirs))
    process.start()
    try:
        _wait(ours)
        used = []
        for number in range(_WARM_UP + _IMAGES):
            before = usage_of(psutil.Process(process.pid))
            image = OutMessage(Topics().images, b"night:150MHz", data + b"%9d" % number)
            send(producer, image, lambda _error: None)
            producer.flush(60)
            _wait(ours)
            used.append(difference(before, usage_of(psutil.Process(process.pid))))
    finally:
        process.terminate()
        process.join(60)
    user, system, *_ = zip(*map(astuple, used[_WARM_UP:]), strict=True)
    return statistics.mean(user), statistics.mean(system)


def _wait(ready: Connection) -> None:
    if not ready.poll(300):
        raise TimeoutError("nothing came within five minutes")
    ready.recv()


def main() -> None:
    """Print a line for each part of each side."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.extraction.floor",
        description="CPU time of an image that no extract process can do without.",
        epilog="For example: python -m benchmarks.extraction.floor 1024 2300",
    )
    parser.add_argument(
        "side_px", nargs="*", type=int, default=[1024, 2300, 4096],
        help="sides of the images [pixel]; default: %(default)s",
    )  # fmt: skip
    for side_px in parser.parse_args().side_px:
        for name, (user, system) in measure(side_px).items():
            print(
                f"{side_px} px, {name}: CPU {user + system:.1f} ms (user {user:.1f}, system "
                f"{system:.1f}; load {os.getloadavg()[0]:.1f})"
            )


if __name__ == "__main__":
    main()
