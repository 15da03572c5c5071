"""Gather the images of a timestep, whatever the order in which they arrive."""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import accumulate, pairwise
from operator import sub

from runtime.settings import AssociateSettings
from schemas.messages import ImageMetadata
from services.associate.models.timesteps import (
    Arrival,
    Band,
    ExpectedChannel,
    StreamState,
    Timestep,
)
from services.associate.steps.bands import find_band, to_band

__all__ = ["TimestepWindows"]

# A stream's clock moves by more than so many of its cadences only if two images agree.
_JUMP_TIMESTEPS = 100
_LEAST_JUMP = timedelta(seconds=60)
# Cadences that must have been seen before a jump is recognised, and how many are kept.
_LEAST_CADENCES, _MOST_CADENCES = 3, 9
# How long a jump waits for a second image, beyond the timeout of a timestep: cadences, and [s].
_JUMP_WAIT_TIMESTEPS, _LONGEST_JUMP_WAIT_S = 3, 3600.0
# More timesteps of a stream are not held in memory: the oldest closes without the missing band.
_MOST_OPEN_TIMESTEPS = 2000
# A stream that sends nothing for so long leaves memory, but for what a restart would know [s].
_LONGEST_IDLE_S = 3600.0
# A channel that misses this many timesteps in a row is no longer waited for.
MISSED_LIMIT = 3

Channel = tuple[Band, str]


@dataclass(slots=True)
class _Open:
    """A timestep that waits for images."""

    time_start: datetime
    arrivals: list[Arrival] = field(default_factory=list)
    channels: set[Channel] = field(default_factory=set)
    first_arrival_s: float = 0.0
    # Whether the stream went on far behind it, with images that came later.
    is_contradicted: bool = False


@dataclass(slots=True)
class _Stream:
    """The open timesteps of one stream, in time order, and the channels that it sends."""

    partitions: set[int] = field(default_factory=set)
    closed_until: datetime | None = None
    open: list[_Open] = field(default_factory=list)
    newest: dict[Channel, datetime] = field(default_factory=dict)
    missed: dict[Channel, int] = field(default_factory=dict)
    cadences: deque[timedelta] = field(default_factory=lambda: deque(maxlen=_MOST_CADENCES))
    ahead: datetime | None = None
    last_arrival_s: float = 0.0
    # Start and first arrival [s] of the timesteps that closed last, in time order.
    recent: deque[tuple[datetime, float]] = field(
        default_factory=lambda: deque(maxlen=_MOST_OPEN_TIMESTEPS)
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

    def contradict_jumps(self, closed: _Open) -> None:
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
        return [channel for channel, missed in self.missed.items() if missed < MISSED_LIMIT]

    def expect_again(self, channel: Channel, time_start: datetime) -> None:
        """Wait for a channel from now on: its image is late because nothing waited for it."""
        newest = self.newest.get(channel)
        if newest is None or time_start > newest:
            self.newest[channel] = time_start
            self.missed[channel] = 0

    def drop_partitions(self, gone: set[int]) -> None:
        """Drop the records of partitions, and what they said about the time of their channels."""
        self.partitions -= gone
        for window in self.open:
            window.arrivals = [each for each in window.arrivals if each.partition not in gone]
            window.channels = {
                _channel(self, each.record.metadata)
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


class TimestepWindows:
    """Event-time windows per stream.

    A timestep closes when every expected channel (band and Stokes parameter) has an image in
    it or in a later one, or when its first image has waited `window_timeout_s` although
    everything that was sent until then has arrived, or when two thousand wait. The channels of
    a new stream are unknown: its first timestep closes when it has as many as its producer or
    the settings say, or after `first_timestep_wait_s`, however its partitions interleave.
    Timesteps of a stream close in order; an image of a closed timestep is late and is associated
    alone; if it came within the timeout, its channel is waited for from then on. A single image
    far ahead of all others (a header with a wrong date) does not move the clock of its stream:
    it, too, is associated alone, as soon as the stream goes on where it was.

    Parameters
    ----------
    settings : AssociateSettings
        Timeouts and tolerance.
    """

    def __init__(self, settings: AssociateSettings) -> None:
        self._timeout_s = settings.window_timeout_s
        self._first_wait_s = settings.first_timestep_wait_s
        self._new_stream_bands = settings.new_stream_bands
        self._tolerance = timedelta(seconds=settings.timestep_tolerance_s)
        self._streams: dict[str, _Stream] = {}
        self._alone: list[Timestep] = []
        self._known: dict[str, StreamState] = {}

    def restore(self, states: Iterable[StreamState]) -> None:
        """Take over the state of the streams in the database; call it before the first `add`."""
        for state in states:
            self._known[state.stream] = state

    def add(self, arrival: Arrival) -> None:
        """Add a record to the window of its timestep."""
        record = arrival.record
        stream = self._stream(record.stream)
        stream.partitions.add(arrival.partition)
        stream.last_arrival_s = arrival.arrived_s
        if record.metadata is None:
            self._alone.append(Timestep(record.stream, None, (arrival,)))
            return
        time_start = record.metadata.time_start
        if stream.closed_until and time_start <= stream.closed_until + self._tolerance:
            self._alone.append(Timestep(record.stream, time_start, (arrival,), is_late=True))
            if self._would_be_in_time(stream, time_start, arrival.arrived_s):
                stream.expect_again(_channel(stream, record.metadata), time_start)
            return
        self._add_to_window(stream, arrival, record.metadata)

    def _would_be_in_time(self, stream: _Stream, time_start: datetime, arrived_s: float) -> bool:
        """Return whether a late image has come before its timestep had waited for so long."""
        for closed_start, first_arrival_s in stream.recent:
            if closed_start >= time_start - self._tolerance:
                return arrived_s - first_arrival_s < self._timeout_s
        return False

    def _stream(self, name: str) -> _Stream:
        if name not in self._streams:
            stream = _Stream()
            if name in self._known:
                state = self._known[name]
                stream.closed_until = state.closed_until
                stream.cadences.extend(later - start for start, later in pairwise(state.recent))
                for each in state.channels:
                    channel = (each.band, each.stokes)
                    stream.missed[channel] = each.missed_timesteps
                    # What came after the last stored timestep is read again.
                    stream.newest[channel] = min(each.last_time_start, state.closed_until)
            self._streams[name] = stream
        return self._streams[name]

    def _add_to_window(self, stream: _Stream, arrival: Arrival, metadata: ImageMetadata) -> None:
        channel = _channel(stream, metadata)
        window = self._window(stream, metadata.time_start, arrival.arrived_s)
        window.arrivals.append(arrival)
        window.channels.add(channel)
        if not stream.is_jump(metadata.time_start):
            newest = stream.newest.get(channel)
            stream.newest[channel] = max(newest or metadata.time_start, metadata.time_start)

    def _window(self, stream: _Stream, time_start: datetime, now_s: float) -> _Open:
        for window in stream.open:
            if abs(window.time_start - time_start) <= self._tolerance:
                return window
        window = _Open(time_start, first_arrival_s=now_s)
        stream.open.append(window)
        stream.open.sort(key=lambda each: each.time_start)
        return window

    def ready(self, now_s: float) -> list[Timestep]:
        """Remove and return the complete timesteps, in time order within a stream.

        Parameters
        ----------
        now_s : float
            Until when everything that was sent has arrived, by the clock of the arrivals [s].
        """
        closed, self._alone = self._alone, []
        for name, stream in self._streams.items():
            while stream.open and self._is_complete(stream, stream.open[0], now_s):
                window = stream.open.pop(0)
                if stream.is_jump(window.time_start) and not _is_confirmed(stream, window):
                    stream.ahead = window.time_start
                    arrivals = _in_order(window.arrivals)
                    closed.append(Timestep(name, window.time_start, arrivals, is_late=True))
                else:
                    closed.append(self._close(name, stream, window))
        for name in [each for each, stream in self._streams.items() if stream.is_idle(now_s)]:
            if state := self._streams.pop(name).to_state(name):
                self._known[name] = state
        return closed

    def is_overdue(self, now_s: float) -> bool:
        """Return whether a timestep has waited for so long that time alone may close it."""
        shortest_s = min(self._timeout_s, self._first_wait_s)
        return any(now_s - each.first_arrival_s >= shortest_s for each in self._windows())

    def restart_waits(self, now_s: float) -> None:
        """Let every open timestep wait from now on: its images could not come before."""
        for window in self._windows():
            window.first_arrival_s = max(window.first_arrival_s, now_s)

    def split_all(self) -> list[Timestep]:
        """Remove every waiting image; return each as a late timestep of its own."""
        taken = [
            Timestep(name, window.time_start, (arrival,), is_late=True)
            for name, stream in self._streams.items()
            for window in stream.open
            for arrival in window.arrivals
        ]
        for stream in self._streams.values():
            stream.open.clear()
        return taken

    def reset_clock(self, names: Iterable[str]) -> None:
        """Reset the clocks of streams: the next image of each starts a new one."""
        for name in names:
            self._known.pop(name, None)
            if name in self._streams:
                before = self._streams[name]
                self._streams[name] = _Stream(before.partitions, open=before.open)

    def stream_names(self) -> list[str]:
        """Return the streams that are known here."""
        return sorted({*self._streams, *self._known})

    def _is_complete(self, stream: _Stream, window: _Open, now_s: float) -> bool:
        waited_s = now_s - window.first_arrival_s
        if stream.is_jump(window.time_start) and not _is_confirmed(stream, window):
            cadence_s = (stream.cadence() or timedelta(0)).total_seconds()
            wait_s = min(_JUMP_WAIT_TIMESTEPS * cadence_s, _LONGEST_JUMP_WAIT_S)
            return window.is_contradicted or waited_s >= self._timeout_s + wait_s
        if waited_s >= self._timeout_s or len(stream.open) > _MOST_OPEN_TIMESTEPS:
            return True
        if stream.closed_until is None:
            return waited_s >= self._first_wait_s or self._has_all_bands(window)
        return all(
            channel in window.channels
            or stream.newest.get(channel, window.time_start) > window.time_start + self._tolerance
            for channel in stream.expected()
        )

    def _has_all_bands(self, window: _Open) -> bool:
        """Return whether a window has as many channels as its images or the settings say."""
        said = [each.record.n_bands for each in window.arrivals if each.record.n_bands]
        n_bands = max(said, default=self._new_stream_bands)
        return n_bands is not None and len(window.channels) >= n_bands

    def _close(self, name: str, stream: _Stream, window: _Open) -> Timestep:
        is_jump = stream.is_jump(window.time_start)
        for channel in stream.missed:
            stream.missed[channel] = (
                0 if channel in window.channels else stream.missed[channel] + 1
            )
        for channel in window.channels:
            stream.missed[channel] = 0
            newest = stream.newest.get(channel, window.time_start)
            stream.newest[channel] = max(newest, window.time_start)
        if stream.closed_until is not None and not is_jump:
            stream.cadences.append(window.time_start - stream.closed_until)
        stream.closed_until = window.time_start
        stream.contradict_jumps(window)
        stream.recent.append((window.time_start, window.first_arrival_s))
        return Timestep(
            name, window.time_start, _in_order(window.arrivals), channels=stream.to_channels()
        )

    def lowest_open_offset(self, partition: int) -> int | None:
        """Return the offset of the first record of a partition that still waits, or None."""
        offsets = [
            arrival.offset
            for window in self._windows()
            for arrival in window.arrivals
            if arrival.partition == partition
        ]
        return min(offsets, default=None)

    def n_open_images(self) -> int:
        """Return how many images wait."""
        return sum(len(each.arrivals) for each in self._windows())

    def _windows(self) -> Iterable[_Open]:
        return (window for stream in self._streams.values() for window in stream.open)

    def drop_partitions(self, partitions: Sequence[int]) -> None:
        """Drop the records of partitions that are read again, or by another associator.

        A stream that has changed its partition keeps the records of the others; without any, it
        begins again where the database says that it is.
        """
        gone = set(partitions)
        kept = {}
        for name, stream in self._streams.items():
            is_touched = not stream.partitions.isdisjoint(gone)
            if is_touched:
                stream.drop_partitions(gone)
            if stream.open or not is_touched:
                kept[name] = stream
        self._streams = kept
        self._known = {name: state for name, state in self._known.items() if name in self._streams}
        self._alone = [
            timestep for timestep in self._alone if timestep.arrivals[0].partition not in gone
        ]


def _channel(stream: _Stream, metadata: ImageMetadata) -> Channel:
    """Return the channel of an image: a known band of the stream, or a new one."""
    bands = {band for band, _ in stream.newest}
    band = find_band(metadata.freq_eff_hz, metadata.freq_bw_hz, bands)
    return band or to_band(metadata.freq_eff_hz, metadata.freq_bw_hz), metadata.stokes


def _is_confirmed(stream: _Stream, window: _Open) -> bool:
    """Return whether a second image agrees that the stream has come as far as `window`."""
    limit = stream.jump_limit() or timedelta(0)
    n_near = sum(
        len(other.arrivals)
        for other in stream.open
        if other is not window and abs(other.time_start - window.time_start) <= limit
    )
    is_repeated = stream.ahead is not None and abs(stream.ahead - window.time_start) <= limit
    return len(window.arrivals) + n_near > 1 or is_repeated


def _in_order(arrivals: list[Arrival]) -> tuple[Arrival, ...]:
    """Return the images by frequency, Stokes parameter and sha256, not by arrival."""

    def key(arrival: Arrival) -> tuple[float, str, str, int]:
        metadata = arrival.record.metadata
        frequency = metadata.freq_eff_hz if metadata else 0.0
        stokes = metadata.stokes if metadata else ""
        return frequency, stokes, arrival.record.image_id, arrival.offset

    return tuple(sorted(arrivals, key=key))
