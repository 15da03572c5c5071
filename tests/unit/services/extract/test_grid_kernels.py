"""Kernels of grids and of lists of peaks against their plain NumPy references."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import binary_erosion

from services.extract.kernels.around import (
    border_rises,
    partly_blank_above_around,
    rise_and_range,
)
from services.extract.kernels.background import background_grid
from services.extract.kernels.grid_interpolation import grids_at
from services.extract.kernels.neighbours import nearest_neighbours, pairs_within, those_within
from services.extract.kernels.noise_surface import N_TERMS, fit_surface
from sky.rms_grid import rms_at
from tests.support import reference

SHAPE = (61, 47)
BEAM = (0.11, 0.06, 0.09)


def peaks(seed: int, n_peaks: int) -> tuple[np.ndarray, np.ndarray]:
    """Return pixels in raster order."""
    rng = np.random.default_rng(seed)
    places = np.unique(rng.integers(0, [61, 47], (n_peaks, 2)), axis=0)
    return np.ascontiguousarray(places[:, 0]), np.ascontiguousarray(places[:, 1])


@pytest.mark.parametrize("cells", [(1, 1), (1, 3), (5, 4), (61, 47)])
def test_grids_at_pixels_are_those_of_the_sky(cells: tuple[int, int]) -> None:
    mean, rms = np.random.default_rng(3).normal(1.0, 0.3, (2, *cells))
    y, x = (np.ascontiguousarray(axis.ravel()) for axis in np.mgrid[: SHAPE[0], : SHAPE[1]])
    out = np.empty((2, y.size))
    grids_at(mean, rms, SHAPE, y, x, out)
    for mine, grid in zip(out, (mean, rms), strict=True):
        np.testing.assert_array_equal(mine, rms_at(grid, SHAPE, x, y))


@given(seed=st.integers(0, 1000), n_peaks=st.integers(1, 150))
def test_pairs_are_all_peaks_within_a_beam(seed: int, n_peaks: int) -> None:
    y, x = peaks(seed, n_peaks)
    dx, dy = x[None, :] - x[:, None], y[None, :] - y[:, None]
    a, b, c = BEAM
    is_pair = a * dx * dx + 2 * b * dx * dy + c * dy * dy <= 7.0
    expected = np.argwhere(np.triu(is_pair, 1))
    np.testing.assert_array_equal(pairs_within(y, x, BEAM, 7.0), expected)


@given(seed=st.integers(0, 1000), n_peaks=st.integers(1, 80))
def test_those_within_a_radius_are_the_nearest_ones(seed: int, n_peaks: int) -> None:
    y, x = peaks(seed, n_peaks)
    nearest = np.empty((y.size, 6), np.int64)
    nearest_neighbours(y, x, 9.0, nearest)
    near = np.empty_like(nearest)
    those_within(y, x, nearest, 5.0, near)
    distance = np.hypot(x[nearest] - x[:, None], y[nearest] - y[:, None])
    np.testing.assert_array_equal(near, np.where((nearest >= 0) & (distance <= 5.0), nearest, -1))


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (6, 7)])
@pytest.mark.parametrize("share_blank", [0.0, 0.4])
def test_partly_blank_cells_above_those_around_them(
    shape: tuple[int, int], share_blank: float
) -> None:
    rng = np.random.default_rng(5)
    grid = rng.uniform(1.0, 4.0, shape)
    grid[rng.random(shape) < share_blank] = np.nan
    wide = np.pad(grid, 1, constant_values=np.nan)
    around = np.stack(
        [wide[y : y + shape[0], x : x + shape[1]] for y in range(3) for x in range(3)]
    )
    least = np.where(np.isnan(around), np.inf, around).min(axis=0)
    is_partly_blank = rng.random(shape) < 0.5
    ny, nx = 4 * shape[0] + 1, 5 * shape[1] + 2
    pixels = np.zeros((ny, nx), np.float32)
    for row, column in np.argwhere(is_partly_blank):
        last = (row + 1) * ny // shape[0] - 1, (column + 1) * nx // shape[1] - 1
        pixels[last] = np.nan
    expected = np.argwhere((grid > 2.0 * least) & is_partly_blank)
    np.testing.assert_array_equal(partly_blank_above_around(pixels, grid, 2.0), expected)


@pytest.mark.parametrize("shape", [(1, 1), (2, 9), (3, 3), (8, 6)])
@pytest.mark.parametrize("share_blank", [0.0, 0.05])
def test_border_cells_are_compared_with_those_behind_them(
    shape: tuple[int, int], share_blank: float
) -> None:
    rng = np.random.default_rng(6)
    grid = rng.uniform(1.0, 4.0, shape)
    grid[rng.random(shape) < share_blank] = np.nan
    inner = binary_erosion(np.isfinite(grid), np.ones((3, 3)))
    expected = []
    for row, column in np.argwhere(np.isfinite(grid) & ~inner):
        near = np.s_[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]
        if inner[near].any():
            expected.append(grid[row, column] / grid[near][inner[near]].mean())
    np.testing.assert_allclose(border_rises(grid), expected, rtol=1e-12)
    rise, lowest, highest = rise_and_range(grid, 0.25)
    quartile = np.percentile(expected, 25) if expected else np.nan
    np.testing.assert_allclose(rise, quartile, rtol=1e-12)
    assert (lowest, highest) == (np.nanmin(grid), np.nanmax(grid))


@given(
    shape=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    seed=st.integers(0, 1000),
    every=st.integers(1, 2),
)
def test_a_surface_is_a_robust_fit_to_the_logarithm_of_the_noise(
    shape: tuple[int, int], seed: int, every: int
) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.normal(0.0, 0.5, N_TERMS)
    y, x = ((2 * np.arange(n) + 1) / n - 1 for n in shape)
    x, y = np.broadcast_to(x, shape), np.broadcast_to(y[:, None], shape)
    terms = np.stack([np.ones(shape), x, y, x * x, x * y, y * y])
    rms = np.exp(np.tensordot(truth, terms, 1))
    full = rng.random(shape) < 0.03
    rms[full] *= 40.0
    rms[rng.random(shape) < 0.1] = np.nan
    known = np.isfinite(rms)[::every, ::every]
    design = terms[:, ::every, ::every][:, known].T
    values = np.log(rms[::every, ::every][known])
    coefficients = np.empty(N_TERMS)
    scatter = fit_surface(rms, every, coefficients)
    if values.size < 9:
        assert np.isnan(scatter)
    elif np.linalg.cond(design) < 1e3:
        expected, expected_scatter = reference.fit_surface(design, values)
        np.testing.assert_allclose(coefficients, expected, rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(scatter, expected_scatter, rtol=1e-6, atol=1e-9)
        if not full.any():
            np.testing.assert_allclose(coefficients, truth, atol=1e-9)


def test_a_cell_without_noise_is_not_known() -> None:
    pixels = np.random.default_rng(4).normal(0.0, 1.0, (60, 90)).astype(np.float32)
    pixels[:, :30], pixels[:30, 60:] = 7.0, np.nan
    mean, rms = np.empty((2, 3)), np.empty((2, 3))
    assert background_grid(pixels, 100, 50, mean, rms) == 3
    for grid in (mean, rms):
        np.testing.assert_array_equal(
            np.isfinite(grid), [[False, True, False], [False, True, True]]
        )
