"""The measurement of an image: checks, source finding, quality control, record."""

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from runtime.settings import ExtractSettings, ImageLimits
from schemas.messages import ImageDetections, NegativePeaks
from schemas.reasons import ImageReason
from services.extract import metrics
from services.extract.errors import RejectedImageError
from services.extract.models import ExtractedImage, FinderParameters, Image, ReceivedImage
from services.extract.steps.beam_map import read_beam_map, with_beam_map
from services.extract.steps.catalogue import extract_sources
from services.extract.steps.image import open_image
from services.extract.steps.image_message import check_sha256, check_size
from services.extract.steps.negative_peaks import find_negative_peaks
from services.extract.steps.positions import read_positions
from services.extract.steps.quality import QualityControl, QualityLimits
from services.extract.steps.recent_images import RecentImages
from services.extract.steps.records import telescope_stream, to_record
from sky.header.errors import HeaderError
from sky.header.times import check_exposure

__all__ = ["ImageMeasurer"]

_PREFIX = "LIVETRAP_EXTRACT__"


class ImageMeasurer:
    """Measures images; keeps the latest ones for forced photometry.

    Parameters
    ----------
    settings : ExtractSettings
        Source finding and quality control.
    limits : ImageLimits
        What every image must satisfy.
    disk : Path or None
        Folder for the pixels of images that have left memory; None: they are not kept.

    Raises
    ------
    SettingsError
        If the map of beams or the list of bright sources cannot be read.
    """

    def __init__(
        self, settings: ExtractSettings, limits: ImageLimits, *, disk: Path | None = None
    ) -> None:
        self._parameters = FinderParameters(**_values(FinderParameters, settings))
        self._quality = QualityControl(QualityLimits(**_values(QualityLimits, settings)))
        self._recent = RecentImages(
            settings.recent_images_mb * 1_000_000,
            folder=disk,
            max_disk_bytes=settings.recent_images_disk_mb * 1_000_000,
        )
        psf_map, bright = settings.psf_map, settings.bright_positions
        self._beam_map = read_beam_map(psf_map, name=f"{_PREFIX}PSF_MAP") if psf_map else None
        self._bright_positions = (
            read_positions(bright, name=f"{_PREFIX}BRIGHT_POSITIONS") if bright else None
        )
        self._count_negative = settings.count_negative
        self._limits = limits

    def measure(self, received: ReceivedImage) -> ImageDetections:
        """Return the record of an image.

        Raises
        ------
        SeveralPlanesError
            If it is a cube.
        RejectedImageError
            If it cannot be measured, or fails quality control.
        """
        check_size(received, self._limits.max_image_bytes)
        self._recent.make_room(len(received.data))
        try:
            extracted = self._extract_checked(received)
        finally:
            # Last, as it waits for the hash; what is found in damaged bytes is their fault.
            check_sha256(received)
        self._recent.put(received.digest.image_id, extracted)
        stream = received.stream or telescope_stream(extracted.image.metadata.telescope)
        self._check_quality(stream, extracted)
        negative = self._find_negative_peaks(extracted) if self._count_negative else None
        return to_record(
            received, extracted, self._parameters, stream=stream, negative_peaks=negative
        )

    def extract(self, received: ReceivedImage) -> ExtractedImage:
        """Return the sources of an image without quality control, and keep it in memory.

        Raises
        ------
        RejectedImageError
            If it cannot be measured.
        """
        self._recent.make_room(len(received.data))
        extracted = self._extract(self.open(received))
        self._recent.put(received.digest.image_id, extracted)
        return extracted

    def open(self, received: ReceivedImage) -> Image:
        """Return an image without its sources.

        Raises
        ------
        RejectedImageError
            If it cannot be measured.
        """
        image = open_image(received.data, received.cards, max_bytes=self._limits.max_image_bytes)
        self._check_exposure(image)
        image = replace(image, bright_positions=self._bright_positions)
        return with_beam_map(image, self._beam_map) if self._beam_map else image

    def _extract_checked(self, received: ReceivedImage) -> ExtractedImage:
        image = self.open(received)
        # What needs no sources is checked before they are searched.
        self._quality.check_image(image)
        return self._extract(image)

    def _extract(self, image: Image) -> ExtractedImage:
        return ExtractedImage(image, extract_sources(image, self._parameters))

    def reset(self) -> None:
        """Drop the images in memory."""
        self._recent.clear()

    def recent(self, image_id: str) -> ExtractedImage | None:
        """Return an image that was extracted lately, None if it is no longer kept."""
        return self._recent.get(image_id)

    def kept(self, image_id: str) -> ExtractedImage | None:
        """Return an image for a look back, None if its pixels are no longer kept."""
        return self._recent.look_back(image_id)

    def at_hand(self, image_id: str) -> Image | None:
        """Return an image whose pixels are kept, None if there is none."""
        extracted = self._recent.peek(image_id)
        return None if extracted is None else extracted.image

    def has_had(self, image_id: str) -> bool:
        """Return whether an image was extracted by this process."""
        return self._recent.has_had(image_id)

    def _check_exposure(self, image: Image) -> None:
        latest = datetime.now(UTC) + timedelta(seconds=self._limits.max_future_s)
        try:
            check_exposure(image.metadata.time_start, image.metadata.exposure_s, latest=latest)
        except HeaderError as error:
            raise RejectedImageError(ImageReason(error.code), str(error)) from error

    def _check_quality(self, stream: str, extracted: ExtractedImage) -> None:
        image, extraction = extracted.image, extracted.extraction
        self._quality.check_count(len(extraction.sources))
        self._quality.check_snr(extraction.sources.snr)
        self._quality.check_rms(stream, image, extraction.rms_jy_beam)

    def _find_negative_peaks(self, extracted: ExtractedImage) -> NegativePeaks | None:
        found = find_negative_peaks(extracted, self._parameters)
        if found is not None:
            metrics.NEGATIVE_PEAKS.inc(found.n_peaks)
        return found


def _values(
    kind: type[FinderParameters | QualityLimits], settings: ExtractSettings
) -> dict[str, Any]:
    """Return the fields of `kind`; the settings of the same names set them."""
    return {each.name: getattr(settings, each.name) for each in fields(kind)}
