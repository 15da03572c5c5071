"""detections-v1 to files: one an accepted image."""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from runtime.errors import RejectedMessageError
from runtime.kafka import InMessage, OutMessage
from runtime.logging import get_logger
from schemas.codec import CodecError, decode_image_detections
from schemas.messages import ImageDetections
from services.archive.metrics import ARCHIVING, IMAGES, WRITTEN_BYTES
from services.archive.steps.archiving import ARCHIVED, Archiver, Rows
from services.archive.steps.retention import ArchiveRetention

__all__ = ["RecordHandler"]


class RecordHandler:
    """Archives the images of records; it sends nothing.

    A record that cannot be read is a dead letter of the associator, so it is none here.

    Parameters
    ----------
    archiver : Archiver
        Record to file and row.
    rows : Rows
        For what cannot be archived.
    retention : ArchiveRetention
        Makes room, before each image and while none comes.
    wait : callable
        Gives a context in which somebody else is waited for.
    """

    def __init__(
        self,
        archiver: Archiver,
        rows: Rows,
        retention: ArchiveRetention,
        wait: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._archiver = archiver
        self._rows = rows
        self._retention = retention
        self._wait = wait

    def on_record(self, message: InMessage) -> Sequence[OutMessage]:
        """Archive the image of one record.

        Raises
        ------
        RejectedMessageError
            Code ``bad_avro`` if the message is no record.
        TransientError
            If Kafka, the store or the database is away.
        """
        with self._wait():
            self._retention.delete_if_due()
        record = _read(message)
        if record.verdict != "accepted" or record.metadata is None:
            return []
        started_s = time.monotonic()
        outcome, n_bytes = self._archiver.archive(record, record.metadata)
        IMAGES.labels(outcome).inc()
        WRITTEN_BYTES.inc(n_bytes)
        if outcome == ARCHIVED:
            seconds = time.monotonic() - started_s
            ARCHIVING.observe(seconds)
            get_logger().info(
                "image_archived", image_id=record.image_id, n_bytes=n_bytes, seconds=seconds
            )
        return []

    def on_rejected(self, message: InMessage, error: RejectedMessageError) -> Sequence[OutMessage]:
        """Book an image that ended processes, or that nobody expected, as not archived."""
        IMAGES.labels(error.reason_code).inc()
        try:
            record = _read(message)
            if record.verdict == "accepted" and record.metadata is not None:
                self._rows.add_missing(record, error.reason_code)
        except RejectedMessageError as unread:
            get_logger().warning("unarchived_image_not_booked", error=str(unread))
        return []


def _read(message: InMessage) -> ImageDetections:
    try:
        return decode_image_detections(message.value)
    except CodecError as error:
        raise RejectedMessageError("bad_avro", str(error)) from error
