"""A stream is archived from Kafka and associated again: the same, or what settings change."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from confluent_kafka import Producer

from livetrap.cli import run
from livetrap.stream_replay.archive import archive_records
from runtime.kafka import ensure_topics
from runtime.settings import KafkaSettings
from schemas.codec import encode_forced_measurements
from schemas.topics import Topics
from tests.support.association import CASE, Associator, associator
from tests.support.fed_outcome import assert_same, read_outcome
from tests.support.fed_sky import FedSky
from tests.support.forced_results import store

SETTINGS: dict[str, Any] = CASE | {"lookback_wait_ms": 3.6e6, "lookback_images": 4}
PERIOD = ("--from", "2011-12-31", "--to", "2012-02-01")
N_STEPS = 20


@pytest.fixture
def kafka(kafka_bootstrap: str, tmp_path: Path) -> KafkaSettings:
    settings = KafkaSettings(
        bootstrap_servers=kafka_bootstrap, topic_prefix=f"{tmp_path.name}-".replace("_", "-")
    )
    ensure_topics(settings)
    return settings


@pytest.fixture(autouse=True)
def use_the_settings(
    postgres_url: str, kafka: KafkaSettings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Let commands find the servers, and the settings of the live associator."""
    monkeypatch.setenv("LIVETRAP_POSTGRES__URL", postgres_url)
    monkeypatch.setenv("LIVETRAP_KAFKA__TOPIC_PREFIX", kafka.topic_prefix)
    monkeypatch.setenv("LIVETRAP_DATA_DIR", str(tmp_path / "data"))
    for name, value in SETTINGS.items():
        monkeypatch.setenv(f"LIVETRAP_ASSOCIATE__{name.upper()}", str(value))


def send(kafka: KafkaSettings, topic: str, stream: str, values: Sequence[bytes]) -> None:
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers})
    for value in values:
        producer.produce(topic, value, key=stream.encode())
    assert producer.flush(60) == 0


async def observe(case: Associator, kafka: KafkaSettings) -> None:
    """Associate a sky live, its answers included; Kafka has all records."""
    fed = FedSky.generate(5501, n_steps=N_STEPS)
    topics = Topics(kafka.topic_prefix)
    detections: list[bytes] = []
    answers: list[bytes] = []
    images: dict[str, tuple[int, int]] = {}
    for step in range(N_STEPS):
        records = fed.records(step)
        images |= {each.image_id: (step, band) for band, each in enumerate(records)}
        detections += [message.value for message in case.deliver(records)]
        await case.settle()
        while case.requests:
            waiting = list(case.requests)
            case.requests.clear()
            for request in waiting:
                result = fed.answer(request, *images[request.image_id])
                answers.append(encode_forced_measurements(result))
                await store(case, result)
            await case.settle()
    send(kafka, topics.detections, case.stream, [*detections, b"no record"])
    send(kafka, topics.forced_measurements, case.stream, answers)


async def livetrap(*arguments: str) -> int:
    return await asyncio.to_thread(run, list(arguments))


async def compare(capsys: pytest.CaptureFixture[str], *streams: str) -> dict[str, Any]:
    capsys.readouterr()
    assert await livetrap("streams", "compare", *streams, "--json") == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


async def count(case: Associator, query: str) -> int:
    (row,) = await case.rows(query)
    return int(row["n"])


async def test_a_replay_is_the_same_or_differs_by_its_settings(
    postgres_url: str, kafka: KafkaSettings, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    async with associator(postgres_url, **SETTINGS) as case:
        await observe(case, kafka)
        live = case.stream
        archive = tmp_path / "data" / "archive"
        sizes = [
            await asyncio.to_thread(archive_records, kafka, archive, every_s=60.0, follows=False)
            for _ in range(2)
        ]
        assert sizes[0] > 3 * N_STEPS
        assert sizes[1] == 0
        assert await livetrap("replay", live, *PERIOD) == 0
        assert "0 were never measured" in capsys.readouterr().out
        found = await compare(capsys, live, f"{live}-replay")
        assert found["differences"] == []
        assert found["n_transients"] > 0
        assert await count(case, "select count(*) as n from outbox") == 0
        booked = "select count(*) as n from image_ledger where stream like '%-replay'"
        assert await count(case, booked) == 0
        lived = await read_outcome(case, [])
        case.stream = f"{live}-replay"
        assert_same(lived, await read_outcome(case, []))

        strict = ("--set", "detection_threshold_sigma=25", "--into", "strict")
        assert await livetrap("replay", live, *PERIOD, *strict) == 0
        found = await compare(capsys, live, "strict")
        others = {live: "strict", "strict": live}
        assert all(
            each["why"].startswith(f"{others[each['only_in']]}: ") for each in found["differences"]
        )
        assert live in {each["only_in"] for each in found["differences"]}
        assert {"source", "new_source"} <= {each["kind"] for each in found["differences"]}

        assert await livetrap("replay", live, *PERIOD, "--alerts", "--into", "told") == 0
        told = "select count(*) as n from outbox where key = 'told'"
        announced = (
            "select count(*) as n from transient join stream on stream.id = stream_id "
            "where name = 'told'"
        )
        assert await count(case, told) >= await count(case, announced) > 0
        requests = "select count(*) as n from outbox where key like 'told:%'"
        assert await count(case, requests) == 0
        await case.rows("delete from outbox")


async def test_mistakes_are_told(
    postgres_url: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert await livetrap("replay", "night1", *PERIOD) == 2
    assert "has nothing of stream 'night1'" in capsys.readouterr().err
    for text in ("no_setting=1", "new_source_sigma_margin", "de_ruiter_radius=-1"):
        assert await livetrap("replay", "night1", *PERIOD, "--set", text) == 2
        assert text.partition("=")[0] in capsys.readouterr().err.lower()
    connection = await asyncpg.connect(postgres_url)
    assert await connection.fetchval("select count(*) from stream where name = 'night1'") == 0
    await connection.close()
