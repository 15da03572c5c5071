"""How many images wait on Kafka: not measured yet, or not associated."""

import asyncpg

from runtime.errors import FatalError, TransientError
from runtime.kafka import GroupOffsets, fetch_cluster_id
from runtime.settings import KafkaSettings
from runtime.sql import Queries
from schemas.topics import Topics

__all__ = ["count_waiting"]

_QUERIES = Queries("livetrap.operator")
_ANSWER_S = 3.0


async def count_waiting(connection: asyncpg.Connection, kafka: KafkaSettings) -> int | None:
    """Return how many images are on Kafka and not in the catalogue; None if it does not answer.

    Parameters
    ----------
    connection : asyncpg.Connection
        Has the image accounting and the offsets of the associator.
    kafka : KafkaSettings
        Where the broker is.
    """
    topics = Topics(kafka.topic_prefix)
    offsets = GroupOffsets(
        kafka, group="livetrap-extract", source=topics.images, results=topics.detections
    )
    try:
        cluster_id = fetch_cluster_id(kafka, timeout_s=_ANSWER_S)
        images, records = offsets.read_source(), offsets.read_results()
    except (TransientError, FatalError):  # away, or the broker of another installation
        return None
    finally:
        offsets.close()
    # Retention may have deleted images whose measurements still wait: at most so many. The offset
    # of the associator is behind what it has recorded, so their number is no count.
    n_unread = await _count_unread(connection, cluster_id, topics.detections, records)
    sought = {
        partition: (max(0, first - n_unread), end) for partition, (first, end) in images.items()
    }
    return await _count_unrecorded(connection, cluster_id, topics.images, sought)


async def _count_unrecorded(
    connection: asyncpg.Connection, cluster_id: str, topic: str, ranges: dict[int, tuple[int, int]]
) -> int:
    """Count images in ranges of offsets that have no entry in the ledger."""
    rows = await _QUERIES.fetch(
        connection,
        "count_recorded_images",
        kafka_cluster_id=cluster_id,
        kafka_topic=topic,
        kafka_partition=list(ranges),
        first_offset=[first for first, _ in ranges.values()],
        next_offset=[end for _, end in ranges.values()],
    )
    return sum(end - first for first, end in ranges.values()) - int(rows[0]["n_images"])


async def _count_unread(
    connection: asyncpg.Connection, cluster_id: str, topic: str, records: dict[int, int]
) -> int:
    """Count records of images that the associator has not read."""
    rows = await _QUERIES.fetch(
        connection, "list_associated_offsets", cluster_id=cluster_id, topic=topic
    )
    associated = {row["partition"]: row["next_offset"] for row in rows}
    n_unread = sum(end - int(associated.get(number, 0)) for number, end in records.items())
    return max(0, n_unread)
