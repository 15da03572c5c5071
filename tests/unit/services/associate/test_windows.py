"""Timesteps close when they are complete, and do not depend on the order of arrival."""

import itertools
import tracemalloc
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.kafka import InMessage
from runtime.settings import AssociateSettings
from schemas.messages import ImageDetections
from services.associate.models.timesteps import (
    Arrival,
    Band,
    ExpectedChannel,
    StreamState,
    Timestep,
)
from services.associate.steps import windows as timestep_windows
from services.associate.steps.windows import TimestepWindows
from tests.support.records import START, image, rejected

SETTINGS = AssociateSettings(window_timeout_s=30, first_timestep_wait_s=5)
BANDS = (120e6, 150e6, 180e6)


def windows(*, known_bands: Iterable[float] = BANDS) -> TimestepWindows:
    """Return windows with a stream that is closed up to step 0."""
    found = TimestepWindows(SETTINGS)
    states = tuple(ExpectedChannel(Band(band, 2e6), "I", START, 0) for band in known_bands)
    found.restore([StreamState("test", START, states)])
    return found


def arrival(
    record: ImageDetections, offset: int = 0, at_s: float = 0.0, *, partition: int = 0
) -> Arrival:
    message = InMessage("detections-v1", partition, offset, b"", b"")
    return Arrival(record, message, at_s)


def summary(timesteps: list[Timestep]) -> list[tuple[datetime | None, tuple[str, ...]]]:
    return [
        (timestep.time_start, tuple(each.record.image_id for each in timestep.arrivals))
        for timestep in timesteps
    ]


def test_a_timestep_closes_when_every_band_has_arrived() -> None:
    found = windows()
    for number, band in enumerate(BANDS):
        assert found.ready(0.0) == []
        found.add(arrival(image(1, freq_eff_hz=band), number))
    (timestep,) = found.ready(0.0)
    assert timestep.time_start == START + timedelta(days=1)
    assert len(timestep.arrivals) == 3
    assert found.n_open_images() == 0


def test_a_missing_band_is_waited_for_until_the_timeout() -> None:
    found = windows()
    found.add(arrival(image(1, freq_eff_hz=BANDS[0]), at_s=100.0))
    assert found.ready(129.9) == []
    assert len(found.ready(130.0)) == 1


def test_after_an_outage_a_missing_band_is_waited_for_anew() -> None:
    found = windows()
    found.add(arrival(image(1, freq_eff_hz=BANDS[0]), at_s=100.0))
    assert not found.is_overdue(104.9)
    assert found.is_overdue(105.0)
    found.restart_waits(float("-inf"))
    found.restart_waits(220.0)
    assert not found.is_overdue(220.0)
    assert found.ready(249.9) == []
    assert len(found.ready(250.0)) == 1


def test_idle_streams_leave_memory_and_go_on_where_they_were() -> None:
    names = [f"idle-{number}" for number in range(100)]
    days = [
        replace(image(step, freq_eff_hz=band), n_bands=2)
        for step in range(40)
        for band in BANDS[:2]
    ]
    found = TimestepWindows(SETTINGS)
    tracemalloc.start()
    for name in names:
        for record in days:
            found.add(arrival(replace(record, stream=name), at_s=100.0))
        assert len(found.ready(100.0)) == 40
    full, _ = tracemalloc.get_traced_memory()
    assert found.ready(100.0 + 3601.0) == []
    idle, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert idle < full / 2
    assert idle / len(names) < 8192
    assert found.stream_names() == sorted(names)
    late, in_time = (
        replace(image(step, freq_eff_hz=BANDS[0]), stream="idle-7") for step in (39, 40)
    )
    found.add(arrival(late, at_s=4000.0))
    found.add(arrival(in_time, at_s=4000.0))
    (timestep,) = found.ready(4001.0)
    assert timestep.is_late
    # The other band is still expected.
    assert found.n_open_images() == 1
    found.add(arrival(replace(image(41, freq_eff_hz=BANDS[1]), stream="idle-7"), at_s=4001.0))
    (timestep,) = found.ready(4001.0)
    assert (timestep.time_start, timestep.is_late) == (START + timedelta(days=40), False)


def test_a_band_that_stays_away_does_not_fill_the_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    most = 100
    monkeypatch.setattr(timestep_windows, "MOST_OPEN_TIMESTEPS", most)
    found = windows()
    n_closed = 0
    for step in range(1, most + 101):
        found.add(arrival(image(step, freq_eff_hz=BANDS[0]), step))
        n_closed += len(found.ready(0.0))
        assert found.n_open_images() <= most
    assert n_closed > 0


def test_a_band_with_a_later_image_is_not_waited_for() -> None:
    found = windows()
    found.add(arrival(image(1, freq_eff_hz=BANDS[0]), 0))
    found.add(arrival(image(1, freq_eff_hz=BANDS[1]), 1))
    found.add(arrival(image(2, freq_eff_hz=BANDS[2]), 2))
    (timestep,) = found.ready(0.0)
    assert timestep.time_start == START + timedelta(days=1)
    assert found.lowest_open_offset(0) == 2


def test_a_band_that_misses_three_timesteps_is_no_longer_expected() -> None:
    found = windows()
    for step in range(1, 4):
        for band in BANDS[:2]:
            found.add(arrival(image(step, freq_eff_hz=band)))
        assert len(found.ready(SETTINGS.window_timeout_s)) == 1
    for band in BANDS[:2]:
        found.add(arrival(image(4, freq_eff_hz=band)))
    assert len(found.ready(0.0)) == 1


def test_an_image_of_a_closed_timestep_is_late_and_associated_alone() -> None:
    found = windows()
    found.add(arrival(image(-1, freq_eff_hz=BANDS[0])))
    (timestep,) = found.ready(0.0)
    assert timestep.is_late


def test_an_image_without_metadata_is_associated_alone_at_once() -> None:
    found = windows()
    found.add(arrival(rejected(image(1))))
    (timestep,) = found.ready(0.0)
    assert timestep.time_start is None


def test_the_first_timestep_of_a_new_stream_waits_for_its_bands() -> None:
    found = TimestepWindows(SETTINGS)
    for offset, band in enumerate(BANDS):
        found.add(arrival(image(0, freq_eff_hz=band), offset, at_s=float(offset)))
        assert found.ready(float(offset)) == []
    (timestep,) = found.ready(5.0)
    assert len(timestep.arrivals) == 3
    assert len(timestep.channels) == 3


@given(
    order=st.permutations(list(itertools.product(BANDS, "IV"))),
    in_header=st.one_of(st.none(), st.integers(1, 8)),
    in_settings=st.one_of(st.none(), st.integers(1, 8)),
)
def test_the_first_timestep_closes_when_it_has_the_bands_it_is_said_to_have(
    order: list[tuple[float, str]], in_header: int | None, in_settings: int | None
) -> None:
    found = TimestepWindows(SETTINGS.model_copy(update={"new_stream_bands": in_settings}))
    n_said = in_header or in_settings or len(order) + 1
    for number, (band, stokes) in enumerate(order, start=1):
        record = image(0, freq_eff_hz=band, stokes=stokes)
        # What one image says holds for all.
        said = in_header if number == 1 else None
        found.add(arrival(replace(record, n_bands=said), number))
        closed = found.ready(0.0)
        assert [len(each.arrivals) for each in closed] == [number] * (number == n_said)
        if closed:
            break
    assert found.n_open_images() == (0 if n_said <= len(order) else len(order))


def test_a_number_of_bands_that_is_too_low_is_mended_by_the_second_timestep() -> None:
    found = TimestepWindows(SETTINGS)
    for step in (0, 1):
        for band in BANDS:
            found.add(arrival(replace(image(step, freq_eff_hz=band), n_bands=1)))
            closed = found.ready(0.0)
    assert [len(each.arrivals) for each in closed] == [len(BANDS)]


def test_stokes_parameters_are_channels_of_their_own() -> None:
    found = TimestepWindows(SETTINGS)
    for step in (0, 1):
        for stokes in "IV":
            found.add(arrival(image(step, stokes=stokes)))
    assert [len(timestep.arrivals) for timestep in found.ready(5.0)] == [2, 2]


@given(st.permutations(list(itertools.product(range(1, 4), BANDS))))
def test_the_order_of_arrival_does_not_matter(order: list[tuple[int, float]]) -> None:
    expected = windows()
    for step, band in itertools.product(range(1, 4), BANDS):
        expected.add(arrival(image(step, freq_eff_hz=band)))
    found = windows()
    # Within a band Kafka keeps the order: sort each band's steps.
    steps = {band: iter(range(1, 4)) for band in BANDS}
    timesteps = []
    for _, band in order:
        found.add(arrival(image(next(steps[band]), freq_eff_hz=band)))
        timesteps += found.ready(0.0)
    assert summary(timesteps) == summary(expected.ready(0.0))


def test_a_revoked_partition_is_dropped() -> None:
    found = windows()
    found.add(arrival(image(1, freq_eff_hz=BANDS[0])))
    found.drop_partitions([0])
    assert found.n_open_images() == 0
    assert found.ready(1000.0) == []


def test_the_state_of_the_database_is_used_after_a_restart() -> None:
    found = TimestepWindows(SETTINGS)
    found.restore([StreamState("test", datetime(2030, 1, 1, tzinfo=UTC), ())])
    found.add(arrival(image(1)))
    assert found.ready(0.0)[0].is_late


def test_a_record_that_waits_holds_the_offset_of_its_own_partition() -> None:
    found = windows()
    found.add(arrival(image(1, freq_eff_hz=BANDS[0]), 40, partition=0))
    found.add(arrival(image(1, freq_eff_hz=BANDS[1]), 7, partition=3))
    found.add(arrival(image(2, freq_eff_hz=BANDS[1]), 9, partition=3))
    assert found.lowest_open_offset(0) == 40
    assert found.lowest_open_offset(3) == 7
    assert found.lowest_open_offset(1) is None


def test_a_partition_that_goes_takes_its_own_records_alone() -> None:
    found = windows()
    found.add(arrival(image(1, freq_eff_hz=BANDS[0]), 40, partition=0))
    found.add(arrival(image(1, freq_eff_hz=BANDS[1]), 7, partition=3))
    found.drop_partitions([0])
    assert found.lowest_open_offset(0) is None
    assert found.lowest_open_offset(3) == 7
    assert found.n_open_images() == 1
    for number, band in enumerate(BANDS):
        if band != BANDS[1]:
            found.add(arrival(image(1, freq_eff_hz=band), 41 + number, partition=0))
    (timestep,) = found.ready(0.0)
    assert [each.partition for each in timestep.arrivals] == [0, 3, 0]
