"""images-v1 to detections-v1: one record an image, also for a rejected one."""

import time
from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import UTC, datetime

import numpy as np

from runtime.dead_letters import DeadLetters
from runtime.errors import RejectedMessageError
from runtime.kafka import InMessage, OutMessage
from runtime.logging import get_logger
from runtime.settings import ExtractProcessSettings
from schemas.codec import encode_image_detections
from schemas.identity import image_id
from schemas.messages import (
    ImageDetections,
    ImageMetadata,
    RmsGrid,
    SourceOffset,
    StageTimes,
)
from schemas.topics import Topics
from services.extract import metrics
from services.extract.errors import RejectedImageError
from services.extract.models import ExtractedImage, FinderParameters, Image
from services.extract.steps.catalogue import extract_sources
from services.extract.steps.image import open_image
from services.extract.steps.peaks import count_negative_peaks
from services.extract.steps.quality import QualityControl, QualityLimits
from services.extract.steps.recent import RecentImages
from sky.wcs import to_unit_vectors

__all__ = ["ImageHandler", "identify", "to_image_metadata"]

# A false discovery rate may find that nothing is real; records hold finite thresholds only.
_HIGHEST_THRESHOLD_SIGMA = 100.0


class ImageHandler:
    """Measure images as they come.

    Parameters
    ----------
    settings : ExtractProcessSettings
        Section `extract` is used.
    topics : Topics
        Where results go.
    cluster_id : str
        Kafka cluster the images are on.
    """

    def __init__(self, settings: ExtractProcessSettings, topics: Topics, cluster_id: str) -> None:
        # The settings bear the names of the fields.
        extract_settings = settings.extract.model_dump()
        self._parameters = FinderParameters(
            **{each.name: extract_settings[each.name] for each in fields(FinderParameters)}
        )
        self._recent = RecentImages(settings.extract.recent_images_mb * 1_000_000)
        self._counts_negative = settings.extract.count_negative
        self._quality = QualityControl(
            QualityLimits(
                **{each.name: extract_settings[each.name] for each in fields(QualityLimits)}
            )
        )
        self._max_bytes = settings.extract.max_image_bytes
        self._topics = topics
        self._dead_letters = DeadLetters(topic=topics.dead_letters, service="extract")
        self._cluster_id = cluster_id

    def on_image(self, message: InMessage) -> Sequence[OutMessage]:
        """Return the image's record.

        Raises
        ------
        RejectedMessageError
            If it is no image that can be measured.
        """
        started_s = time.perf_counter()
        _check_size(message.value, self._max_bytes)
        _check_hash(message)
        extracted = self.extract(message)
        image, extraction = extracted.image, extracted.extraction
        self._quality.check_image(image)
        sources, rms_grid = extraction.sources, extraction.rms_grid
        self._quality.check_count(len(sources))
        rms_jy_beam = float(np.median(rms_grid))
        self._quality.check_rms(_stream(message), image, rms_jy_beam)
        record = replace(
            self._record(message, "accepted"),
            metadata=to_image_metadata(image),
            rms_jy_beam=rms_jy_beam,
            detection_threshold_sigma=min(
                extraction.detection_threshold_sigma, _HIGHEST_THRESHOLD_SIGMA
            ),
            margin_px=self._parameters.margin_px,
            rms_grid=RmsGrid(self._parameters.background_cell_px, rms_grid),
            sources=sources,
        )
        if self._counts_negative:
            negative = count_negative_peaks(
                image.pixels, extraction.background_grid, rms_grid, self._parameters
            )
            metrics.NEGATIVE_PEAKS.inc(negative)
        seconds = time.perf_counter() - started_s
        metrics.PROCESSING.observe(seconds)
        metrics.IMAGES.labels("accepted").inc()
        metrics.SOURCES.inc(len(sources))
        get_logger().info(
            "image_extracted",
            image_id=record.image_id,
            stream=record.stream,
            partition=message.partition,
            offset=message.offset,
            n_sources=len(sources),
            seconds=round(seconds, 4),
        )
        return [self._to_message(record)]

    def extract(self, message: InMessage) -> ExtractedImage:
        """Return what is in an image, and keep it at hand for a while.

        Raises
        ------
        RejectedImageError
            If it is no image that can be measured.
        """
        image = open_image(message.value, _cards(message))
        extracted = ExtractedImage(image, extract_sources(image, self._parameters))
        self._recent.put(identify(message), extracted)
        return extracted

    def recent(self, image_id: str) -> ExtractedImage | None:
        """Return an image that was extracted lately, if it is still at hand."""
        return self._recent.get(image_id)

    def on_rejected(self, message: InMessage, error: RejectedMessageError) -> Sequence[OutMessage]:
        """Return the dead letter, and the record that books it in the ledger."""
        metrics.IMAGES.labels(error.reason_code).inc()
        record = replace(
            self._record(message, "rejected"),
            reasons=(error.reason_code,),
            reason_text=str(error),
        )
        return [self._dead_letters.build(message, error), self._to_message(record)]

    def _record(self, message: InMessage, verdict: str) -> ImageDetections:
        return ImageDetections(
            image_id=identify(message),
            stream=_stream(message),
            source=SourceOffset(
                self._cluster_id, message.topic, message.partition, message.offset
            ),
            verdict=verdict,
            times=StageTimes(
                time_sent=_time_sent(message),
                time_appended=message.time_appended,
                time_extracted=datetime.now(UTC),
            ),
        )

    def _to_message(self, record: ImageDetections) -> OutMessage:
        return OutMessage(
            self._topics.detections, record.stream.encode(), encode_image_detections(record)
        )


def identify(message: InMessage) -> str:
    """Return the identity of the image in a message: its bytes and the cards beside them."""
    return image_id(message.value, _cards(message))


def _stream(message: InMessage) -> str:
    """Return the stream: the header's, else the key's, as a producer may set only one."""
    from_key = message.key.decode("utf-8", "replace").rsplit(":", 1)[0]
    return message.headers.get("stream") or from_key or "default"


def _cards(message: InMessage) -> dict[str, str]:
    return {
        name.removeprefix("fits:"): value
        for name, value in message.headers.items()
        if name.startswith("fits:")
    }


def _check_size(data: bytes, max_bytes: int) -> None:
    if len(data) > max_bytes:
        raise RejectedImageError(
            "too_large",
            f"the image has {len(data)} bytes, the limit is {max_bytes} "
            "(LIVETRAP_EXTRACT__MAX_IMAGE_BYTES)",
        )


def _check_hash(message: InMessage) -> None:
    promised = message.headers.get("sha256")
    if promised and promised.lower() != image_id(message.value, {}):
        raise RejectedImageError(
            "damaged", "the bytes do not have the sha256 that their header promises; send it again"
        )


def _time_sent(message: InMessage) -> datetime | None:
    try:
        moment = datetime.fromisoformat(message.headers.get("t-sent", ""))
    except ValueError:
        return None
    return moment.replace(tzinfo=moment.tzinfo or UTC)


def to_image_metadata(image: Image) -> ImageMetadata:
    """Return what the record says of the image."""
    rows, columns = image.pixels.shape
    x = np.array([(columns - 1) / 2, 0.0, columns - 1.0, 0.0, columns - 1.0])
    y = np.array([(rows - 1) / 2, 0.0, 0.0, rows - 1.0, rows - 1.0])
    ra, dec = image.projection.to_sky(x, y)
    vectors = to_unit_vectors(ra, dec)
    cosines = vectors[:, 0] @ vectors[:, 1:]
    # A corner beyond the projection has no place: the image reaches the horizon.
    radius = float(np.degrees(np.arccos(np.clip(np.min(cosines), -1, 1))))
    header = image.metadata
    return ImageMetadata(
        time_start=header.time_start,
        exposure_s=header.exposure_s,
        freq_eff_hz=header.freq_eff_hz,
        freq_bw_hz=header.freq_bw_hz,
        stokes=header.stokes,
        beam_major_deg=header.beam_major_deg,
        beam_minor_deg=header.beam_minor_deg,
        beam_pa_deg=header.beam_pa_deg,
        field_ra=float(ra[0]),
        field_dec=float(dec[0]),
        field_radius_deg=radius if np.isfinite(radius) else 90.0,
        width_px=columns,
        height_px=rows,
        wcs_header=image.wcs_header,
        telescope=header.telescope,
    )
