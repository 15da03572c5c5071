"""An associator that is interrupted anywhere groups the images as if it had not been."""

import itertools
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache

from hypothesis import given
from hypothesis import strategies as st

from schemas.messages import ImageDetections
from services.associate.models.timesteps import (
    Arrival,
    Band,
    ExpectedChannel,
    StreamState,
    Timestep,
)
from services.associate.steps.open_streams import MISSED_LIMIT
from services.associate.steps.windows import TimestepWindows
from tests.support.records import START, image
from tests.unit.services.associate.test_windows import BANDS, SETTINGS, arrival, windows

STEPS = 6
CLOSED = StreamState(
    "test", START, tuple(ExpectedChannel(Band(band, 2e6), "I", START, 0) for band in BANDS)
)
# The steps and bands of images in the order of their offsets.
Log = list[tuple[int, float]]


@cache
def image_of(step: int, band: float) -> ImageDetections:
    return image(step, freq_eff_hz=band)


@dataclass
class Database:
    """What a transaction leaves: the stream's state, the next offset, the stored images."""

    state: StreamState
    next_offset: int = 0
    groups: dict[datetime, set[str]] = field(default_factory=dict)
    late: list[str] = field(default_factory=list)

    def store(self, timestep: Timestep, next_offset: int) -> None:
        assert timestep.time_start is not None
        stored = set().union(*self.groups.values(), self.late)
        new = {each.image_id for each in timestep.records} - stored
        if timestep.is_late:
            self.late += sorted(new)
        else:
            self.groups.setdefault(timestep.time_start, set()).update(new)
            self.state = StreamState("test", timestep.time_start, timestep.channels)
        self.next_offset = next_offset


def run_until_killed(log: Log, database: Database, *, batch: int, n_commits: int | None) -> None:
    """Read on from the database's offset; stop after so many transactions, or at the end."""
    found = TimestepWindows(SETTINGS)
    found.restore([database.state])
    position = database.next_offset
    commits = iter(itertools.count() if n_commits is None else range(n_commits))
    while position < len(log):
        for offset in range(position, min(position + batch, len(log))):
            found.add(arrival(image_of(*log[offset]), offset))
        position = min(position + batch, len(log))
        ready = found.ready(0.0)
        for number, timestep in enumerate(ready):
            if next(commits, None) is None:
                return
            waiting = _offsets(ready[number + 1 :])
            if (still_open := found.lowest_open_offset(0)) is not None:
                waiting.append(still_open)
            database.store(timestep, min(waiting, default=position))


def _offsets(timesteps: list[Timestep]) -> list[int]:
    return [each.offset for timestep in timesteps for each in timestep.arrivals]


@st.composite
def logs(draw: st.DrawFn) -> Log:
    """Return the images of all bands: each band in order, the bands ahead of one another."""
    order = draw(st.permutations([band for band in BANDS for _ in range(STEPS)]))
    steps = {band: itertools.count(1) for band in BANDS}
    return [(next(steps[band]), band) for band in order]


@given(
    logs(),
    st.integers(1, 3 * STEPS),
    st.lists(st.integers(0, STEPS), max_size=4),
    st.integers(1, 3 * STEPS),
)
def test_a_restart_makes_no_image_late(
    log: Log, batch: int, kills: list[int], last_batch: int
) -> None:
    database = Database(CLOSED)
    for n_commits in kills:
        run_until_killed(log, database, batch=batch, n_commits=n_commits)
    run_until_killed(log, database, batch=last_batch, n_commits=None)
    assert database.late == []
    assert sorted(map(len, database.groups.values())) == [len(BANDS)] * STEPS


@given(logs(), st.integers(0, 3 * STEPS), st.integers(0, 3 * STEPS))
def test_records_that_are_read_again_are_not_taken_for_later_ones(
    log: Log, n_read: int, n_read_again: int
) -> None:
    # The bands come on two partitions; one is taken away, and read again from its beginning.
    found = windows()
    parts = [int(band == BANDS[0]) for _, band in log]
    timesteps: list[Timestep] = []
    for offset in range(n_read):
        found.add(arrival(image_of(*log[offset]), offset, partition=parts[offset]))
    found.drop_partitions([0])
    found.restore([CLOSED])
    again = [offset for offset in range(n_read) if parts[offset] == 0]
    rest = [*again, *range(n_read, len(log))]
    for offset in rest[:n_read_again]:
        found.add(arrival(image_of(*log[offset]), offset, partition=parts[offset]))
        timesteps += found.ready(0.0)
    for offset in rest[n_read_again:]:
        found.add(arrival(image_of(*log[offset]), offset, partition=parts[offset]))
    timesteps += found.ready(0.0)
    assert not any(each.is_late for each in timesteps)
    assert [len(each.arrivals) for each in timesteps] == [len(BANDS)] * STEPS


def without(band: float, found: TimestepWindows) -> None:
    """Close so many timesteps without a band that it is no longer expected."""
    for step in range(1, MISSED_LIMIT + 1):
        for other in BANDS:
            if other != band:
                found.add(arrival(image_of(step, other), at_s=0.0))
    assert len(found.ready(SETTINGS.window_timeout_s)) == MISSED_LIMIT


def one_by_one(found: TimestepWindows, records: list[Arrival]) -> list[Timestep]:
    timesteps = []
    for each in records:
        found.add(each)
        timesteps += found.ready(each.arrived_s)
    return timesteps


def test_a_band_that_comes_back_last_is_late_once() -> None:
    found = windows()
    without(BANDS[2], found)
    records = [
        arrival(image_of(step, band), at_s=100.0 * step)
        for step in range(MISSED_LIMIT + 1, MISSED_LIMIT + 4)
        for band in BANDS
    ]
    n_images = [len(each.arrivals) for each in one_by_one(found, records)]
    assert n_images == [2, 1, 3, 3]


def test_a_band_that_is_slower_than_the_timeout_is_not_waited_for() -> None:
    found = windows()
    without(BANDS[2], found)
    n_images = []
    for step in range(MISSED_LIMIT + 1, MISSED_LIMIT + 4):
        at_s = 1000.0 * step
        records = [arrival(image_of(step, band), at_s=at_s) for band in BANDS[:2]]
        records.append(arrival(image_of(step, BANDS[2]), at_s=at_s + SETTINGS.window_timeout_s))
        n_images += [len(each.arrivals) for each in one_by_one(found, records)]
    assert n_images == [2, 1, 2, 1, 2, 1]


def test_a_second_band_that_missed_the_first_timestep_is_waited_for() -> None:
    found = TimestepWindows(SETTINGS)
    found.add(arrival(image_of(0, BANDS[0]), at_s=0.0))
    assert len(found.ready(SETTINGS.first_timestep_wait_s)) == 1
    records = [arrival(image_of(0, BANDS[1]), at_s=6.0)] + [
        arrival(image_of(step, band), at_s=10.0 * step) for step in (1, 2) for band in BANDS[:2]
    ]
    assert [len(each.arrivals) for each in one_by_one(found, records)] == [1, 2, 2]
