"""What one stream sends: its open timesteps, its channels, and how its clock moves."""

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import accumulate
from operator import sub

from schemas.messages import ImageMetadata
from services.associate.models.timesteps import Arrival, Band, ExpectedChannel, StreamState
from services.associate.steps.bands import find_band, to_band
from services.associate.steps.new_streams import are_in_step

__all__ = [
    "MISSED_LIMIT",
    "MOST_OPEN_TIMESTEPS",
    "OpenStream",
    "OpenTimestep",
    "is_confirmed",
    "to_channel",
]

# A stream's clock moves by more than so many of its cadences only if two images agree.
_JUMP_TIMESTEPS = 100
_LEAST_JUMP = timedelta(seconds=60)
# Cadences that must have been seen before a jump is recognised, and how many are kept.
_LEAST_CADENCES, _MOST_CADENCES = 3, 9
# More timesteps of a stream are not held in memory: the oldest closes without the missing band.
MOST_OPEN_TIMESTEPS = 2000
# A stream that sends nothing for so long leaves memory, but for what a restart would know [s].
_LONGEST_IDLE_S = 3600.0
# A channel that misses this many timesteps in a row is no longer waited for.
MISSED_LIMIT = 3

Channel = tuple[Band, str]


@dataclass(slots=True)
class OpenTimestep:
    """A timestep that waits for images."""

    time_start: datetime
    arrivals: list[Arrival] = field(default_factory=list)
    channels: set[Channel] = field(default_factory=set)
    first_arrival_s: float = 0.0
    # Whether the stream went on far behind it, with images that came later.
    is_contradicted: bool = False


@dataclass(slots=True)
class OpenStream:
    """The open timesteps of one stream, in time order, and the channels that it sends."""

    partitions: set[int] = field(default_factory=set)
    closed_until: datetime | None = None
    open: list[OpenTimestep] = field(default_factory=list)
    newest: dict[Channel, datetime] = field(default_factory=dict)
    missed: dict[Channel, int] = field(default_factory=dict)
    cadences: deque[timedelta] = field(default_factory=lambda: deque(maxlen=_MOST_CADENCES))
    ahead: datetime | None = None
    last_arrival_s: float = 0.0
    # Since when the channels of a new stream advance together [s].
    in_step_since_s: float | None = None
    # Start and first arrival [s] of the timesteps that closed last, in time order.
    recent: deque[tuple[datetime, float]] = field(
        default_factory=lambda: deque(maxlen=MOST_OPEN_TIMESTEPS)
    )

    def cadence(self) -> timedelta | None:
        """Return the median time between timesteps; None while too few have closed."""
        if len(self.cadences) < _LEAST_CADENCES:
            return None
        return sorted(self.cadences)[len(self.cadences) // 2]

    def jump_limit(self) -> timedelta | None:
        """Return how far the clock may move on the word of one image; None: any distance."""
        cadence = self.cadence()
        return None if cadence is None else max(_JUMP_TIMESTEPS * cadence, _LEAST_JUMP)

    def is_jump(self, time_start: datetime) -> bool:
        """Return whether a time is so far ahead of the clock that a second image must agree."""
        limit = self.jump_limit()
        if limit is None or self.closed_until is None:
            return False
        return time_start - self.closed_until > limit

    def contradict_jumps(self, closed: OpenTimestep) -> None:
        """Note which jumps an ordinary timestep contradicts, as all its images came later."""
        first_s = min(each.arrived_s for each in closed.arrivals)
        for window in self.open:
            if self.is_jump(window.time_start):
                window.is_contradicted |= window.arrivals[0].arrived_s < first_s

    def is_idle(self, now_s: float) -> bool:
        """Return whether nothing waits in the stream, and nothing has come for long."""
        return not self.open and now_s - self.last_arrival_s > _LONGEST_IDLE_S

    def to_channels(self) -> tuple[ExpectedChannel, ...]:
        """Return what the next timestep waits for."""
        return tuple(
            ExpectedChannel(*channel, self.newest[channel], missed)
            for channel, missed in self.missed.items()
        )

    def to_state(self, name: str) -> StreamState | None:
        """Return what a restart needs to know of the stream; None: it has closed no timestep."""
        if self.closed_until is None:
            return None
        starts = accumulate(reversed(self.cadences), sub, initial=self.closed_until)
        recent = tuple(reversed(list(starts)))
        return StreamState(name, self.closed_until, self.to_channels(), recent)

    def expected(self) -> list[Channel]:
        """Return the channels that a timestep waits for."""
        return [channel for channel, missed in self.missed.items() if missed < MISSED_LIMIT]

    def expect_again(self, channel: Channel, time_start: datetime) -> None:
        """Wait for a channel from now on: its image is late because nothing waited for it."""
        newest = self.newest.get(channel)
        if newest is None or time_start > newest:
            self.newest[channel] = time_start
            self.missed[channel] = 0

    def note_step(self, now_s: float) -> None:
        """Note whether the channels of a new stream advance together."""
        if self.closed_until is not None or not are_in_step([each.channels for each in self.open]):
            self.in_step_since_s = None
        elif self.in_step_since_s is None:
            self.in_step_since_s = now_s

    def drop_partitions(self, gone: set[int]) -> None:
        """Drop the records of partitions, and what they said about the time of their channels."""
        self.partitions -= gone
        self.in_step_since_s = None
        for window in self.open:
            window.arrivals = [each for each in window.arrivals if each.partition not in gone]
            window.channels = {
                to_channel(self, each.record.metadata)
                for each in window.arrivals
                if each.record.metadata is not None
            }
        self.open = [window for window in self.open if window.arrivals]
        if self.closed_until is not None:
            for channel, newest in self.newest.items():
                self.newest[channel] = min(newest, self.closed_until)
        for window in self.open:
            if not self.is_jump(window.time_start):
                self.newest |= dict.fromkeys(window.channels, window.time_start)


def to_channel(stream: OpenStream, metadata: ImageMetadata) -> Channel:
    """Return the channel of an image: a known band of the stream, or a new one."""
    bands = {band for band, _ in stream.newest}
    band = find_band(metadata.freq_eff_hz, metadata.freq_bw_hz, bands)
    return band or to_band(metadata.freq_eff_hz, metadata.freq_bw_hz), metadata.stokes


def is_confirmed(stream: OpenStream, window: OpenTimestep) -> bool:
    """Return whether a second image agrees that the stream has come as far as `window`."""
    limit = stream.jump_limit() or timedelta(0)
    n_near = sum(
        len(other.arrivals)
        for other in stream.open
        if other is not window and abs(other.time_start - window.time_start) <= limit
    )
    is_repeated = stream.ahead is not None and abs(stream.ahead - window.time_start) <= limit
    return len(window.arrivals) + n_near > 1 or is_repeated
