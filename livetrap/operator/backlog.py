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
        Has the offsets of the associator.
    kafka : KafkaSettings
        Where the broker is.
    """
    topics = Topics(kafka.topic_prefix)
    offsets = GroupOffsets(
        kafka, group="livetrap-extract", source=topics.images, results=topics.detections
    )
    try:
        cluster_id = fetch_cluster_id(kafka, timeout_s=_ANSWER_S)
        images, extracted = offsets.read_source(), offsets.read_committed()
        records = offsets.read_results()
    except (TransientError, FatalError):  # away, or the broker of another installation
        return None
    finally:
        offsets.close()
    rows = await _QUERIES.fetch(
        connection, "list_associated_offsets", cluster_id=cluster_id, topic=topics.detections
    )
    associated = {row["partition"]: row["next_offset"] for row in rows}
    # What the retention has deleted waits no longer.
    n_to_extract = sum(
        end - max(first, extracted.get(number, first)) for number, (first, end) in images.items()
    )
    n_to_associate = sum(end - associated.get(number, 0) for number, end in records.items())
    return int(max(0, n_to_extract) + max(0, n_to_associate))
