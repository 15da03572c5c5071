"""What the associator knows: arrivals, timesteps, bands."""

from dataclasses import dataclass
from datetime import datetime

from schemas.messages import ImageDetections

__all__ = ["Arrival", "Band", "BandState", "OffsetMove", "StreamState", "Timestep"]


@dataclass(frozen=True, slots=True)
class Arrival:
    """A record and where on detections-v1 it was."""

    record: ImageDetections
    partition: int
    offset: int
    arrived_s: float


@dataclass(frozen=True, slots=True)
class Timestep:
    """Images of one stream that belong together; `time_start` is None for unreadable ones."""

    stream: str
    time_start: datetime | None
    arrivals: tuple[Arrival, ...]
    is_late: bool = False


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
