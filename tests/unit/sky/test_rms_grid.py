"""Interpolation in the grid of local rms."""

import numpy as np
import pytest

from sky.rms_grid import rms_at, rms_bounds_at

GRID = np.array([[1.0, 2.0], [3.0, 4.0]])
SHAPE = (100, 200)


def test_cell_centres_give_the_cells() -> None:
    x, y = [49.5, 149.5, 49.5, 149.5], [24.5, 24.5, 74.5, 74.5]
    assert rms_at(GRID, SHAPE, x, y) == pytest.approx([1, 2, 3, 4])


def test_between_centres_it_is_bilinear_and_outside_it_is_flat() -> None:
    assert rms_at(GRID, SHAPE, [99.5], [49.5])[0] == pytest.approx(2.5)
    assert rms_at(GRID, SHAPE, [0.0], [0.0])[0] == pytest.approx(1.0)


def test_outside_the_image_there_is_no_rms() -> None:
    assert np.isnan(rms_at(GRID, SHAPE, [-0.6, 10, np.nan], [5, 100, 5])).all()
    low, high = rms_bounds_at(GRID, SHAPE, [200.0], [5.0])
    assert np.isnan(low[0])
    assert np.isnan(high[0])


def test_bounds_are_those_of_the_cells_around() -> None:
    low, high = rms_bounds_at(GRID, SHAPE, [99.5], [49.5])
    assert (low[0], high[0]) == (1.0, 4.0)


def test_near_a_blank_cell_there_is_no_rms() -> None:
    grid = np.array([[1.0, np.nan], [3.0, 4.0]])
    assert np.isnan(rms_at(grid, SHAPE, [99.5], [49.5])[0])
