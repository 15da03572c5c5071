"""Images on their way: arrivals, timesteps, bands and the channels that a stream sends."""

from dataclasses import dataclass
from datetime import datetime

from runtime.kafka import InMessage
from schemas.messages import ImageDetections, SourceOffset
from services.associate.models.solutions import NO_SOLUTION, ImageSolution

__all__ = [
    "Arrival",
    "Band",
    "ExpectedChannel",
    "KnownImage",
    "LedgerEntry",
    "LockedStream",
    "OffsetMove",
    "SameTimeImage",
    "StreamState",
    "Timestep",
    "TimestepImage",
]


@dataclass(frozen=True, slots=True)
class Arrival:
    """A record of detections-v1, the message it came in, and when by the monotonic clock [s]."""

    record: ImageDetections
    message: InMessage
    arrived_s: float

    @property
    def partition(self) -> int:
        """Return the partition of the message."""
        return self.message.partition

    @property
    def offset(self) -> int:
        """Return the offset of the message."""
        return self.message.offset


@dataclass(frozen=True, slots=True)
class Band:
    """A frequency band, identified by stream, centre and width [Hz]."""

    freq_eff_hz: float
    freq_bw_hz: float


@dataclass(frozen=True, slots=True)
class ExpectedChannel:
    """A band and Stokes parameter that a stream sends.

    Parameters
    ----------
    last_time_start : datetime
        Start of its newest image.
    missed_timesteps : int
        Closed timesteps since then.
    """

    band: Band
    stokes: str
    last_time_start: datetime
    missed_timesteps: int


@dataclass(frozen=True, slots=True)
class Timestep:
    """Images of one stream that are associated together, in ascending frequency.

    Parameters
    ----------
    time_start : datetime or None
        Start of the first exposure; None for an image without metadata.
    is_late : bool
        Whether it is an image of a timestep that was closed before.
    channels : tuple of ExpectedChannel
        What the stream sends, after this timestep.
    """

    stream: str
    time_start: datetime | None
    arrivals: tuple[Arrival, ...]
    is_late: bool = False
    channels: tuple[ExpectedChannel, ...] = ()

    @property
    def records(self) -> list[ImageDetections]:
        """Return its records."""
        return [arrival.record for arrival in self.arrivals]


@dataclass(frozen=True, slots=True)
class StreamState:
    """What a restart needs to know of a stream.

    Parameters
    ----------
    recent : tuple of datetime
        Starts of the last timesteps that moved its clock, in time order.
    """

    stream: str
    closed_until: datetime
    channels: tuple[ExpectedChannel, ...]
    recent: tuple[datetime, ...] = ()


@dataclass(frozen=True, slots=True)
class LockedStream:
    """A stream that no other transaction changes.

    Parameters
    ----------
    systematic_position_error_deg : float
        As stored, for the readers of the catalogue, per axis [deg].
    looked_until : datetime or None
        Start of the last timestep that looked at the sky; None: there was none.
    """

    id: int
    systematic_position_error_deg: float | None
    looked_until: datetime | None


@dataclass(frozen=True, slots=True)
class OffsetMove:
    """The step of one partition's offset; `expected` is -1 where the database has none."""

    partition: int
    expected: int
    next_offset: int


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """The outcome of one image: processed, rejected, duplicate or late.

    `reasons` are codes; empty: those of the record.
    """

    record: ImageDetections
    outcome: str
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SameTimeImage:
    """An accepted image that was exposed at the time of another one [deg]."""

    image_id: str
    band_id: int
    stokes: str
    time_start: datetime
    field_ra: float
    field_dec: float
    field_radius_deg: float


@dataclass(frozen=True, slots=True)
class KnownImage:
    """An image of the database: where on Kafka it was, and its verdict."""

    source: SourceOffset
    verdict: str


@dataclass(frozen=True, slots=True)
class TimestepImage:
    """An image that a timestep adds to the catalogue; `number` counts these from 0."""

    number: int
    band_id: int | None
    record: ImageDetections
    solution: ImageSolution = NO_SOLUTION
