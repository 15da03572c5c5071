"""Files that are larger than their topic takes are rejected, and stop no other."""

import uuid
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from runtime.dead_letter_topic import read_newest
from runtime.settings import KafkaSettings
from schemas.topics import Topics
from services.ingest.app import ingest_paths
from tests.support.fits_images import make
from tests.support.vtp_service import wait_until


@pytest.fixture
def kafka(kafka_bootstrap: str, monkeypatch: pytest.MonkeyPatch) -> KafkaSettings:
    """Topics of an operator who left the size of messages as Kafka has it, or less."""
    made = KafkaSettings(
        bootstrap_servers=kafka_bootstrap, topic_prefix=f"{uuid.uuid4().hex}.", partitions=1
    )
    topics = Topics(made.topic_prefix)
    admin = AdminClient({"bootstrap.servers": kafka_bootstrap})
    sizes = {topics.images: len(make()) + 2000, topics.dead_letters: 4000}
    new = [
        NewTopic(name, 1, 1, config={"max.message.bytes": str(size)})
        for name, size in sizes.items()
    ]
    for future in admin.create_topics(new).values():
        future.result(30)
    wait_until(lambda: sizes.keys() <= admin.list_topics(timeout=30).topics.keys(), what="them")
    monkeypatch.setenv("LIVETRAP_KAFKA__TOPIC_PREFIX", made.topic_prefix)
    monkeypatch.setenv("LIVETRAP_KAFKA__PARTITIONS", "1")
    return made


def test_what_the_broker_refuses_for_its_size_is_rejected(
    kafka: KafkaSettings, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for second, room in ((1, 0), (2, 5 * 2880), (3, 0)):
        data = make(**{"DATE-OBS": f"2026-01-01T00:00:{second:02d}"}) + bytes(room)
        (tmp_path / f"{second}.fits").write_bytes(data)
    code = ingest_paths(
        [tmp_path], stream="night", rate_hz=None, cards={},
        bootstrap_servers=kafka.bootstrap_servers,
    )  # fmt: skip
    assert code == 1
    said = capfd.readouterr().err
    assert "2 published" in said
    assert "2.fits: too_large" in said
    assert "max.message.bytes" in said
    (letter,) = read_newest(kafka)
    assert (letter.headers["reason"], letter.headers["file"]) == ("too_large", "2.fits")
    assert (letter.value, int(letter.headers["truncated-from"]) > 4000) == (b"", True)
