"""The Avro messages on Kafka, as frozen dataclasses; `codec` encodes and decodes them."""

from dataclasses import dataclass, field, fields
from datetime import datetime

import numpy as np
import numpy.typing as npt

__all__ = [
    "BoolArray",
    "FloatArray",
    "ForcedColumns",
    "ForcedMeasurements",
    "ForcedRequest",
    "ImageDetections",
    "ImageMetadata",
    "ImageStamps",
    "IntArray",
    "NegativePeaks",
    "PositionColumns",
    "RmsGrid",
    "SourceColumns",
    "SourceEvent",
    "SourceOffset",
    "StageTimes",
    "StampColumns",
    "StampFile",
    "StampRequest",
]

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class SourceOffset:
    """Where on Kafka an image is; with its `image_id`, the key of the image ledger."""

    cluster_id: str
    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class StageTimes:
    """When an image passed each stage, UTC; the alert states them as its latency."""

    time_sent: datetime | None = None
    time_appended: datetime | None = None
    time_extracted: datetime | None = None
    time_associated: datetime | None = None


@dataclass(frozen=True, slots=True)
class ImageMetadata:
    """When, where, at what frequency and with what beam an image was taken."""

    time_start: datetime
    exposure_s: float
    freq_eff_hz: float
    freq_bw_hz: float
    stokes: str
    beam_major_deg: float
    beam_minor_deg: float
    beam_pa_deg: float
    field_ra: float
    field_dec: float
    field_radius_deg: float
    width_px: int
    height_px: int
    wcs_header: str
    telescope: str | None = None


@dataclass(frozen=True, slots=True)
class RmsGrid:
    """The local rms of an image, cell by cell; row 0 is y = 0.

    Parameters
    ----------
    cell_px : int
        Side of a cell [px].
    rms_jy_beam : (rows, columns) float64
        Local rms at the cell centres [Jy/beam]; NaN where blank.
    """

    cell_px: int
    rms_jy_beam: FloatArray


def _no_floats() -> FloatArray:
    return np.empty(0, dtype=np.float64)


def _no_ints() -> IntArray:
    return np.empty(0, dtype=np.int64)


def _check_lengths(
    columns: "SourceColumns | PositionColumns | ForcedColumns | StampColumns",
) -> None:
    lengths = {len(getattr(columns, column.name)) for column in fields(columns)}
    if len(lengths) > 1:
        raise ValueError(f"source columns differ in length: {sorted(lengths)}")


@dataclass(frozen=True, slots=True)
class SourceColumns:
    """The measured sources of one image, one array a quantity, all of length n.

    `ra` and `dec` are ICRS [deg]; errors are 1 sigma on the sky. `p_false` is the probability that
    a source is an artefact of a bright one, from 0 to 1.
    """

    ra: FloatArray = field(default_factory=_no_floats)
    dec: FloatArray = field(default_factory=_no_floats)
    ra_err_deg: FloatArray = field(default_factory=_no_floats)
    dec_err_deg: FloatArray = field(default_factory=_no_floats)
    flux_peak_jy_beam: FloatArray = field(default_factory=_no_floats)
    flux_peak_err_jy_beam: FloatArray = field(default_factory=_no_floats)
    flux_int_jy: FloatArray = field(default_factory=_no_floats)
    flux_int_err_jy: FloatArray = field(default_factory=_no_floats)
    snr: FloatArray = field(default_factory=_no_floats)
    rms_local_jy_beam: FloatArray = field(default_factory=_no_floats)
    major_arcsec: FloatArray = field(default_factory=_no_floats)
    minor_arcsec: FloatArray = field(default_factory=_no_floats)
    pa_deg: FloatArray = field(default_factory=_no_floats)
    quality_flags: IntArray = field(default_factory=_no_ints)
    p_false: FloatArray = field(default_factory=_no_floats)

    def __len__(self) -> int:
        """Return the number of sources."""
        return int(self.ra.size)

    def __post_init__(self) -> None:
        """Refuse columns of different lengths."""
        _check_lengths(self)


@dataclass(frozen=True, slots=True)
class PositionColumns:
    """Positions to be measured, all of length n; `ra` and `dec` are ICRS [deg].

    `position_id` is the requester's number, `extraction_type` is ``forced``, ``monitor`` or
    ``lookback``: the last is measured only where the pixels are kept.
    """

    position_id: IntArray = field(default_factory=_no_ints)
    extraction_type: tuple[str, ...] = ()
    ra: FloatArray = field(default_factory=_no_floats)
    dec: FloatArray = field(default_factory=_no_floats)

    def __post_init__(self) -> None:
        """Refuse columns of different lengths."""
        _check_lengths(self)


@dataclass(frozen=True, slots=True)
class ForcedColumns:
    """Fluxes at positions, all of length n; NaN where `reason` is not empty."""

    position_id: IntArray = field(default_factory=_no_ints)
    extraction_type: tuple[str, ...] = ()
    ra: FloatArray = field(default_factory=_no_floats)
    dec: FloatArray = field(default_factory=_no_floats)
    flux_peak_jy_beam: FloatArray = field(default_factory=_no_floats)
    flux_peak_err_jy_beam: FloatArray = field(default_factory=_no_floats)
    rms_local_jy_beam: FloatArray = field(default_factory=_no_floats)
    reason: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse columns of different lengths."""
        _check_lengths(self)

    @property
    def is_look_back(self) -> BoolArray:
        """Which positions (n,) were measured in an image from before their first detection."""
        return np.array([kind == "lookback" for kind in self.extraction_type], np.bool_)


@dataclass(frozen=True, slots=True)
class ForcedRequest:
    """Topic `forced-requests-v1`: positions to measure in one image."""

    image_id: str
    stream: str
    source: SourceOffset
    positions: PositionColumns


@dataclass(frozen=True, slots=True)
class ForcedMeasurements:
    """Topic `forced-measurements-v1`: the answer to a request.

    `missing_reason` is the reason code if the image could not be measured, such as
    ``image_gone``; else None.
    """

    image_id: str
    stream: str
    source: SourceOffset
    missing_reason: str | None = None
    measurements: ForcedColumns = field(default_factory=ForcedColumns)


@dataclass(frozen=True, slots=True)
class StampColumns:
    """Stamps to be cut, all of length n; `ra` and `dec` are their centres, ICRS [deg]."""

    stamp_id: tuple[str, ...] = ()
    ra: FloatArray = field(default_factory=_no_floats)
    dec: FloatArray = field(default_factory=_no_floats)

    def __post_init__(self) -> None:
        """Refuse columns of different lengths."""
        _check_lengths(self)


@dataclass(frozen=True, slots=True)
class StampRequest:
    """Topic `stamp-requests-v1`: stamps to cut from one image."""

    image_id: str
    stream: str
    source: SourceOffset
    stamps: StampColumns


@dataclass(frozen=True, slots=True)
class StampFile:
    """A stamp as the bytes of a FITS file; they are empty where `reason` is not."""

    stamp_id: str
    reason: str = ""
    data: bytes = b""


@dataclass(frozen=True, slots=True)
class ImageStamps:
    """Topic `stamps-v1`: the answer to a request for stamps."""

    image_id: str
    stream: str
    source: SourceOffset
    stamps: tuple[StampFile, ...] = ()


@dataclass(frozen=True, slots=True)
class NegativePeaks:
    """Peaks of the negated image beyond the detection threshold, which no source makes.

    Parameters
    ----------
    n_peaks : int
        How many, without those around a source 100 times brighter [-].
    snr : tuple of float
        S/N of the strongest of them, at most 32, descending [-].
    searched_deg2 : float
        Area in which sources and they were searched [deg^2].
    """

    n_peaks: int
    snr: tuple[float, ...]
    searched_deg2: float


@dataclass(frozen=True, slots=True)
class ImageDetections:
    """Topic `detections-v1`: one record an image, accepted or rejected.

    `metadata`, `rms_grid` and what follows from the measurement are None for a rejected image.
    `margin_px` is the border in which no sources were searched [px]; `warnings` are the
    doubtful values of the image: ignored cards, constants taken for blank. `n_bands` is how many
    images (bands and Stokes parameters) a timestep of the stream has, if its producer says so.
    `negative_peaks` are None where they were not searched, and in Stokes Q, U and V.
    """

    image_id: str
    stream: str
    source: SourceOffset
    verdict: str
    reasons: tuple[str, ...] = ()
    reason_text: str | None = None
    metadata: ImageMetadata | None = None
    rms_jy_beam: float | None = None
    detection_threshold_sigma: float | None = None
    margin_px: int | None = None
    rms_grid: RmsGrid | None = None
    sources: SourceColumns = field(default_factory=SourceColumns)
    times: StageTimes = field(default_factory=StageTimes)
    warnings: tuple[str, ...] = ()
    n_bands: int | None = None
    negative_peaks: NegativePeaks | None = None


@dataclass(frozen=True, slots=True)
class SourceEvent:
    """Topic `transients-v1`: an event of a source; rules decide whether it becomes an alert."""

    event_id: str
    trig_id: str
    kind: str
    certainty: str
    stream: str
    transient_id: int
    source_id: int
    image_id: str
    source_number: int
    time_start: datetime
    exposure_s: float
    freq_eff_hz: float
    freq_bw_hz: float
    stokes: str
    beam_major_deg: float
    beam_minor_deg: float
    beam_pa_deg: float
    ra: float
    dec: float
    ra_err_deg: float
    dec_err_deg: float
    flux_peak_jy_beam: float
    flux_peak_err_jy_beam: float
    flux_int_jy: float
    flux_int_err_jy: float
    snr: float
    rms_local_jy_beam: float
    quality_flags: int
    extraction_type: str
    eta: float | None
    v: float | None
    n_datapoints: int
    n_bands: int
    limit_previous_jy_beam: float | None = None
    telescope: str | None = None
    times: StageTimes = field(default_factory=StageTimes)
    transient_kind: str = ""
    note: str | None = None
    edge_distance_deg: float | None = None
    eta_peak: float | None = None
    v_peak: float | None = None
    eta_blind: float | None = None
    v_blind: float | None = None
    eta_peak_blind: float | None = None
    v_peak_blind: float | None = None
    n_forced: int = 0
    n_episodes: int = 1
    earlier_trig_ids: tuple[str, ...] = ()
    flux_expected_jy_beam: float | None = None
    flux_expected_err_jy_beam: float | None = None
    trigger: str = ""
    trigger_sigma: float | None = None
    look_back: str = ""
    n_look_back: int = 0
    flux_previous_jy_beam: float | None = None
    flux_previous_err_jy_beam: float | None = None
    time_previous: datetime | None = None
    position_systematic_err_deg: float | None = None
    time_limit_previous: datetime | None = None
    p_false: float | None = None
    rate_arcsec_s: float | None = None
    rate_err_arcsec_s: float | None = None
    direction_deg: float | None = None
