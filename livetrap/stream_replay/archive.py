"""Copy the records of detections and forced fluxes from Kafka into the archive."""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from confluent_kafka import Consumer, KafkaException, TopicPartition

from livetrap.stream_replay.archive_files import (
    ArchivedRecord,
    Kind,
    Place,
    delete_days_before,
    last_offset,
    require_parquet,
    write_records,
)
from runtime.errors import TransientError
from runtime.kafka import InMessage, consume_batch, create_consumer, fetch_cluster_id
from runtime.logging import get_logger
from runtime.settings import KafkaSettings
from schemas.codec import CodecError, decode_forced_measurements, decode_image_detections
from schemas.topics import Topics

__all__ = ["Archive", "archive_records"]

_BATCH = 500
_POLL_S = 0.5
_ANSWER_S = 10.0
_MOST_BYTES = 64 << 20


@dataclass(slots=True)
class Archive:
    """Records on their way to files.

    Repeated records are left out, so that a process that dies between a file and its offset
    may read them again.

    Parameters
    ----------
    folder : Path
        Of the archive.
    topics : Topics
        Names of the topics.
    cluster_id : str
        The Kafka cluster.
    keep_days : float or None
        Older days are deleted with each writing [d]; None: none is.
    """

    folder: Path
    topics: Topics
    cluster_id: str
    keep_days: float | None = None
    _pending: dict[Place, list[ArchivedRecord]] = field(default_factory=dict)
    _last: dict[Place, int] = field(default_factory=dict)
    n_bytes: int = 0
    n_records: int = 0

    def add(self, message: InMessage) -> None:
        """Keep a record for the next file; one that is no record is left out."""
        kind: Kind = "detections" if message.topic == self.topics.detections else "forced"
        try:
            stream, record = _to_record(message, kind)
        except CodecError as error:
            get_logger().warning("record_not_archived", offset=message.offset, error=str(error))
            return
        day = (record.time_start or message.time_appended or datetime.now(UTC)).date()
        digest = hashlib.sha256(self.cluster_id.encode()).hexdigest()[:8]
        place = Place(kind, stream, day, f"{digest}-{message.partition}")
        if place not in self._last:
            self._last[place] = last_offset(self.folder, place)
        if record.offset <= self._last[place]:
            return
        self._last[place] = record.offset
        self._pending.setdefault(place, []).append(record)
        self.n_bytes += len(record.value)

    def write(self) -> None:
        """Write what is pending, a file for each stream, day and partition; delete old days."""
        for place, records in self._pending.items():
            write_records(self.folder, place, records)
            self.n_records += len(records)
        self._pending.clear()
        self.n_bytes = 0
        if self.keep_days is None:
            return
        n_days = delete_days_before(self.folder, keep_days=self.keep_days)
        if n_days:
            get_logger().info("archived_days_deleted", n_days=n_days)


def archive_records(
    settings: KafkaSettings,
    folder: Path,
    *,
    every_s: float,
    follows: bool,
    keep_days: float | None = None,
    is_stopped: Callable[[], bool] = lambda: False,
) -> int:
    """Archive what is on Kafka and not in the archive; return the number of records.

    What it has read is written when it is stopped.

    Parameters
    ----------
    settings : KafkaSettings
        Where the records are.
    folder : Path
        Of the archive.
    every_s : float
        Files are written so often [s].
    follows : bool
        Whether to go on when Kafka has no more.
    keep_days : float or None
        Older days are deleted whenever files are written [d]; None: none is.
    is_stopped : callable
        Asked now and then whether to end.

    Raises
    ------
    SettingsError
        If pyarrow is not installed.
    TransientError
        If Kafka does not answer.
    """
    require_parquet()
    topics = Topics(settings.topic_prefix)
    archive = Archive(folder, topics, fetch_cluster_id(settings), keep_days)
    consumer = create_consumer(settings, group="livetrap-archive", fetch_wait_ms=500)
    consumer.subscribe([topics.detections, topics.forced_measurements])
    done: dict[tuple[str, int], int] = {}
    written_s = time.monotonic()
    try:
        while not is_stopped():
            messages = consume_batch(consumer, limit=_BATCH, timeout_s=_POLL_S)
            for message in messages:
                archive.add(message)
                done[message.topic, message.partition] = message.offset + 1
            is_due = time.monotonic() - written_s >= every_s
            if is_due or archive.n_bytes >= _MOST_BYTES:
                _write(archive, consumer, done)
                written_s = time.monotonic()
            if not messages and not follows and _is_at_end(consumer):
                break
        _write(archive, consumer, done)
    except KafkaException as error:
        raise TransientError(f"Kafka does not answer: {error}") from error
    finally:
        consumer.close()
    return archive.n_records


def _is_at_end(consumer: Consumer) -> bool:
    """Return whether a consumer has its partitions, and all that these have."""
    assigned = consumer.assignment()
    if not assigned:
        return False
    stored = consumer.committed(assigned, timeout=_ANSWER_S)
    for read, committed in zip(consumer.position(assigned), stored, strict=True):
        first, end = consumer.get_watermark_offsets(read, timeout=_ANSWER_S)
        if max(read.offset, committed.offset, first) < end:
            return False
    return True


def _write(archive: Archive, consumer: Consumer, done: dict[tuple[str, int], int]) -> None:
    """Write files, then let the offsets follow."""
    archive.write()
    offsets = [TopicPartition(*place, offset) for place, offset in done.items()]
    if offsets:
        consumer.store_offsets(offsets=offsets)
    done.clear()


def _to_record(message: InMessage, kind: Kind) -> tuple[str, ArchivedRecord]:
    """Return the stream of a record, and the record.

    Raises
    ------
    CodecError
        If it is none.
    """
    if kind == "forced":
        result = decode_forced_measurements(message.value)
        stream, image_id, time_start = result.stream, result.image_id, None
    else:
        record = decode_image_detections(message.value)
        stream, image_id = record.stream, record.image_id
        time_start = record.metadata.time_start if record.metadata else None
    return stream, ArchivedRecord(message.offset, image_id, time_start, message.value)
