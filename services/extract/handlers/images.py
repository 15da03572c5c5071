"""images-v1 to detections-v1: one record an image, also for a rejected one."""

import time
from collections.abc import Sequence

from runtime.dead_letters import DeadLetters
from runtime.errors import RejectedMessageError
from runtime.kafka import InMessage, OutMessage
from runtime.logging import get_logger
from schemas.codec import encode_image_detections
from schemas.messages import ImageDetections
from schemas.reasons import ImageReason
from schemas.topics import Topics
from services.extract import metrics
from services.extract.errors import RejectedImageError, SeveralPlanesError
from services.extract.models import ReceivedImage
from services.extract.steps.cubes import plane_messages
from services.extract.steps.image_digest import DigestThread
from services.extract.steps.image_message import invalid_headers, read_message
from services.extract.steps.measurement import ImageMeasurer
from services.extract.steps.records import to_rejection_record

__all__ = ["ImageHandler"]


class ImageHandler:
    """Measures images as they come.

    Parameters
    ----------
    measurer : ImageMeasurer
        Image to record.
    topics : Topics
        Where records and dead letters go.
    cluster_id : str
        Kafka cluster that the images are on.
    splits_cubes : bool
        Whether an image with several planes becomes one image a plane, or is rejected.
    """

    def __init__(
        self,
        measurer: ImageMeasurer,
        topics: Topics,
        cluster_id: str,
        *,
        splits_cubes: bool = True,
    ) -> None:
        self._splits_cubes = splits_cubes
        self._measurer = measurer
        self._topics = topics
        self._dead_letters = DeadLetters(topic=topics.dead_letters, service="extract")
        self._cluster_id = cluster_id
        self._digests = DigestThread()
        # Message that was read last, until it has a result: its bytes are hashed only once.
        self._current: tuple[InMessage, ReceivedImage] | None = None

    def on_image(self, message: InMessage) -> Sequence[OutMessage]:
        """Return the image's record.

        Raises
        ------
        RejectedImageError
            If the image cannot be measured, or fails quality control.
        """
        started_s = time.perf_counter()
        received = self._read(message)
        try:
            record = self._measurer.measure(received)
        except SeveralPlanesError as cube:
            return self._split(message, received, cube)
        _count_ignored(message, received)
        self._current = None
        _report(record, time.perf_counter() - started_s)
        return [self._to_message(record)]

    def _read(self, message: InMessage) -> ReceivedImage:
        if self._current is None or self._current[0] is not message:
            received = read_message(message, self._cluster_id, identify=self._digests.begin)
            self._current = (message, received)
        return self._current[1]

    def _split(
        self, message: InMessage, received: ReceivedImage, cube: SeveralPlanesError
    ) -> Sequence[OutMessage]:
        """Return the planes of a file as images, and the file's own record."""
        _count_ignored(message, received)
        if not self._splits_cubes:
            raise cube
        planes = list(plane_messages(message, received, cube, self._topics.images))
        passed_over = ", ".join(cube.fits.passed_over)
        note = RejectedImageError(
            ImageReason.SPLIT_INTO_PLANES,
            f"{len(planes)} planes were sent as images of their own"
            + (f"; passed over: {passed_over}" if passed_over else ""),
        )
        metrics.IMAGES.labels(note.reason_code).inc()
        self._current = None
        return [*planes, self._to_message(to_rejection_record(received, note))]

    def on_rejected(self, message: InMessage, error: RejectedMessageError) -> Sequence[OutMessage]:
        """Return the dead letter, and the record of the rejection for the image ledger."""
        metrics.IMAGES.labels(error.reason_code).inc()
        received = self._read(message)
        _count_ignored(message, received)
        record = to_rejection_record(received, error)
        self._current = None
        return [self._dead_letters.build(message, error), self._to_message(record)]

    def _to_message(self, record: ImageDetections) -> OutMessage:
        return OutMessage(
            self._topics.detections, record.stream.encode(), encode_image_detections(record)
        )


def _count_ignored(message: InMessage, received: ReceivedImage) -> None:
    """Count the headers that make no sense; by now the identity of the image is known."""
    for name in invalid_headers(message.headers, received):
        metrics.IGNORED_HEADERS.labels(name).inc()


def _report(record: ImageDetections, seconds: float) -> None:
    """Count and log an accepted image."""
    n_sources = len(record.sources)
    for warning in record.warnings:
        metrics.IMAGE_WARNINGS.labels(warning.split()[0]).inc()
    metrics.PROCESSING.observe(seconds)
    metrics.IMAGES.labels("accepted").inc()
    metrics.SOURCES.inc(n_sources)
    get_logger().info(
        "image_extracted",
        image_id=record.image_id,
        stream=record.stream,
        partition=record.source.partition,
        offset=record.source.offset,
        n_sources=n_sources,
        seconds=round(seconds, 4),
        warnings=list(record.warnings),
    )
