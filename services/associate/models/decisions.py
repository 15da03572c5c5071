"""What a timestep changes, decided and not yet written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import numpy as np
import numpy.typing as npt

from schemas.messages import (
    BoolArray,
    FloatArray,
    ForcedRequest,
    ImageDetections,
    IntArray,
    SourceEvent,
)
from services.associate.models.catalogue import ChannelKey, RowArray
from services.associate.models.look_back import LookBackRow
from services.associate.models.solutions import NO_SOLUTION, ImageSolution
from services.associate.models.timesteps import ExpectedChannel, LedgerEntry
from services.associate.models.tracks import TrackRows
from services.associate.models.waiting import NO_DOUBT, Doubtful, WaitingRow

__all__ = [
    "ArchiveLimits",
    "Columns",
    "CoverageRows",
    "Decisions",
    "DetectionRows",
    "EpisodeRows",
    "ForcedDecisions",
    "ForcedOutcome",
    "ForcedTargets",
    "ImageRequest",
    "ImageRow",
    "MonitorSource",
    "Notification",
    "NullDetectionRows",
    "Retraction",
    "SourceRows",
    "StatisticsRows",
    "TransientRow",
]

# Rows of a table by the names of its columns, (n,) each; None: null in every row.
Columns = Mapping[str, npt.NDArray[np.generic] | None]


@dataclass(frozen=True, slots=True)
class ImageRow:
    """An image to store."""

    image_key: int
    band_id: int | None
    record: ImageDetections
    solution: ImageSolution = NO_SOLUTION


@dataclass(frozen=True, slots=True)
class StatisticsRows:
    """Light-curve statistics of one channel; `is_stored`: which of the rows the database has."""

    key: ChannelKey
    rows: RowArray
    is_stored: BoolArray


@dataclass(frozen=True, slots=True)
class DetectionRows:
    """The blind detections of one image, by the parameters of their statement; (n,) each."""

    image_key: int
    key: ChannelKey
    time_start: datetime
    columns: Columns


@dataclass(frozen=True, slots=True)
class SourceRows:
    """Rows of the tables `source`, `source_band`, `detection` and `shared_detection`.

    Parameters
    ----------
    created : sequence of Columns
        New rows of `source`, in groups.
    updated, flagged, moved : Columns or None
        Changes of known rows of `source`: of what the timestep measured; of those of them whose
        flags or episodes change; of those of them whose search position follows them.
    last_time_start : datetime or None
        Start of the last exposure that `updated` comes from.
    detections : sequence of DetectionRows
        New rows of `detection`, of one image each.
    shared : sequence of DetectionRows
        New rows of `shared_detection`, by image.
    """

    created: Sequence[Columns] = ()
    updated: Columns | None = None
    flagged: Columns | None = None
    moved: Columns | None = None
    last_time_start: datetime | None = None
    statistics: Sequence[StatisticsRows] = ()
    detections: Sequence[DetectionRows] = ()
    shared: Sequence[DetectionRows] = ()


@dataclass(frozen=True, slots=True)
class TransientRow:
    """A row of table `transient` but for its id, by the parameters of its statement."""

    event_id: str
    trig_id: str
    source_id: int
    stream_id: int
    kind: str
    certainty: str
    image_key: int
    source_number: int
    time_start: datetime
    time_detected: datetime
    ra: float
    dec: float
    ra_err_deg: float
    dec_err_deg: float
    flux_peak_jy_beam: float
    snr: float
    eta: float | None
    v: float | None
    last_notified_n_bands: int
    limit_previous_jy_beam: float | None
    episode: int
    trigger: str
    trigger_sigma: float | None
    flux_expected_jy_beam: float | None
    flux_expected_err_jy_beam: float | None
    rate_arcsec_s: float | None
    direction_deg: float | None


@dataclass(frozen=True, slots=True)
class Notification:
    """An event, and the transient that it creates.

    Parameters
    ----------
    event : SourceEvent
        Its `transient_id` is 0 where a transient is created.
    transient : TransientRow or None
        None: the event updates a transient.
    """

    event: SourceEvent
    time_detected: datetime
    transient: TransientRow | None


@dataclass(frozen=True, slots=True)
class ForcedOutcome:
    """What looks and forced points change: statistics, sources and their episodes.

    `ended_ids` are the sources whose episode ends, `peaks` the peak fluxes of detected sources in
    an episode by their ids [Jy/beam].
    """

    statistics: Sequence[StatisticsRows]
    sources: Columns
    flagged: Columns | None
    ended_ids: Sequence[int]
    time_start: datetime
    notifications: Sequence[Notification]
    peaks: Mapping[int, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Retraction:
    """The event that retracts a transient, and the reason for the subscribers."""

    event: SourceEvent
    reason: str


@dataclass(frozen=True, slots=True)
class ArchiveLimits:
    """Significance below which a source is archived: seen once, more often, announced [sigma]."""

    candidate_sigma: float = 3.0
    archive_sigma: float = 5.0
    announced_snr: float = 10.0


@dataclass(frozen=True, slots=True)
class ForcedTargets:
    """Sources to measure by forced photometry, (n,) each, and why."""

    id: IntArray
    ra: FloatArray
    dec: FloatArray
    extraction_type: Literal["forced", "monitor", "lookback"]

    def select(self, mask: BoolArray) -> "ForcedTargets":
        """Return some of them."""
        return ForcedTargets(self.id[mask], self.ra[mask], self.dec[mask], self.extraction_type)


@dataclass(frozen=True, slots=True)
class NullDetectionRows:
    """Sources to count a null detection of, (n,) each, and those to count no more, (k,).

    `dormant` are those of the latter that are measured no more; `doubtful` sources may leave the
    catalogue now, if no measurement confirms them.
    """

    source_id: IntArray
    n_timesteps: IntArray
    zone: IntArray
    ra: FloatArray
    dec: FloatArray
    ended: IntArray
    dormant: IntArray
    doubtful: Doubtful


@dataclass(frozen=True, slots=True)
class MonitorSource:
    """The source that holds the light curve of a monitor, from its first image on."""

    monitor_id: int
    source_id: int
    first_image_key: int
    first_time_start: datetime
    ra: float
    dec: float


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """A request for forced photometry of one image, and the frequency of the image [Hz]."""

    freq_eff_hz: float
    request: ForcedRequest


@dataclass(frozen=True, slots=True)
class ForcedDecisions:
    """Null detections to count, monitors that begin, and what to measure, image by image."""

    null_detections: NullDetectionRows
    monitor_sources: Sequence[MonitorSource]
    requests: Sequence[ImageRequest]


@dataclass(frozen=True, slots=True)
class EpisodeRows:
    """What a timestep says of episodes that go on.

    Parameters
    ----------
    missed_ids : sequence of int
        Sources in an episode that images cover and do not detect.
    quiet_looks : int
        So many of these in a row end an episode [looks].
    ended_ids : sequence of int
        Sources whose episode ends with a detection.
    peaks : mapping
        Peak flux of the detected sources in an episode by their ids [Jy/beam].
    """

    missed_ids: Sequence[int] = ()
    quiet_looks: int = 1
    ended_ids: Sequence[int] = ()
    peaks: Mapping[int, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CoverageRows:
    """Cells of the sky that an image covers, (n,), and its rms there [Jy/beam]."""

    key: ChannelKey
    image_key: int
    cell: IntArray
    rms_jy_beam: FloatArray


@dataclass(frozen=True, slots=True)
class Decisions:
    """Everything that one timestep writes.

    Parameters
    ----------
    entries : sequence of LedgerEntry
        Outcomes to record.
    replaced_image_ids : sequence of str
        Rejected images that were sent again and are accepted now.
    time_start : datetime or None
        Of the timestep; None for an image without metadata.
    months : sequence of datetime
        Moments whose partitions of `detection` must exist.
    closed_until : datetime or None
        The stream is closed up to here now; None: an image on its own closes nothing.
    channels : sequence of (int, ExpectedChannel)
        What the next timestep waits for, with the ids of the bands.
    waiting : WaitingRow or None
        Looks that are judged later; None: there are none.
    doubtful : Doubtful
        Sources that may leave the catalogue now, if no measurement confirms them.
    look_backs : sequence of LookBackRow
        Sources that are looked for in earlier images before they are announced.
    look_back_requests : sequence of ImageRequest
        What is to be measured there.
    tracks : TrackRows or None
        What is stored of moving objects; None: nothing changes.
    now : datetime
        When all this was decided.
    limits : ArchiveLimits
        Which doubtful sources leave the catalogue.
    """

    stream: str
    stream_id: int
    now: datetime
    entries: Sequence[LedgerEntry]
    replaced_image_ids: Sequence[str] = ()
    time_start: datetime | None = None
    is_late: bool = False
    images: Sequence[ImageRow] = ()
    months: Sequence[datetime] = ()
    sources: SourceRows = field(default_factory=SourceRows)
    notifications: Sequence[Notification] = ()
    waiting: WaitingRow | None = None
    tracks: TrackRows | None = None
    doubtful: Doubtful = NO_DOUBT
    look_backs: Sequence[LookBackRow] = ()
    look_back_requests: Sequence[ImageRequest] = ()
    forced: ForcedDecisions | None = None
    limits: ArchiveLimits = ArchiveLimits()
    episodes: EpisodeRows = field(default_factory=EpisodeRows)
    coverage: Sequence[CoverageRows] = ()
    closed_until: datetime | None = None
    channels: Sequence[tuple[int, ExpectedChannel]] = ()
