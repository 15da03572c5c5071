"""A base backup taken in the middle of a night, and restored: the same alerts come out."""

import asyncio
import time
from pathlib import Path

import asyncpg
import pytest
from confluent_kafka import (
    Consumer,
    ConsumerGroupTopicPartitions,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient

from tests.support.night import (
    LONG_WAIT,
    Stack,
    ivorns_of,
    ivorns_on_kafka,
    run,
    running_stack,
    wait_for,
)
from tests.support.own_postgres import own_postgres

TIMESTEPS = 14
BANDS = 2
N_BEFORE = 8 * BANDS


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return folders with the images before and after the backup."""
    night, later = (tmp_path_factory.mktemp(name) for name in ("night", "later"))
    run(
        "simulate", str(night), "--images", str(TIMESTEPS), "--size", "256",
        "--bands", str(BANDS), "--seed", "7", "--transients", "4",
    )  # fmt: skip
    images = sorted(night.glob("*.fits"))
    assert len(images) == TIMESTEPS * BANDS
    for each in images[N_BEFORE:]:
        each.rename(later / each.name)
    return [night, later]


def stream(stack: Stack, folder: Path) -> None:
    run(
        "ingest", str(folder), "--stream", "night", "--rate", "4",
        "--data-dir", str(stack.data_dir),
    )  # fmt: skip


def count_images(postgres_url: str) -> int:
    async def ask() -> int:
        connection = await asyncpg.connect(postgres_url)
        try:
            return int(await connection.fetchval("select count(*) from image_ledger"))
        finally:
            await connection.close()

    return asyncio.run(ask())


def read_alerts(stack: Stack) -> set[str]:
    """Return the ivorns once every image and every event has been dealt with."""
    wait_for(lambda: stack.n_in_ledger() == TIMESTEPS * BANDS, what="all images in the ledger")
    wait_for(lambda: stack.n_undecided() == 0, what="the last decision")
    return set(ivorns_of(stack.alerts()))


def rewind_alert(stack: Stack, time_s: float) -> None:
    """Let alert read events from a time on; its group must have lost its last member."""
    group, topic = f"{stack.topics.prefix}livetrap-alert", stack.topics.transients
    admin = AdminClient({"bootstrap.servers": stack.status["kafka"]})
    consumer = Consumer({"bootstrap.servers": stack.status["kafka"], "group.id": "harness"})
    partitions = admin.list_topics(topic, timeout=10).topics[topic].partitions
    begin = [TopicPartition(topic, each, int(1000 * time_s)) for each in partitions]
    offsets = consumer.offsets_for_times(begin, timeout=10)
    ends = {
        each.partition: consumer.get_watermark_offsets(each, timeout=10)[1] for each in offsets
    }
    consumer.close()
    wanted = [
        TopicPartition(
            topic, each.partition, each.offset if each.offset >= 0 else ends[each.partition]
        )
        for each in offsets
    ]

    def move() -> bool:
        request = [ConsumerGroupTopicPartitions(group, wanted)]
        moved = admin.alter_consumer_group_offsets(request)[group].result(timeout=20)
        return all(each.error is None for each in moved.topic_partitions)

    wait_for(move, what="a group without members")


def test_a_restored_backup_ends_with_the_same_alerts(
    kafka_bootstrap: str, parts: list[Path]
) -> None:
    settings = LONG_WAIT | {
        "LIVETRAP_KAFKA__BOOTSTRAP_SERVERS": kafka_bootstrap,
        "LIVETRAP_KAFKA__TOPIC_PREFIX": "restored.",
    }
    with (
        own_postgres() as postgres,
        running_stack(**settings, LIVETRAP_POSTGRES__URL=postgres.url) as stack,
    ):
        stream(stack, parts[0])
        wait_for(lambda: stack.n_in_ledger() == N_BEFORE, what="the first part of the night")
        wait_for(lambda: stack.n_undecided() == 0, what="all that follows from it")
        backup_s = time.time()
        postgres.take_base_backup()  # as of its end: nothing may come meanwhile
        stream(stack, parts[1])
        before = read_alerts(stack)
        assert before
        run("down", "--data-dir", str(stack.data_dir))
        postgres.restore()
        assert count_images(postgres.url) == N_BEFORE
        rewind_alert(stack, backup_s - 60)
        run("up", "--detach", "--data-dir", str(stack.data_dir))
        assert read_alerts(stack) == before
        assert stack.outcomes() == {"processed": TIMESTEPS * BANDS}
        wait_for(lambda: set(ivorns_on_kafka(stack)) == before, what="the alerts on Kafka")
