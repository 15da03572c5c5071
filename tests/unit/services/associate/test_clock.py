"""One image with a wrong date does not make all later images of its stream late."""

from datetime import timedelta

import pytest

from runtime.settings import AssociateSettings
from services.associate.models.timesteps import Band, ExpectedChannel, StreamState, Timestep
from services.associate.steps.windows import TimestepWindows
from tests.support.records import START, image
from tests.unit.services.associate.test_windows import arrival

BAND_HZ = 150e6
WRONG = timedelta(days=4000)
SETTINGS = AssociateSettings(window_timeout_s=30, first_timestep_wait_s=5)


def running() -> TimestepWindows:
    """Return windows of a stream of one band with a cadence of a day."""
    found = TimestepWindows(SETTINGS)
    for step in range(6):
        found.add(arrival(image(step, freq_eff_hz=BAND_HZ), step, at_s=10.0 * step))
        found.ready(10.0 * step + 6)
    return found


def add(found: TimestepWindows, step: int, *, at_s: float) -> None:
    found.add(arrival(image(step, freq_eff_hz=BAND_HZ), 1000 + step, at_s=at_s))


def steps(timesteps: list[Timestep]) -> list[tuple[int, bool]]:
    """Return the number of each timestep, and whether it is late."""
    return [
        ((each.time_start - START).days, each.is_late)
        for each in timesteps
        if each.time_start is not None
    ]


def test_an_image_far_ahead_is_associated_alone_and_the_others_go_on() -> None:
    found = running()
    add(found, WRONG.days, at_s=70)
    assert found.ready(71) == []
    add(found, 6, at_s=80)
    # The stream goes on where it was: nothing is waited for.
    assert steps(found.ready(81)) == [(6, False), (WRONG.days, True)]
    assert found.lowest_open_offset(0) is None
    add(found, 7, at_s=90)
    assert steps(found.ready(91)) == [(7, False)]


def test_an_image_far_ahead_that_nothing_follows_is_not_held_for_longer_than_an_hour() -> None:
    found = running()
    add(found, WRONG.days, at_s=70)
    assert found.ready(70 + 30 + 3599) == []
    assert steps(found.ready(70 + 30 + 3600)) == [(WRONG.days, True)]


def test_an_image_ahead_is_set_aside_before_the_clock_comes_near_it() -> None:
    """Else it would be an ordinary image while it waits, and move the clock."""
    found = running()
    add(found, 120, at_s=70)
    for step in range(6, 40):
        add(found, step, at_s=70.5 + step / 10)
        late = [(120, True)] if step == 6 else []
        assert steps(found.ready(70.55 + step / 10)) == [(step, False), *late]


def test_an_image_that_came_before_a_jump_does_not_contradict_it() -> None:
    """The last images of a night and the first of the next one come by different extractors."""
    found = running()
    found.add(arrival(image(6, freq_eff_hz=BAND_HZ), 6, at_s=69))
    add(found, 200, at_s=70)
    assert steps(found.ready(71)) == [(6, False)]
    add(found, 201, at_s=72)
    assert steps(found.ready(73)) == [(200, False), (201, False)]


def test_a_clock_knows_its_cadence_after_a_restart() -> None:
    found = TimestepWindows(SETTINGS)
    recent = tuple(START + timedelta(days=step) for step in range(-9, 1))
    channels = (ExpectedChannel(Band(BAND_HZ, 2e6), "I", START, 0),)
    found.restore([StreamState("test", START, channels, recent)])
    add(found, WRONG.days, at_s=1)
    assert found.ready(2) == []
    add(found, 1, at_s=3)
    assert steps(found.ready(4)) == [(1, False), (WRONG.days, True)]


@pytest.mark.parametrize("gap_days", [200, 5000])
def test_a_stream_that_goes_on_after_a_break_moves_its_clock(gap_days: int) -> None:
    found = running()
    add(found, gap_days, at_s=70)
    assert found.ready(71) == []
    add(found, gap_days + 1, at_s=72)
    assert steps(found.ready(73)) == [(gap_days, False), (gap_days + 1, False)]
    add(found, 7, at_s=74)
    assert steps(found.ready(75)) == [(7, True)]


def test_a_break_shorter_than_a_hundred_cadences_is_no_jump() -> None:
    found = running()
    add(found, 50, at_s=70)
    assert steps(found.ready(71)) == [(50, False)]


def test_a_clock_that_was_reset_starts_with_the_next_image() -> None:
    found = running()
    add(found, 200, at_s=70)
    add(found, 201, at_s=71)
    found.ready(72)
    found.reset_clock(["test"])
    add(found, 8, at_s=80)
    assert steps(found.ready(86)) == [(8, False)]
    assert found.stream_names() == ["test"]
