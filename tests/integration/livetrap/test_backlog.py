"""How many images wait: those on Kafka without an entry in the ledger, whoever committed what."""

import asyncio
import uuid

import asyncpg
import pytest

from livetrap.operator.backlog import count_waiting
from runtime.kafka import OutMessage, create_producer, ensure_topics, fetch_cluster_id
from runtime.kafka import produce_and_wait as produce
from runtime.settings import KafkaSettings
from schemas.topics import Topics
from tests.integration.runtime.test_retention import delete_records


@pytest.fixture
def settings(kafka_bootstrap: str) -> KafkaSettings:
    made = KafkaSettings(
        bootstrap_servers=kafka_bootstrap, topic_prefix=f"{uuid.uuid4().hex}.", partitions=1
    )
    ensure_topics(made)
    return made


async def record(connection: asyncpg.Connection, settings: KafkaSettings, *offsets: int) -> None:
    topic = Topics(settings.topic_prefix).images
    await connection.executemany(
        "insert into image_ledger (kafka_cluster_id, kafka_topic, kafka_partition, kafka_offset, "
        "stream, image_id, outcome, reasons) values ($1, $2, 0, $3, 's', $4, 'processed', '{}')",
        [(fetch_cluster_id(settings, timeout_s=60), topic, at, f"{at:064x}") for at in offsets],
    )


async def counts_at_last(connection: asyncpg.Connection, settings: KafkaSettings, n: int) -> None:
    """Wait until a new topic has its leader, and so many wait."""
    async with asyncio.timeout(60):
        while await count_waiting(connection, settings) != n:  # noqa: ASYNC110  (a leader comes)
            await asyncio.sleep(0.05)


async def test_what_has_no_entry_waits(settings: KafkaSettings, postgres_url: str) -> None:
    topics = Topics(settings.topic_prefix)
    connection = await asyncpg.connect(postgres_url)
    producer = create_producer(settings)
    await counts_at_last(connection, settings, 0)
    produce(producer, [OutMessage(topics.images, b"", b"%d" % n) for n in range(6)])
    assert await count_waiting(connection, settings) == 6
    # Measured and not associated: still one image each, not two.
    produce(producer, [OutMessage(topics.detections, b"", b"%d" % n) for n in range(3)])
    assert await count_waiting(connection, settings) == 6
    await record(connection, settings, 0, 1, 2)
    assert await count_waiting(connection, settings) == 3
    # Entries of images that retention deleted do not count.
    delete_records(settings.bootstrap_servers, topics.images, 2)
    assert await count_waiting(connection, settings) == 3
    delete_records(settings.bootstrap_servers, topics.images, 6)
    assert await count_waiting(connection, settings) == 3  # the measurements still wait
    await connection.execute(
        "insert into consumed_offset (cluster_id, topic, partition, next_offset) "
        "values ($1, $2, 0, 3)",
        fetch_cluster_id(settings, timeout_s=60),
        topics.detections,
    )
    assert await count_waiting(connection, settings) == 0
    await connection.close()


async def test_a_broker_that_is_away_counts_nothing(
    settings: KafkaSettings, postgres_url: str
) -> None:
    away = settings.model_copy(update={"bootstrap_servers": "127.0.0.1:9"})
    connection = await asyncpg.connect(postgres_url)
    assert await count_waiting(connection, away) is None
    await connection.close()
