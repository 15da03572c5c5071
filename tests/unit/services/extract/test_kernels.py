"""Each kernel against its plain NumPy reference, and the symmetries it must have."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.extract.kernels.background import background_grid, fill_blank_cells
from services.extract.kernels.free_gaussian import fit_gaussian
from services.extract.kernels.islands import find_peaks
from services.extract.kernels.measure import fit_beam
from services.extract.kernels.scan import count_blank, scan_pixels, swap_and_scan
from services.extract.kernels.significance import band_bounds, segment_starts, significance_row
from sky.margin import searched_pixels
from tests.support import reference
from tests.support.examples import examples

SHAPES = [(1, 1), (3, 200), (50, 50), (64, 97), (130, 121)]


def searched(pixels: np.ndarray, margin_px: int = 0) -> tuple[tuple[int, int], tuple[int, int]]:
    rows, columns = pixels.shape
    return searched_pixels(rows, margin_px), searched_pixels(columns, margin_px)


# Pixels that touch at a corner are of one island.
EIGHT = True


def noise(shape: tuple[int, int], seed: int = 1, *, blank: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    pixels = rng.normal(0.3, 2.0, shape).astype(np.float32)
    pixels[rng.random(shape) < blank] = np.nan
    return pixels


def used_rows(cell: np.ndarray) -> np.ndarray:
    """Return the rows of a cell that enter its noise: of tall cells one of each two."""
    n_rows = cell.shape[0]
    if n_rows < 32:
        return cell
    return cell[[2 * pair + pair // 4 % 2 for pair in range(n_rows // 2)]]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("blank", [0.0, 0.3, 1.0])
def test_background_equals_the_reference(shape: tuple[int, int], blank: float) -> None:
    pixels = noise(shape, blank=blank)
    rows, columns = max(1, round(shape[0] / 50)), max(1, round(shape[1] / 50))
    mean, rms = np.empty((rows, columns)), np.empty((rows, columns))
    background_grid(pixels, 2, 50, mean, rms)
    for row in range(rows):
        for column in range(columns):
            cell = pixels[
                row * shape[0] // rows : (row + 1) * shape[0] // rows,
                column * shape[1] // columns : (column + 1) * shape[1] // columns,
            ]
            expected = reference.background_cell(used_rows(cell).ravel(), 2)
            np.testing.assert_allclose(
                [mean[row, column], rms[row, column]], expected, rtol=2e-3, atol=2e-3
            )


@pytest.mark.parametrize("shape", [(300, 70), (131, 65), (3, 200), (64, 8)])
def test_one_cell_of_any_shape_equals_the_reference(shape: tuple[int, int]) -> None:
    pixels = noise(shape, seed=4, blank=0.1)
    mean, rms = np.empty((1, 1)), np.empty((1, 1))
    background_grid(pixels, 2, 50, mean, rms)
    expected = reference.background_cell(used_rows(pixels).ravel(), 2)
    np.testing.assert_allclose([mean[0, 0], rms[0, 0]], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("phase", [0, 1])
def test_a_pattern_of_two_rows_is_noise(phase: int) -> None:
    pixels = noise((80, 40), seed=6)
    pixels[phase::2] += 20
    mean, rms = np.empty((1, 1)), np.empty((1, 1))
    background_grid(pixels, 2, 50, mean, rms)
    expected = reference.background_cell(pixels.ravel(), 2)
    assert rms[0, 0] == pytest.approx(expected[1], rel=0.05)


@pytest.mark.compiled_kernels
def test_clipped_rms_is_unbiased_on_pure_noise() -> None:
    pixels = np.random.default_rng(5).normal(0, 1, (1000, 1000)).astype(np.float32)
    mean, rms = np.empty((20, 20)), np.empty((20, 20))
    background_grid(pixels, 2, 50, mean, rms)
    assert abs(rms.mean() - 1) < 0.005
    assert abs(mean.mean()) < 0.005


def test_a_bright_source_does_not_raise_the_rms() -> None:
    pixels = noise((50, 50), seed=3)
    mean, quiet = np.empty((1, 1)), np.empty((1, 1))
    background_grid(pixels, 2, 50, mean, quiet)
    pixels[20:25, 20:25] += 5000
    rms = np.empty((1, 1))
    background_grid(pixels, 2, 50, mean, rms)
    assert abs(rms[0, 0] / quiet[0, 0] - 1) < 0.01


@pytest.mark.compiled_kernels
def test_a_strided_view_is_refused() -> None:
    grid = np.empty((1, 1))
    with pytest.raises(TypeError, match="No matching definition"):
        background_grid(noise((50, 50))[::2], 2, 50, grid, grid)


def test_blank_cells_take_their_nearest_neighbours() -> None:
    grid = np.array([[1.0, np.nan, 3.0]])
    np.testing.assert_array_equal(fill_blank_cells(grid), [[1.0, 2.0, 3.0]])
    assert np.isnan(grid[0, 1])


def significance(
    pixels: np.ndarray, mean: np.ndarray, rms: np.ndarray, least_sigma: float
) -> np.ndarray:
    """Return all rows, each written where the one before was."""
    starts = segment_starts(pixels.shape[1], mean.shape[1])
    bounds, filled = np.empty(pixels.shape[1], np.float32), np.empty(pixels.shape[1], np.int64)
    row, n_filled, until, rows = np.full(pixels.shape[1], np.nan, np.float32), 0, 0, []
    for y in range(pixels.shape[0]):
        if y == until:
            until = band_bounds(mean, rms, y, pixels.shape[0], least_sigma, starts, bounds)
        n_filled = significance_row(pixels, mean, rms, y, starts, bounds, filled, n_filled, row)
        rows.append(row.copy())
    return np.array(rows)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("cells", [(1, 1), (2, 3)])
def test_significance_equals_the_reference(shape: tuple[int, int], cells: tuple[int, int]) -> None:
    pixels = noise(shape, blank=0.1)
    rng = np.random.default_rng(2)
    mean, rms = rng.normal(0, 1, cells), rng.uniform(1, 2, cells)
    expected = (pixels - reference.grid_map(mean, shape)) / reference.grid_map(rms, shape)
    np.testing.assert_allclose(
        significance(pixels, mean, rms, -np.inf), expected, atol=2e-5, rtol=2e-4
    )


@settings(max_examples=examples(60))
@given(
    st.integers(0, 2**32 - 1),
    st.tuples(st.integers(1, 5), st.integers(1, 300)),
    st.tuples(st.integers(1, 3), st.integers(1, 9)),
    st.floats(-1e4, 1e4),
    st.floats(0, 4),
)
def test_no_pixel_above_the_threshold_is_passed_over(
    seed: int, shape: tuple[int, int], cells: tuple[int, int], level: float, threshold: float
) -> None:
    rng = np.random.default_rng(seed)
    mean, rms = level + rng.normal(0, 1, cells), rng.uniform(0.01, 2, cells)
    pixels = noise(shape, seed, blank=0.1) + np.float32(level)
    everything = significance(pixels, mean, rms, -np.inf)
    found = significance(pixels, mean, rms, threshold)
    is_above = everything > threshold
    np.testing.assert_array_equal(found[is_above], everything[is_above])
    assert not np.any(found[~is_above] > threshold)


def test_pixels_below_the_threshold_stay_blank() -> None:
    pixels = np.zeros((2, 300), np.float32)
    pixels[0, 150] = pixels[1, 10] = 10
    found = significance(pixels, np.zeros((1, 6)), np.ones((1, 6)), 3.0)
    filled = [np.flatnonzero(np.isfinite(row)).tolist() for row in found]
    assert filled == [[150], [10]]


@settings(max_examples=examples(60))
@given(
    st.integers(0, 2**32 - 1),
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.floats(0, 0.5),
    st.integers(0, 4),
    st.booleans(),
)
def test_peaks_equal_the_reference(
    seed: int,
    shape: tuple[int, int],
    blank: float,
    margin: int,
    diagonal: bool,  # noqa: FBT001
) -> None:
    pixels = noise(shape, seed, blank=blank)
    one, zero = np.ones((1, 1)), np.zeros((1, 1))
    y, x, _, size = find_peaks(pixels, zero, one, 2.5, 1.0, *searched(pixels, margin), diagonal)
    found = list(zip(y.tolist(), x.tolist(), size.tolist(), strict=True))
    assert found == reference.peaks(pixels, 2.5, 1.0, margin, diagonal=diagonal)


def test_a_plateau_is_one_peak() -> None:
    pixels = np.zeros((9, 9), np.float32)
    pixels[4, 3:6] = 10
    y, x, _, size = find_peaks(
        pixels, np.zeros((1, 1)), np.ones((1, 1)), 5.0, 3.0, *searched(pixels), EIGHT
    )
    assert (y.tolist(), x.tolist(), size.tolist()) == ([4], [3], [3])


def test_more_islands_than_the_first_allocation_are_kept() -> None:
    pixels = np.zeros((200, 200), np.float32)
    pixels[::3, ::3] = 10
    y, _, island, _ = find_peaks(
        pixels, np.zeros((1, 1)), np.ones((1, 1)), 5.0, 3.0, *searched(pixels), EIGHT
    )
    assert y.size == 67 * 67 == np.unique(island).size


@pytest.mark.parametrize("shape", [(2, 2), (3, 200), (64, 97)])
@pytest.mark.parametrize("blank", [0.0, 0.3, 1.0])
def test_one_pass_finds_extremes_and_runs(shape: tuple[int, int], blank: float) -> None:
    rng = np.random.default_rng(3)
    pixels = rng.integers(-2, 3, shape).astype(np.float32)
    pixels[rng.random(shape) < blank] = np.nan
    pixels[0, -1] = np.nan if blank == 1.0 else np.inf
    assert count_blank(pixels) == np.isnan(pixels).sum()
    values, n_pairs = np.array([0, 2, -7], np.float32), np.full(3, -1)
    lowest, highest = scan_pixels(pixels, values, n_pairs)
    if blank == 1.0:
        assert (lowest, highest) == (np.inf, -np.inf)
    else:
        assert (lowest, highest) == (np.nanmin(pixels), np.nanmax(pixels))
    pairs = [np.sum((pixels[:, 1:] == each) & (pixels[:, :-1] == each)) for each in values]
    assert n_pairs.tolist() == pairs
    stored = np.frombuffer(pixels.astype(">f4").tobytes(), np.uint32).reshape(shape)
    swapped, n_swapped = np.empty(shape, np.float32), np.full(3, -1)
    scanned = swap_and_scan(stored, values, n_swapped, swapped.view(np.uint32), swapped)
    assert scanned == (lowest, highest)
    assert n_swapped.tolist() == pairs
    np.testing.assert_array_equal(swapped.view(np.uint32), pixels.view(np.uint32))


def gaussian(shape: tuple[int, int], x: float, y: float, abc: tuple[float, ...]) -> np.ndarray:
    yy, xx = np.mgrid[: shape[0], : shape[1]]
    a, b, c = abc
    dx, dy = xx - x, yy - y
    return np.exp(-(a * dx**2 + 2 * b * dx * dy + c * dy**2)).astype(np.float32)


BEAM = (0.11, 0.02, 0.17)
NO_WEIGHTS = np.empty((0, 0))


@settings(max_examples=examples(50))
@given(st.floats(-0.5, 0.5), st.floats(-0.5, 0.5), st.floats(0.01, 1e4))
def test_the_beam_fit_is_exact_between_pixels(dx: float, dy: float, flux: float) -> None:
    pixels = np.float32(flux) * gaussian((31, 31), 15 + dx, 15 + dy, BEAM)
    peak = np.unravel_index(np.argmax(pixels), pixels.shape)
    out = np.empty((1, 6))
    fit_beam(
        pixels, np.array([peak[0]]), np.array([peak[1]]), np.zeros(1), np.full((1, 1), -1),
        np.tile(BEAM, (1, 1)), 0.6, NO_WEIGHTS, 1, out,
    )  # fmt: skip
    np.testing.assert_allclose(out[0, :3], [flux, 15 + dx, 15 + dy], rtol=1e-5)
    assert out[0, 5] == 1


def test_two_blended_beams_are_separated() -> None:
    pixels = 2 * gaussian((41, 41), 17.3, 20.1, BEAM) + gaussian((41, 41), 23.2, 20.4, BEAM)
    out = np.empty((2, 6))
    fit_beam(
        pixels.astype(np.float32), np.array([20, 20]), np.array([17, 23]), np.zeros(2),
        np.array([[1], [0]]), np.tile(BEAM, (2, 1)), 0.6, NO_WEIGHTS, 30, out,
    )  # fmt: skip
    np.testing.assert_allclose(out[0, :3], [2, 17.3, 20.1], atol=1e-3)
    np.testing.assert_allclose(out[1, :3], [1, 23.2, 20.4], atol=1e-3)


def test_blank_pixels_near_a_peak_are_reported() -> None:
    pixels = np.full((9, 9), np.nan, np.float32)
    pixels[4, 4] = 3
    out = np.empty((1, 6))
    fit_beam(
        pixels,
        np.array([4]),
        np.array([4]),
        np.zeros(1),
        np.full((1, 1), -1),
        np.tile(BEAM, (1, 1)),
        0.6,
        NO_WEIGHTS,
        1,
        out,
    )
    assert out[0, :3].tolist() == [3, 4, 4]
    assert out[0, 5] == 0
    assert out[0, 4] >= 8


def test_the_free_gaussian_finds_the_shape() -> None:
    abc = (0.05, -0.01, 0.08)
    pixels = 7 * gaussian((61, 61), 30.2, 29.7, abc)
    fit = np.array([6.0, 30, 30, *BEAM])
    assert fit_gaussian(pixels.astype(np.float32), 30, 30, 0.0, np.empty((0, 6)), 30, fit)
    np.testing.assert_allclose(fit, [7, 30.2, 29.7, *abc], rtol=1e-3)


@pytest.mark.parametrize("seed", range(5))
def test_the_free_gaussian_is_the_least_squares_fit_within_its_half_maximum(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pixels = (9 * gaussian((61, 61), 30.4, 29.6, (0.05, -0.01, 0.08))).astype(np.float32)
    other = np.array([[4.0, 38.0, 31.0, 0.06, 0.01, 0.05]])
    pixels += (4 * gaussian((61, 61), 38.0, 31.0, tuple(other[0, 3:]))).astype(np.float32)
    pixels += rng.normal(0, 0.2, pixels.shape).astype(np.float32)
    pixels[31, 30] = np.nan
    fit = np.array([6.0, 30, 30, *BEAM])
    assert fit_gaussian(pixels, 30, 30, 0.1, other, 30, fit)
    expected = reference.free_gaussian(pixels - 0.1, fit, other[0])
    # Rounds may end with other pixels on the edge of the ellipse than those of the fit itself.
    np.testing.assert_allclose(fit, expected, rtol=0.03, atol=2e-3)
