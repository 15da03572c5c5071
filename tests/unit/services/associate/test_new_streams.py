"""A new stream's first timestep closes when the next ones show which channels it has."""

import itertools
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.associate.models.timesteps import Timestep
from services.associate.steps.new_streams import are_in_step
from services.associate.steps.windows import TimestepWindows
from tests.support.records import image
from tests.unit.services.associate.test_windows import BANDS, SETTINGS, arrival

# Nothing closes because it has waited.
FOR_EVER = SETTINGS.model_copy(
    update={"first_timestep_wait_s": 36_000.0, "window_timeout_s": 36_000.0}
)
STEPS = 6


@dataclass
class Telescope:
    """Sends its images in the order of time; those of each band arrive in their order."""

    windows: TimestepWindows = field(default_factory=lambda: TimestepWindows(FOR_EVER))
    now_s: float = 0.0
    to_send: list[tuple[int, float]] = field(
        default_factory=lambda: list(itertools.product(range(STEPS), BANDS))
    )
    # By band: step and time at which it was sent.
    on_the_way: dict[float, list[tuple[int, float]]] = field(
        default_factory=lambda: {band: [] for band in BANDS}
    )
    closed: list[Timestep] = field(default_factory=list)

    def send(self) -> None:
        self.now_s += 1
        if self.to_send:
            step, band = self.to_send.pop(0)
            self.on_the_way[band].append((step, self.now_s))

    def arrive(self, band: float) -> None:
        self.now_s += 1
        if self.on_the_way[band]:
            step, _ = self.on_the_way[band].pop(0)
            self.windows.add(arrival(image(step, freq_eff_hz=band), at_s=self.now_s))
        sent_s = [sent_s for waiting in self.on_the_way.values() for _, sent_s in waiting]
        # Everything that was sent until then has arrived.
        until_s = min(sent_s, default=self.now_s + 1) - 1
        self.closed += self.windows.ready(until_s)


# Images are sent (None) or arrive, those of some bands.
steps = st.sets(st.sampled_from(BANDS)).flatmap(
    lambda bands: st.lists(st.sampled_from([None, *sorted(bands)]), min_size=40, max_size=80)
)


@given(steps)
def test_no_image_is_late_however_far_bands_are_behind(chosen: list[float | None]) -> None:
    telescope = Telescope()
    for band in chosen:
        telescope.send() if band is None else telescope.arrive(band)
    for _ in range(len(BANDS) * STEPS):
        telescope.send()
    for band in BANDS * STEPS:
        telescope.arrive(band)
    assert not any(each.is_late for each in telescope.closed)
    assert [len(each.arrivals) for each in telescope.closed] == [len(BANDS)] * STEPS


@pytest.mark.parametrize("n_bands", [2, 3])
def test_a_stream_is_known_when_three_timesteps_have_the_same_channels(n_bands: int) -> None:
    found = TimestepWindows(FOR_EVER)
    images = list(itertools.product(range(4), BANDS[:n_bands]))
    for number, (step, band) in enumerate(images):
        found.add(arrival(image(step, freq_eff_hz=band), number, at_s=float(number)))
        n_closed = len(found.ready(float(number)))
        assert n_closed == (
            3 if number == 3 * n_bands - 1 else 1 if number == 4 * n_bands - 1 else 0
        )


def test_what_is_on_the_way_is_waited_for() -> None:
    found = TimestepWindows(FOR_EVER)
    for step, band in itertools.product(range(3), BANDS):
        assert not found.is_overdue(10.0)
        found.add(arrival(image(step, freq_eff_hz=band), at_s=10.0))
    assert found.is_overdue(10.0)
    assert found.ready(9.9) == []
    # The broker was away, and what was sent could not come.
    found.restart_waits(20.0)
    assert found.ready(19.9) == []
    assert len(found.ready(20.0)) == 3
    assert not found.is_overdue(20.0)


def test_a_single_channel_waits() -> None:
    found = TimestepWindows(SETTINGS)
    for step in range(10):
        found.add(arrival(image(step), at_s=0.1 * step))
        assert found.ready(0.1 * step) == []
    assert len(found.ready(SETTINGS.first_timestep_wait_s)) == 10


def test_records_that_are_read_again_are_not_known_before() -> None:
    found = TimestepWindows(FOR_EVER)
    for step, band in itertools.product(range(3), BANDS):
        found.add(
            arrival(image(step, freq_eff_hz=band), partition=int(band == BANDS[0]), at_s=1.0)
        )
    found.drop_partitions([0])
    assert found.ready(1.0) == []
    for step, band in itertools.product(range(3), BANDS[1:]):
        found.add(arrival(image(step, freq_eff_hz=band), at_s=2.0))
    assert [len(each.arrivals) for each in found.ready(2.0)] == [len(BANDS)] * 3


@given(st.integers(2, 4), st.integers(6, 12), st.data())
def test_images_that_come_band_by_band_are_not_in_step(
    n_bands: int, n_steps: int, data: st.DataObject
) -> None:
    # A band is not near its end, so the next one may follow.
    n_whole = data.draw(st.integers(1, n_bands - 1))
    n_last = data.draw(st.integers(0 if n_whole == 1 else 1, n_steps - 3))
    channels = [set(range(n_whole + (step < n_last))) for step in range(n_steps)]
    assert not are_in_step(channels)
