"""Kernels of lists of peaks against plain NumPy."""

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from services.extract.kernels.peak_lists import highest_of_each_beam, joined_with, merged_lists
from services.extract.kernels.residuals import exceed_models

SIZE = 25
BEAM = (0.11, 0.06, 0.09)


def peaks(rng: np.random.Generator, n_peaks: int) -> tuple[np.ndarray, ...]:
    """Return rows, columns, islands, backgrounds and noise, in raster order."""
    places = np.unique(rng.integers(0, SIZE, (n_peaks, 2)), axis=0).reshape(-1, 2)
    y, x = (np.ascontiguousarray(axis) for axis in places.T)
    return y, x, rng.integers(0, 9, y.size), *rng.normal(0.0, 1.0, (2, y.size))


@given(seed=st.integers(0, 1000), sizes=st.tuples(st.integers(0, 40), st.integers(0, 40)))
def test_two_lists_are_merged_in_raster_order(seed: int, sizes: tuple[int, int]) -> None:
    rng = np.random.default_rng(seed)
    first, second = (peaks(rng, size) for size in sizes)
    shuffled = rng.permutation(second[0].size)
    second = tuple(column[shuffled] for column in second)
    *columns, is_other = merged_lists(*first, *second)
    together = [np.concatenate(pair) for pair in zip(first, second, strict=True)]
    order = np.lexsort([together[1], together[0]])
    for mine, expected in zip(columns, together, strict=True):
        np.testing.assert_array_equal(mine, expected[order])
    np.testing.assert_array_equal(is_other, order >= first[0].size)


@example(seed=32, n_peaks=32, share=0.25)  # an island whose last peak alone is chosen
@given(seed=st.integers(0, 1000), n_peaks=st.integers(1, 40), share=st.floats(0.0, 0.3))
def test_chains_of_neighbours_and_islands_join_peaks(
    seed: int, n_peaks: int, share: float
) -> None:
    rng = np.random.default_rng(seed)
    island = rng.integers(0, 2 * n_peaks, n_peaks)
    around = np.full((n_peaks, 3), -1)
    for peak in range(n_peaks):
        others = rng.permutation(n_peaks)[: rng.choice(4, p=[0.7, 0.2, 0.05, 0.05])]
        around[peak, : others.size] = others
    chosen = rng.random(n_peaks) < share
    is_linked = island[:, None] == island
    for peak, others in enumerate(around):
        is_linked[peak, others[others >= 0]] = True
    is_linked |= is_linked.T
    expected = chosen
    for _ in range(n_peaks):
        expected = expected | is_linked[expected].any(axis=0)
    np.testing.assert_array_equal(joined_with(chosen, around, island), expected)


@given(seed=st.integers(0, 1000), n_peaks=st.integers(0, 40))
def test_the_highest_peak_of_each_beam_stands(seed: int, n_peaks: int) -> None:
    rng = np.random.default_rng(seed)
    y, x, *_ = peaks(rng, n_peaks)
    height, beams = rng.integers(1, 20, y.size).astype(float), np.tile(BEAM, (y.size, 1))
    (a, b, c), expected = BEAM, []
    for peak in np.argsort(-height, kind="stable"):
        dx, dy = x[expected] - x[peak], y[expected] - y[peak]
        if not np.any(a * dx**2 + 2 * b * dx * dy + c * dy**2 < 0.7):
            expected.append(peak)
    np.testing.assert_array_equal(highest_of_each_beam(y, x, height, beams, 0.7), expected)


@given(seed=st.integers(0, 1000), n_peaks=st.integers(0, 40))
def test_a_flux_exceeds_its_model_by_the_error_of_the_peak(seed: int, n_peaks: int) -> None:
    rng = np.random.default_rng(seed)
    residuals, models = rng.uniform(0.0, 2.0, (n_peaks, 4)), rng.uniform(-1.0, 30.0, (n_peaks, 6))
    residuals[rng.random(n_peaks) < 0.1, 2] = np.nan
    rms, result = rng.uniform(0.5, 2.0, n_peaks), np.empty(n_peaks, np.bool_)
    exceed_models(residuals, models, rms, 1.05, 1.75, result)
    error = rms / np.maximum(models[:, 0], rms)
    expected = residuals[:, 2] > 1 + np.maximum(1.75 * error, 0.05)
    np.testing.assert_array_equal(result, expected)
