"""Kernels that flag sources and correct fluxes against plain NumPy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.extract.kernels.around import median
from services.extract.kernels.flags import are_poor_fits, flag_places, mark_near_bright
from services.extract.kernels.fluxes import correct_fluxes
from services.extract.kernels.neighbours import (
    nearest_neighbours,
    nearest_two_ways,
    those_within,
)
from services.extract.kernels.residual_peaks import least_residuals
from services.extract.kernels.uncertainties import gaussian_errors

SHAPE = (60, 90)
EDGE, BLENDED, BLANK, FAILED, BRIGHT = 1, 2, 4, 8, 16
SEEDS, SIZES = st.integers(0, 1000), st.integers(0, 50)


def peaks(rng: np.random.Generator, n_peaks: int) -> tuple[np.ndarray, np.ndarray]:
    """Return pixels in raster order."""
    places = np.unique(rng.integers(0, SHAPE, (n_peaks, 2)), axis=0).reshape(-1, 2)
    return np.ascontiguousarray(places[:, 0]), np.ascontiguousarray(places[:, 1])


def fits_at(rng: np.random.Generator, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return fits near peaks, a few with blank pixels or without convergence."""
    amplitude = 10.0 ** rng.uniform(0.0, 3.5, y.size)
    away = rng.uniform(-1.4, 1.4, (2, y.size))
    flags = rng.random((2, y.size)) < [[0.1], [0.9]]
    return np.stack([amplitude, x + away[0], y + away[1], np.full(y.size, 9.0), *flags], axis=1)


@given(seed=SEEDS, n_peaks=SIZES)
def test_places_are_flagged(seed: int, n_peaks: int) -> None:
    rng = np.random.default_rng(seed)
    y, x = peaks(rng, n_peaks)
    island, fits = rng.integers(0, 3 * y.size + 1, y.size), fits_at(rng, y, x)
    neighbours = np.where(rng.random((y.size, 2)) < 0.2, 0, -1)
    flags = np.empty(y.size, np.int64)
    flag_places(SHAPE, y, x, island, fits, neighbours, (EDGE, BLENDED, BLANK, FAILED), flags)
    is_edge = np.zeros(y.size, np.bool_)
    for at_y, at_x in ((y, x), (fits[:, 2], fits[:, 1])):
        is_edge |= (at_y < 2) | (at_x < 2) | (at_y >= SHAPE[0] - 2) | (at_x >= SHAPE[1] - 2)
    is_blended = ((island[:, None] == island).sum(axis=1) > 1) | (neighbours[:, 0] >= 0)
    expected = EDGE * is_edge + BLENDED * is_blended
    expected += BLANK * (fits[:, 4] > 0) + FAILED * (fits[:, 5] == 0)
    np.testing.assert_array_equal(flags, expected)


@given(seed=SEEDS, n_peaks=SIZES, radius_px=st.floats(1.0, 120.0))
def test_sources_near_a_much_brighter_one_are_marked(
    seed: int, n_peaks: int, radius_px: float
) -> None:
    rng = np.random.default_rng(seed)
    y, x = peaks(rng, n_peaks)
    fits, flags = fits_at(rng, y, x), np.ones(y.size, np.int64)
    mark_near_bright(y, x, fits, 100.0, radius_px, BRIGHT, flags)
    is_near = (y[:, None] - y) ** 2 + (x[:, None] - x) ** 2 <= radius_px**2
    is_brighter = fits[:, 0] > 100.0 * fits[:, 0, None]
    np.testing.assert_array_equal(flags, 1 + BRIGHT * np.any(is_near & is_brighter, axis=1))


@given(seed=SEEDS, n_sources=SIZES)
def test_a_fit_is_poor_where_chance_leaves_as_much_once_in_a_million(
    seed: int, n_sources: int
) -> None:
    rng = np.random.default_rng(seed)
    residuals = np.abs(rng.normal(0.0, 60.0, (n_sources, 4)))
    residuals[:, 1] = rng.integers(0, 40, n_sources)
    amplitude, rms = rng.normal(0.0, 50.0, n_sources), rng.uniform(0.5, 2.0, n_sources)
    axes, beam_axes = rng.uniform(3.0, 9.0, (3, n_sources)), rng.uniform(3.0, 5.0, (3, n_sources))
    is_free, is_poor = rng.random(n_sources) < 0.5, np.empty(n_sources, np.bool_)
    chi2_reduced = np.empty(n_sources)
    are_poor_fits(residuals, amplitude, rms, axes, beam_axes, is_free, chi2_reduced, is_poor)
    expected = residuals[:, 0] / np.maximum(residuals[:, 1], 1)
    freedom = np.maximum(6.4, 3.2 * axes[0] * axes[1] / (beam_axes[0] * beam_axes[1]))
    in_a_million = (1 - 2 / (9 * freedom) + 4.75 * np.sqrt(2 / (9 * freedom))) ** 3
    limit = np.where(is_free, 1.0, 0.342) * in_a_million + (0.01 * amplitude / rms) ** 2
    np.testing.assert_allclose(chi2_reduced, expected)
    np.testing.assert_array_equal(is_poor, expected > limit)


@given(seed=SEEDS, n_sources=SIZES, bias=st.sampled_from([0.0, 0.3, -4.0]))
def test_fluxes_are_corrected_and_their_errors_enlarged(
    seed: int, n_sources: int, bias: float
) -> None:
    rng = np.random.default_rng(seed)
    amplitude = rng.choice([-1.0, 1.0], n_sources) * rng.uniform(5.0, 50.0, n_sources)
    area, peak_err, shape_err = rng.uniform(0.1, 2.0, (3, n_sources))
    out = np.empty((4, n_sources))
    correct_fluxes(
        amplitude, area, peak_err, np.hypot(peak_err, shape_err), (bias, 0.2), 0.05, out
    )
    size = np.abs(amplitude)
    limit = np.maximum(3 * size * peak_err, -2 * bias)
    share = np.minimum(size / limit, 1)
    peak = np.sign(amplitude) * (size + bias * share)
    # A constant has no noise; a part of the flux stretches that of the fit.
    noise = size * peak_err * np.where(share < 1, 1 + bias / limit, 1)
    peak_total = np.sqrt(noise**2 + (0.05 * peak) ** 2 + (0.2 * share) ** 2)
    flux_total = area * np.hypot(peak_total, peak * shape_err)
    expected = [peak, peak_total, peak * area, flux_total]
    np.testing.assert_allclose(out, np.reshape(expected, (4, n_sources)))


@given(seed=SEEDS, n_sources=SIZES)
def test_the_least_residual_is_higher_beside_what_may_be_extended(
    seed: int, n_sources: int
) -> None:
    rng = np.random.default_rng(seed)
    rms, fits = rng.uniform(0.5, 2.0, n_sources), rng.uniform(0.0, 9.0, (n_sources, 6))
    fits[rng.random(n_sources) < 0.2, 5] = 0.0
    may_be_extended, least = rng.random(n_sources) < 0.3, np.empty(n_sources)
    least_residuals(rms, fits, may_be_extended, 5.0, 1.6, least)
    expected = 5.0 * rms * np.where(may_be_extended, 1.6, 1.0)
    np.testing.assert_allclose(least, np.where(fits[:, 5] == 0, np.inf, expected))


@given(seed=SEEDS, n_sources=SIZES)
def test_errors_of_free_shapes_are_those_of_condon(seed: int, n_sources: int) -> None:
    rng = np.random.default_rng(seed)
    snr, *axes = rng.uniform(5.0, 200.0, (3, n_sources)) * [[1.0], [0.1], [0.05]]
    minor, major = np.sort(axes, axis=0)
    beams = rng.uniform(2.0, 6.0, (2, n_sources))
    is_free, errors = rng.random(n_sources) < 0.5, np.empty((7, n_sources))
    gaussian_errors(snr, major, minor, beams, is_free, errors)

    def rho2(along: float, across: float) -> np.ndarray:
        area = major * minor / (4 * beams[0] * beams[1])
        ratios = (1 + (beams[0] / major) ** 2) ** along * (1 + (beams[1] / minor) ** 2) ** across
        return area * ratios * snr**2

    peak, of_major, of_minor = (
        np.sqrt(2 / rho2(*each)) for each in ((1.5, 1.5), (2.5, 0.5), (0.5, 2.5))
    )
    beam_share = beams[0] * beams[1] / (major * minor)
    angle = of_minor * np.sqrt(2) * major * minor / (major**2 - minor**2)
    sigma = np.sqrt(8 * np.log(2))
    free = [
        peak, np.sqrt(peak**2 + beam_share * (of_major**2 + of_minor**2)),
        of_major * major / sigma, of_minor * minor / sigma,
        of_major * major, of_minor * minor, np.minimum(angle, np.pi / 2),
    ]  # fmt: skip
    fixed = [
        1 / snr,
        1 / snr,
        major / (snr * sigma),
        minor / (snr * sigma),
        *np.zeros((3, 1)) * snr,
    ]
    np.testing.assert_allclose(errors, np.where(is_free, free, fixed), rtol=1e-12)


@given(seed=SEEDS, n_peaks=SIZES)
def test_neighbours_in_two_radii_are_those_of_each(seed: int, n_peaks: int) -> None:
    y, x = peaks(np.random.default_rng(seed), n_peaks)
    around, near, expected, expected_near = np.empty((4, y.size, 5), np.int64)
    nearest_two_ways(y, x, (15.0, 7.0), around, near)
    nearest_neighbours(y, x, 15.0, expected)
    those_within(y, x, expected, 7.0, expected_near)
    np.testing.assert_array_equal(around, expected)
    np.testing.assert_array_equal(near, expected_near)


@pytest.mark.parametrize("shape", [(1, 1), (1, 4), (5, 7), (8, 8)])
def test_the_median_of_a_grid_is_that_of_numpy(shape: tuple[int, int]) -> None:
    grid = np.random.default_rng(2).normal(0.0, 1.0, shape)
    assert median(grid) == np.median(grid)
