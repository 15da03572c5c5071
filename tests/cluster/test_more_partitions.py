"""Topics grow as docs/operations.md says: the keys of a stream move, and nothing else changes."""

from pathlib import Path

import pytest
from aiokafka.partitioner import murmur2
from confluent_kafka.admin import AdminClient, NewPartitions

from schemas.topics import image_message_key
from sky.fits import parse_fits
from sky.header.cards import Cards
from sky.header.spectral import read_frequency
from tests.support.night import (
    RunServers,
    Stack,
    ivorns_of,
    ivorns_on_kafka,
    run,
    wait_for,
)

BANDS = 2
N_BEFORE, N_AFTER = 6 * BANDS, 6 * BANDS
N_PARTITIONS = 2
# No timestep closes without one of its bands, however slow the machine is.
BOTH_BANDS = {
    "LIVETRAP_ASSOCIATE__NEW_STREAM_BANDS": str(BANDS),
    "LIVETRAP_ASSOCIATE__WINDOW_TIMEOUT_S": "3600",
}


@pytest.fixture
def halves(tmp_path: Path) -> list[list[Path]]:
    """The images of a night before and after its topics grow."""
    run(
        "simulate", str(tmp_path), "--images", str((N_BEFORE + N_AFTER) // BANDS), "--size", "256",
        "--bands", str(BANDS), "--seed", "7", "--transients", "4",
    )  # fmt: skip
    images = sorted(tmp_path.glob("*.fits"))
    assert len(images) == N_BEFORE + N_AFTER
    return [images[:N_BEFORE], images[N_BEFORE:]]


def place(key: str, n_partitions: int) -> int:
    return (murmur2(key.encode()) & 0x7FFFFFFF) % n_partitions


def keys_of(images: list[Path]) -> set[str]:
    headers = [Cards(parse_fits(each.read_bytes(), {}).header) for each in images]
    return {image_message_key("night", read_frequency(each)[0]) for each in headers}


def more_partitions(keys: set[str]) -> int:
    """Return a number of partitions with which the stream and all its bands are elsewhere."""
    return next(
        n for n in range(N_PARTITIONS + 1, 100)
        if all(place(key, n) != place(key, N_PARTITIONS) for key in {"night", *keys})
    )  # fmt: skip


def grow(stack: Stack, n_partitions: int) -> None:
    topics = stack.topics
    names = [topics.images, topics.forced_requests, topics.stamp_requests, topics.detections]
    admin = AdminClient({"bootstrap.servers": stack.status["kafka"]})
    grown = admin.create_partitions([NewPartitions(name, n_partitions) for name in names])
    for each in grown.values():
        each.result(timeout=60)


def send(stack: Stack, images: list[Path], *, n_expected: int) -> None:
    run(
        "ingest", *map(str, images), "--stream", "night", "--rate", "4",
        "--data-dir", str(stack.data_dir),
    )  # fmt: skip
    wait_for(lambda: stack.n_in_ledger() == n_expected, what="the images in the ledger")
    stack.wait_until_decided()


def test_a_stream_goes_on_when_its_topics_grow(
    servers: RunServers, halves: list[list[Path]]
) -> None:
    with servers.stack(LIVETRAP_KAFKA__PARTITIONS=str(N_PARTITIONS), **BOTH_BANDS) as stack:
        send(stack, halves[0], n_expected=N_BEFORE)
        before = stack.get("sources", limit=500)["items"]
        grow(stack, more_partitions(keys_of(halves[0])))
        send(stack, halves[1], n_expected=N_BEFORE + N_AFTER)
        # None is late, repeated or refused, and every steady source keeps its light curve.
        assert stack.outcomes() == {"processed": N_BEFORE + N_AFTER}
        after = {each["id"]: each for each in stack.get("sources", limit=500)["items"]}
        assert len(before) > 10
        grown = [
            each for each in before if after[each["id"]]["n_datapoints"] > each["n_datapoints"]
        ]
        assert len(grown) == len(before)
        wait_for(
            lambda: sorted(ivorns_on_kafka(stack)) == sorted(ivorns_of(stack.alerts())),
            what="each alert on Kafka once",
        )
        assert stack.alerts()
