"""What is stored of a timestep beside its sources: coverage, channels, months."""

import numpy as np

from services.associate.models.timesteps import Band, ExpectedChannel
from tests.support.records import START, image
from tests.support.timesteps import FIRST_IMAGE_KEY, decide_timestep, state_of, timestep_of

HERE = (123.0, 10.0)
LOW_HZ = 140e6


def test_an_image_covers_the_sky_where_it_is_not_blank():
    half = np.full((4, 4), 1e-3)
    half[:, :2] = np.nan
    whole, blank = timestep_of(image(1)), timestep_of(image(1, rms_jy_beam=half))
    ((all_cells,), (some_cells,)) = (
        decide_timestep(each, state_of(each))[1].coverage for each in (whole, blank)
    )
    assert 0.3 < some_cells.cell.size / all_cells.cell.size < 0.7
    assert set(some_cells.cell.tolist()) < set(all_cells.cell.tolist())
    assert all_cells.image_key == FIRST_IMAGE_KEY
    np.testing.assert_allclose(all_cells.rms_jy_beam, 1e-3)


def test_the_channels_that_the_stream_sends_are_stored_once_a_band():
    first, later = (
        ExpectedChannel(Band(LOW_HZ + offset, 2e6), "I", START, missed)
        for offset, missed in ((0.0, 2), (100.0, 0))
    )
    elsewhere = ExpectedChannel(Band(300e6, 2e6), "I", START, 0)
    timestep = timestep_of(image(1), channels=(first, later, elsewhere))
    _, decisions = decide_timestep(timestep, state_of(timestep))
    assert list(decisions.channels) == [(1, later)]
    assert decisions.closed_until == timestep.time_start


def test_only_months_with_detections_need_a_partition():
    empty, full = timestep_of(image(1)), timestep_of(image(1, [HERE]))
    assert decide_timestep(empty, state_of(empty))[1].months == []
    assert decide_timestep(full, state_of(full))[1].months == [full.time_start]
