"""Gather the images of a timestep, whatever the order in which they arrive."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from runtime.settings import AssociateSettings
from schemas.messages import ImageMetadata
from services.associate.models.timesteps import Arrival, StreamState, Timestep
from services.associate.steps.open_streams import (
    MOST_OPEN_TIMESTEPS,
    OpenStream,
    OpenTimestep,
    is_confirmed,
    to_channel,
)

__all__ = ["TimestepWindows"]

# How long a jump waits for a second image, beyond the timeout of a timestep: cadences, and [s].
_JUMP_WAIT_TIMESTEPS, _LONGEST_JUMP_WAIT_S = 3, 3600.0


class TimestepWindows:
    """Event-time windows per stream.

    A timestep closes when every expected channel (band and Stokes parameter) has an image in
    it or in a later one, or when its first image has waited `window_timeout_s` although
    everything that was sent until then has arrived, or when two thousand wait. The channels of
    a new stream are unknown: its first timestep closes when it has as many as its producer or
    the settings say, when the next ones have the same and everything that was sent until then
    has arrived, or after `first_timestep_wait_s`, however its partitions interleave.
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
        self._streams: dict[str, OpenStream] = {}
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
                stream.expect_again(to_channel(stream, record.metadata), time_start)
            return
        self._add_to_window(stream, arrival, record.metadata)

    def _would_be_in_time(
        self, stream: OpenStream, time_start: datetime, arrived_s: float
    ) -> bool:
        """Return whether a late image has come before its timestep had waited for so long."""
        for closed_start, first_arrival_s in stream.recent:
            if closed_start >= time_start - self._tolerance:
                return arrived_s - first_arrival_s < self._timeout_s
        return False

    def _stream(self, name: str) -> OpenStream:
        if name not in self._streams:
            stream = OpenStream()
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

    def _add_to_window(
        self, stream: OpenStream, arrival: Arrival, metadata: ImageMetadata
    ) -> None:
        channel = to_channel(stream, metadata)
        window = self._window(stream, metadata.time_start, arrival.arrived_s)
        window.arrivals.append(arrival)
        window.channels.add(channel)
        if not stream.is_jump(metadata.time_start):
            newest = stream.newest.get(channel)
            stream.newest[channel] = max(newest or metadata.time_start, metadata.time_start)
        stream.note_step(arrival.arrived_s)

    def _window(self, stream: OpenStream, time_start: datetime, now_s: float) -> OpenTimestep:
        for window in stream.open:
            if abs(window.time_start - time_start) <= self._tolerance:
                return window
        window = OpenTimestep(time_start, first_arrival_s=now_s)
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
                if stream.is_jump(window.time_start) and not is_confirmed(stream, window):
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
        """Return whether a timestep may close by what is known to be on its way no more."""
        shortest_s = min(self._timeout_s, self._first_wait_s)
        return any(now_s - each.first_arrival_s >= shortest_s for each in self._windows()) or any(
            stream.in_step_since_s is not None for stream in self._streams.values()
        )

    def restart_waits(self, now_s: float) -> None:
        """Let every open timestep wait from now on: its images could not come before."""
        for window in self._windows():
            window.first_arrival_s = max(window.first_arrival_s, now_s)
        for stream in self._streams.values():
            if stream.in_step_since_s is not None:
                stream.in_step_since_s = max(stream.in_step_since_s, now_s)

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
                self._streams[name] = OpenStream(before.partitions, open=before.open)

    def stream_names(self) -> list[str]:
        """Return the streams that are known here."""
        return sorted({*self._streams, *self._known})

    def _is_complete(self, stream: OpenStream, window: OpenTimestep, now_s: float) -> bool:
        waited_s = now_s - window.first_arrival_s
        if stream.is_jump(window.time_start) and not is_confirmed(stream, window):
            cadence_s = (stream.cadence() or timedelta(0)).total_seconds()
            wait_s = min(_JUMP_WAIT_TIMESTEPS * cadence_s, _LONGEST_JUMP_WAIT_S)
            return window.is_contradicted or waited_s >= self._timeout_s + wait_s
        if waited_s >= self._timeout_s or len(stream.open) > MOST_OPEN_TIMESTEPS:
            return True
        if stream.closed_until is None:
            since_s = stream.in_step_since_s
            is_known = since_s is not None and now_s >= since_s
            return is_known or waited_s >= self._first_wait_s or self._has_all_bands(window)
        return all(
            channel in window.channels
            or stream.newest.get(channel, window.time_start) > window.time_start + self._tolerance
            for channel in stream.expected()
        )

    def _has_all_bands(self, window: OpenTimestep) -> bool:
        """Return whether a window has as many channels as its images or the settings say."""
        said = [each.record.n_bands for each in window.arrivals if each.record.n_bands]
        n_bands = max(said, default=self._new_stream_bands)
        return n_bands is not None and len(window.channels) >= n_bands

    def _close(self, name: str, stream: OpenStream, window: OpenTimestep) -> Timestep:
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
        stream.in_step_since_s = None
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

    def _windows(self) -> Iterable[OpenTimestep]:
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


def _in_order(arrivals: list[Arrival]) -> tuple[Arrival, ...]:
    """Return the images by frequency, Stokes parameter and sha256, not by arrival."""

    def key(arrival: Arrival) -> tuple[float, str, str, int]:
        metadata = arrival.record.metadata
        frequency = metadata.freq_eff_hz if metadata else 0.0
        stokes = metadata.stokes if metadata else ""
        return frequency, stokes, arrival.record.image_id, arrival.offset

    return tuple(sorted(arrivals, key=key))
