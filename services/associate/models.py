"""What the associator knows: arrivals, timesteps, bands, rows of the running catalogue."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import numpy as np
import numpy.typing as npt

from schemas.messages import (
    BoolArray,
    FloatArray,
    ImageDetections,
    IntArray,
    SourceEvent,
    SourceOffset,
)

__all__ = [
    "SOURCE_DTYPE",
    "STATISTICS_DTYPE",
    "Arrival",
    "Band",
    "BandFlux",
    "BandState",
    "ForcedTargets",
    "KnownImage",
    "LastNotified",
    "LedgerEntry",
    "Monitors",
    "NewTransient",
    "NullDetections",
    "OffsetMove",
    "PriorCoverage",
    "RetractionCandidate",
    "RowArray",
    "StatisticsKey",
    "StoredImage",
    "StreamState",
    "Timestep",
]

RowArray = npt.NDArray[np.void]
# Band id and Stokes parameter: what has light-curve statistics of its own.
StatisticsKey = tuple[int, str]

# A row of table `source`; `parent` is -1 where there is none.
SOURCE_DTYPE = np.dtype(
    [
        ("id", np.int64), ("parent", np.int64), ("search_ra", np.float64),
        ("search_dec", np.float64), ("ra", np.float64), ("dec", np.float64),
        ("weight_ra", np.float64), ("weight_dec", np.float64), ("n_datapoints", np.int64),
        ("is_new", np.bool_), ("is_variable", np.bool_), ("first_image_key", np.int64),
        ("first_number", np.int64),
    ]
)  # fmt: skip
_MOMENTS = ("mean", "m2", "weight", "wmean", "wm2")
# A row of table `source_band`.
STATISTICS_DTYPE = np.dtype(
    [
        ("source_id", np.int64), ("n", np.int64),
        *[(f"int_{name}", np.float64) for name in _MOMENTS],
        *[(f"peak_{name}", np.float64) for name in _MOMENTS],
        ("int_max", np.float64),
    ]
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Arrival:
    """A record and where on detections-v1 it was."""

    record: ImageDetections
    partition: int
    offset: int
    arrived_s: float


@dataclass(frozen=True, slots=True)
class Timestep:
    """Images of one stream that belong together, in ascending frequency.

    `time_start` is None for an unreadable image; `states` is what the stream is known to send,
    as of this timestep.
    """

    stream: str
    time_start: datetime | None
    arrivals: tuple[Arrival, ...]
    is_late: bool = False
    states: "tuple[BandState, ...]" = ()


@dataclass(frozen=True, slots=True)
class Band:
    """A frequency band: its identity is (stream, centre, width), as first seen."""

    freq_eff_hz: float
    freq_bw_hz: float


@dataclass(frozen=True, slots=True)
class BandState:
    """How a band of a stream behaves: when it last had an image, how often it missed."""

    band: Band
    stokes: str
    last_time_start: datetime
    missed_timesteps: int


@dataclass(frozen=True, slots=True)
class StreamState:
    """What a restart must know of a stream."""

    stream: str
    closed_until: datetime
    bands: tuple[BandState, ...]


@dataclass(frozen=True, slots=True)
class OffsetMove:
    """The step of one partition's offset; `expected` is -1 where there was none."""

    partition: int
    expected: int
    following: int


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """What became of one image: processed, rejected, duplicate or late."""

    record: ImageDetections
    outcome: str


@dataclass(frozen=True, slots=True)
class KnownImage:
    """An image that was here before: where on Kafka it was, and its verdict."""

    source: SourceOffset
    verdict: str


@dataclass(frozen=True, slots=True)
class StoredImage:
    """An image of this timestep that has a row now."""

    id: int
    band_id: int | None
    record: ImageDetections


@dataclass(frozen=True, slots=True)
class NullDetections:
    """Sources and for how many timesteps in a row they have been missed; (n,) each."""

    id: IntArray
    ra: FloatArray
    dec: FloatArray
    n_timesteps: IntArray


@dataclass(frozen=True, slots=True)
class Monitors:
    """Monitored positions, (n,) each; `source_id` is 0 before the first measurement."""

    id: IntArray
    ra: FloatArray
    dec: FloatArray
    source_id: IntArray


@dataclass(frozen=True, slots=True)
class ForcedTargets:
    """Sources to be measured by force, (n,) each, and why."""

    id: IntArray
    ra: FloatArray
    dec: FloatArray
    extraction_type: Literal["forced", "monitor"]

    def select(self, mask: BoolArray) -> "ForcedTargets":
        """Return some of them."""
        return ForcedTargets(self.id[mask], self.ra[mask], self.dec[mask], self.extraction_type)


@dataclass(frozen=True, slots=True)
class PriorCoverage:
    """An earlier image that may have covered a position."""

    wcs_header: str
    shape: tuple[int, int]
    rms_grid: FloatArray


@dataclass(frozen=True, slots=True)
class LastNotified:
    """A transient that events have told of: what the last one said."""

    transient_id: int
    source_id: int
    kind: str
    certainty: str
    snr: float
    n_bands: int
    ra: float
    dec: float
    ra_err_deg: float
    dec_err_deg: float
    limit_previous_jy_beam: float | None


@dataclass(frozen=True, slots=True)
class BandFlux:
    """A peak flux and where in the spectrum it was measured."""

    flux_peak_jy_beam: float
    flux_peak_err_jy_beam: float
    freq_eff_hz: float
    stokes: str


@dataclass(frozen=True, slots=True)
class RetractionCandidate:
    """A new source that one image alone has seen, and what another one has at its place."""

    told: SourceEvent
    seen: BandFlux
    other: BandFlux


@dataclass(frozen=True, slots=True)
class NewTransient:
    """A row of table `transient`, but for its id."""

    event_id: str
    trig_id: str
    source_id: int
    stream_id: int
    kind: str
    certainty: str
    image: int
    source_number: int
    time_start: datetime
    time_detected: datetime
    ra: float
    dec: float
    ra_err_deg: float
    dec_err_deg: float
    flux_peak_jy_beam: float
    snr: float
    eta: float
    v: float
    n_bands: int
    limit_previous_jy_beam: float | None
