"""What was measured in an image, or why it was rejected, as a record of detections-v1."""

from datetime import UTC, datetime
from functools import lru_cache

import numpy as np

from runtime.errors import RejectedMessageError, describe_exception, to_storable_text
from runtime.logging import get_logger
from schemas.messages import (
    ImageDetections,
    ImageMetadata,
    NegativePeaks,
    RmsGrid,
    StageTimes,
)
from schemas.streams import DEFAULT_STREAM, to_stream_name
from services.extract.models import ExtractedImage, FinderParameters, Image, ReceivedImage
from sky.elementary_functions import arccos
from sky.fits import parse_fits
from sky.fits_containers import decompress
from sky.geometry import to_unit_vectors
from sky.header.cards import Cards
from sky.header.errors import HeaderError
from sky.small_matrices import products
from sky.wcs import SkyProjection

__all__ = ["telescope_stream", "to_image_metadata", "to_record", "to_rejection_record"]

# With a false discovery rate the threshold may be infinite; a record needs a finite one.
_HIGHEST_THRESHOLD_SIGMA = 100.0
_WHOLE_HEMISPHERE_DEG = 90.0
# Enough for any header.
_HEAD_BYTES = 256 * 2880


def telescope_stream(telescope: str | None) -> str:
    """Return the stream of an image whose producer names none."""
    return to_stream_name(telescope or "") or DEFAULT_STREAM


def to_record(
    received: ReceivedImage,
    extracted: ExtractedImage,
    parameters: FinderParameters,
    *,
    stream: str,
    negative_peaks: NegativePeaks | None = None,
) -> ImageDetections:
    """Return the record of an accepted image.

    Parameters
    ----------
    received : ReceivedImage
        As it came on Kafka.
    extracted : ExtractedImage
        What was measured in it.
    parameters : FinderParameters
        Settings that it was measured with; the record carries those that later stages need.
    stream : str
        Stream that it belongs to.
    negative_peaks : NegativePeaks or None
        Peaks of the negated image; None: they were not searched.
    """
    extraction = extracted.extraction
    return ImageDetections(
        image_id=received.digest.image_id,
        stream=stream,
        source=received.source,
        verdict="accepted",
        metadata=to_image_metadata(extracted.image),
        rms_jy_beam=extraction.rms_jy_beam,
        detection_threshold_sigma=min(
            extraction.detection_threshold_sigma, _HIGHEST_THRESHOLD_SIGMA
        ),
        margin_px=parameters.margin_px,
        rms_grid=RmsGrid(_cell_px(extracted, parameters), extraction.rms_grid),
        sources=extraction.sources,
        warnings=extracted.image.warnings,
        times=_times(received),
        n_bands=received.n_bands,
        negative_peaks=negative_peaks,
    )


def _cell_px(extracted: ExtractedImage, parameters: FinderParameters) -> int:
    """Return the side of a cell of the noise [px]: the one that is set, unless cells are finer."""
    n_rows, n_pixels = extracted.extraction.rms_grid.shape[0], extracted.image.pixels.shape[0]
    as_set = parameters.background_cell_px
    return as_set if n_rows <= max(1, round(n_pixels / as_set)) else max(1, n_pixels // n_rows)


def to_rejection_record(received: ReceivedImage, error: RejectedMessageError) -> ImageDetections:
    """Return the record of a rejected image: the image ledger counts it with its reason."""
    return ImageDetections(
        image_id=received.digest.image_id,
        stream=received.stream or telescope_stream(_telescope(received)),
        source=received.source,
        verdict="rejected",
        reasons=(error.reason_code,),
        reason_text=to_storable_text(str(error)),
        times=_times(received),
    )


def _telescope(received: ReceivedImage) -> str | None:
    """Return the telescope of an image that may be unreadable."""
    try:
        head = decompress(received.data[:_HEAD_BYTES], max_bytes=_HEAD_BYTES, is_head=True)
        return Cards(parse_fits(head, received.cards).header).text("TELESCOP")
    except HeaderError:
        return None
    except Exception as error:  # noqa: BLE001  (its rejection must be recorded all the same)
        get_logger().warning("telescope_not_read", error=describe_exception(error))
        return None


def _times(received: ReceivedImage) -> StageTimes:
    return StageTimes(
        time_sent=received.time_sent,
        time_appended=received.time_appended,
        time_extracted=datetime.now(UTC),
    )


def to_image_metadata(image: Image) -> ImageMetadata:
    """Return when, where, at what frequency and with what beam an image was taken."""
    rows, columns = image.pixels.shape
    header = image.metadata
    field_ra, field_dec, field_radius_deg = _field(image.projection, rows, columns)
    return ImageMetadata(
        time_start=header.time_start,
        exposure_s=header.exposure_s,
        freq_eff_hz=header.freq_eff_hz,
        freq_bw_hz=header.freq_bw_hz,
        stokes=header.stokes,
        beam_major_deg=header.beam_major_deg,
        beam_minor_deg=header.beam_minor_deg,
        beam_pa_deg=header.beam_pa_deg,
        field_ra=field_ra,
        field_dec=field_dec,
        field_radius_deg=field_radius_deg,
        width_px=columns,
        height_px=rows,
        wcs_header=image.wcs_header,
        telescope=header.telescope,
    )


# A stream has few different projections, and `SkyProjection.of` gives the same for each.
@lru_cache(maxsize=64)
def _field(projection: SkyProjection, rows: int, columns: int) -> tuple[float, float, float]:
    """Return the centre of an image, ICRS, and the distance of its farthest corner [deg]."""
    x = np.array([(columns - 1) / 2, 0.0, columns - 1.0, 0.0, columns - 1.0])
    y = np.array([(rows - 1) / 2, 0.0, 0.0, rows - 1.0, rows - 1.0])
    ra, dec = projection.to_sky(x, y)
    vectors = to_unit_vectors(ra, dec)
    cosines = products(vectors[:, :1].T, vectors[:, 1:])
    radius_deg = float(np.degrees(arccos(float(np.clip(np.min(cosines), -1, 1)))))
    # A corner beyond the projection has no position: the image reaches the horizon.
    if not np.isfinite(radius_deg):
        radius_deg = _WHOLE_HEMISPHERE_DEG
    return float(ra[0]), float(dec[0]), radius_deg
