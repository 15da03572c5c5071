"""Forced photometry on request: find the image, measure the positions, return the fluxes."""

import re

import numpy as np

from runtime.errors import RejectedMessageError
from runtime.logging import get_logger
from schemas.messages import ForcedColumns, ForcedMeasurements, ForcedRequest, SourceOffset
from schemas.reasons import ForcedReason, MessageReason
from schemas.streams import to_stream_name
from services.extract.errors import RejectedImageError
from services.extract.models import ExtractedImage
from services.extract.steps.forced import measure_positions
from services.extract.steps.images_again import FetchMessage, ImagesAgain
from services.extract.steps.measurement import ImageMeasurer

__all__ = ["ForcedPhotometry", "check_request", "find_fault", "without_fluxes"]

_SHA256 = re.compile(r"[0-9a-f]{64}")
_LOOK_BACK = "lookback"
# Some count right ascension from -180, or beyond 360.
_LARGEST_RA_DEG, _POLE_DEG = 720.0, 90.0
_EXTRACTION_TYPES = frozenset({"forced", "monitor", _LOOK_BACK})


class ForcedPhotometry:
    """Answers requests for fluxes at positions of an image.

    Parameters
    ----------
    measurer : ImageMeasurer
        Has the latest images in memory, and can extract an older one again.
    fetch_message : callable
        Reads one message of a topic again, by partition and offset; None if Kafka has deleted
        it.
    images_topic : str
        Topic of the images that can be read again.
    cluster_id : str
        Kafka cluster that the images are on.
    """

    def __init__(
        self,
        measurer: ImageMeasurer,
        fetch_message: FetchMessage,
        images_topic: str,
        cluster_id: str,
    ) -> None:
        self._measurer = measurer
        self._again = ImagesAgain(fetch_message, images_topic, cluster_id)

    def measure(self, request: ForcedRequest) -> ForcedMeasurements:
        """Return the fluxes at the requested positions, or the reason why there are none."""
        is_look_back = set(request.positions.extraction_type) == {_LOOK_BACK}
        try:
            extracted = (
                self._find_kept(request.source, request.image_id)
                if is_look_back
                else self._find_image(request.source, request.image_id)
            )
        except RejectedImageError as error:
            if is_look_back:
                return without_fluxes(request, error.reason_code)
            get_logger().warning(
                "forced_image_missing",
                image_id=request.image_id,
                reason=error.reason_code,
                error=str(error),
            )
            return without_fluxes(request, error.reason_code)
        return _to_measurements(request, extracted)

    def _find_kept(self, source: SourceOffset, image_id: str) -> ExtractedImage:
        """Return an image for a look back: no image is extracted twice here for that.

        One that this process never had, for it was restarted, is read from Kafka: while new images
        wait requests have a share of the time.
        """
        kept = self._measurer.kept(image_id)
        if kept is not None:
            return kept
        if self._measurer.has_had(image_id):
            raise RejectedImageError(
                ForcedReason.NOT_KEPT, "the pixels of the image are no longer kept"
            )
        return self._read_again(source, image_id)

    def _find_image(self, source: SourceOffset, image_id: str) -> ExtractedImage:
        """Return the image from memory, else read it from Kafka again and extract it."""
        recent = self._measurer.recent(image_id)
        return self._read_again(source, image_id) if recent is None else recent

    def _read_again(self, source: SourceOffset, image_id: str) -> ExtractedImage:
        """Return an image from Kafka."""
        return self._measurer.extract(self._again.read(source, image_id))


def check_request(request: ForcedRequest) -> None:
    """Refuse a request whose answer nobody could store.

    Raises
    ------
    RejectedMessageError
        Code ``bad_record``; the text names the field.
    """
    unknown = set(request.positions.extraction_type) - _EXTRACTION_TYPES
    what: str | None
    if unknown:
        what = f"extraction_type {min(unknown)[:40]!r} is none of forced, monitor, lookback"
    else:
        what = find_fault(request.stream, request.image_id)
    if what is not None:
        raise RejectedMessageError(
            MessageReason.BAD_RECORD, f"request of forced-requests-v1: {what}"
        )


def find_fault(stream: str, image_id: str) -> str | None:
    """Return what is wrong with the names of a stream and an image; None if nothing is."""
    if to_stream_name(stream) != stream:
        return f"stream {stream[:80]!r} is no name of a stream"
    if not _SHA256.fullmatch(image_id):
        return f"image_id {image_id[:80]!r} is no sha256"
    return None


def _to_measurements(request: ForcedRequest, extracted: ExtractedImage) -> ForcedMeasurements:
    positions = request.positions
    # A position that is none has no pixel, so its reason is that it is outside.
    on_sky = (np.abs(positions.ra) <= _LARGEST_RA_DEG) & (np.abs(positions.dec) <= _POLE_DEG)
    ra, dec = (np.where(on_sky, each, np.nan) for each in (positions.ra, positions.dec))
    fluxes = measure_positions(extracted.image, extracted.extraction, ra, dec)
    return ForcedMeasurements(
        request.image_id,
        request.stream,
        request.source,
        measurements=ForcedColumns(
            position_id=positions.position_id,
            extraction_type=positions.extraction_type,
            ra=positions.ra,
            dec=positions.dec,
            flux_peak_jy_beam=fluxes.flux_peak_jy_beam,
            flux_peak_err_jy_beam=fluxes.flux_peak_err_jy_beam,
            rms_local_jy_beam=fluxes.rms_local_jy_beam,
            reason=fluxes.reason,
        ),
    )


def without_fluxes(request: ForcedRequest, reason: str) -> ForcedMeasurements:
    """Return an answer in which every position has the same reason instead of a flux."""
    positions = request.positions
    n = len(positions.extraction_type)
    blank = np.full(n, np.nan)
    return ForcedMeasurements(
        request.image_id,
        request.stream,
        request.source,
        missing_reason=reason,
        measurements=ForcedColumns(
            position_id=positions.position_id,
            extraction_type=positions.extraction_type,
            ra=positions.ra,
            dec=positions.dec,
            flux_peak_jy_beam=blank,
            flux_peak_err_jy_beam=blank,
            rms_local_jy_beam=blank,
            reason=(reason,) * n,
        ),
    )
