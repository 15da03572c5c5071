"""Forced photometry on request: positions in, fluxes out, for images that came before."""

from collections.abc import Callable, Sequence

import numpy as np

from runtime.dead_letters import DeadLetters
from runtime.errors import RejectedMessageError
from runtime.kafka import InMessage, OutMessage
from runtime.logging import get_logger
from schemas.codec import CodecError, decode_forced_request, encode_forced_measurements
from schemas.messages import ForcedColumns, ForcedMeasurements, ForcedRequest, SourceOffset
from schemas.topics import Topics
from services.extract import metrics
from services.extract.errors import RejectedImageError
from services.extract.handlers.images import ImageHandler, identify
from services.extract.models import ExtractedImage
from services.extract.steps.forced import measure_positions

__all__ = ["ForcedHandler"]


class ForcedHandler:
    """Turns requests into measurements.

    Parameters
    ----------
    images : ImageHandler
        Has the images that were extracted lately, and can extract one again.
    fetch_image : callable
        Reads one message of a topic again, by partition and offset; None if Kafka has let go
        of it.
    topics : Topics
        Where answers go.
    cluster_id : str
        Kafka cluster the images are on.
    """

    def __init__(
        self,
        images: ImageHandler,
        fetch_image: Callable[[str, int, int], InMessage | None],
        topics: Topics,
        cluster_id: str,
    ) -> None:
        self._images = images
        self._fetch_image = fetch_image
        self._topics = topics
        self._dead_letters = DeadLetters(topic=topics.dead_letters, service="extract")
        self._cluster_id = cluster_id

    def on_request(self, message: InMessage) -> Sequence[OutMessage]:
        """Return the answer to one request.

        Raises
        ------
        RejectedMessageError
            Code ``bad_avro`` if it is no request.
        """
        try:
            request = decode_forced_request(message.value)
        except CodecError as error:
            raise RejectedMessageError("bad_avro", str(error)) from error
        answer = self._answer(request)
        metrics.FORCED.labels(answer.missing_reason or "measured").inc(
            len(request.positions.extraction_type)
        )
        value = encode_forced_measurements(answer)
        return [OutMessage(self._topics.forced_measurements, request.stream.encode(), value)]

    def on_rejected(self, message: InMessage, error: RejectedMessageError) -> Sequence[OutMessage]:
        """Return the dead letter."""
        return [self._dead_letters.build(message, error)]

    def _answer(self, request: ForcedRequest) -> ForcedMeasurements:
        try:
            extracted = self._extracted(request.source, request.image_id)
        except RejectedImageError as error:
            get_logger().warning(
                "forced_image_missing",
                image_id=request.image_id,
                reason=error.reason_code,
                error=str(error),
            )
            return _missing(request, error.reason_code)
        wanted = request.positions
        fluxes = measure_positions(extracted.image, extracted.extraction, wanted.ra, wanted.dec)
        return ForcedMeasurements(
            request.image_id,
            request.stream,
            request.source,
            measurements=ForcedColumns(
                position_id=wanted.position_id,
                extraction_type=wanted.extraction_type,
                ra=wanted.ra,
                dec=wanted.dec,
                flux_peak_jy_beam=fluxes.flux_peak_jy_beam,
                flux_peak_err_jy_beam=fluxes.flux_peak_err_jy_beam,
                rms_local_jy_beam=fluxes.rms_local_jy_beam,
                reason=fluxes.reason,
            ),
        )

    def _extracted(self, source: SourceOffset, image_id: str) -> ExtractedImage:
        """Return the image from memory, or read it from Kafka again."""
        recent = self._images.recent(image_id)
        if recent is not None:
            return recent
        if (source.cluster_id, source.topic) != (self._cluster_id, self._topics.images):
            raise RejectedImageError(
                "image_elsewhere",
                f"the image was on topic {source.topic} of cluster {source.cluster_id}, not here",
            )
        message = self._fetch_image(source.topic, source.partition, source.offset)
        if message is None or identify(message) != image_id:
            raise RejectedImageError(
                "image_gone",
                f"{source.topic} no longer holds the image at partition {source.partition}, "
                f"offset {source.offset}: its retention has passed",
            )
        return self._images.extract(message)


def _missing(request: ForcedRequest, reason: str) -> ForcedMeasurements:
    """Return an answer without fluxes: every position has the reason."""
    wanted = request.positions
    n = len(wanted.extraction_type)
    nothing = np.full(n, np.nan)
    return ForcedMeasurements(
        request.image_id,
        request.stream,
        request.source,
        reason,
        ForcedColumns(
            wanted.position_id, wanted.extraction_type, wanted.ra, wanted.dec,
            nothing, nothing, nothing, (reason,) * n,
        ),
    )  # fmt: skip
