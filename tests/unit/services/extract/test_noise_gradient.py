"""Noise that a primary beam raises towards the border, and beams as long as a background cell."""

import math

import numpy as np
import pytest

from services.extract.kernels.uncertainties import FWHM_PER_SIGMA
from services.extract.models import BeamShape, FinderParameters, FoundSources
from services.extract.steps.background import measure_background
from services.extract.steps.finder import find_sources
from services.extract.steps.noise_gradient import bilinear, divided
from sky.rms_grid import rms_at
from tests.support.beam_sky import Source, sky
from tests.support.examples import every_fifth

pytestmark = pytest.mark.compiled_kernels

SIZE, CELL_PX = 256, 50
CENTRE = (SIZE - 1) / 2
BEAM = BeamShape(6.0, 4.5, 0.5)
PARAMETERS = FinderParameters(detection_threshold_sigma=8.0, margin_px=0)


WIDE_BEAM = BeamShape(14.0, 10.0, 0.5)


def attenuation(rise: float, off_px: tuple[float, float] = (0, 0)) -> np.ndarray:
    """Return a Gaussian primary beam that is 1 / `rise` at the border; NaN beyond it."""
    y, x = np.mgrid[:SIZE, :SIZE] - CENTRE
    radius = np.hypot(x - off_px[0], y - off_px[1]) / (SIZE / 2)
    return np.where(radius <= 1, np.exp(-math.log(rise) * radius**2), np.nan)


def find(pixels: np.ndarray, beam: BeamShape) -> FoundSources:
    grids = measure_background(pixels, CELL_PX, beam_px=beam.mean_px)
    return find_sources(pixels, *grids, beam, PARAMETERS)


@pytest.mark.parametrize("rise", [3.0, 10.0, 19.0])
def test_noise_divided_by_a_primary_beam_has_no_sources(rise: float) -> None:
    """Interpolated from cells of 50 px, 16 of 60 such images had some at a rise of 19."""
    for seed in every_fifth(range(30)):
        pixels = (sky(BEAM, [], seed, SIZE) / attenuation(rise)).astype("f4")
        assert len(find(pixels, BEAM).x) == 0, seed


@pytest.mark.parametrize("rise", [10.0, 19.0, 50.0])
@pytest.mark.parametrize("off_px", [(0, 0), (60, 30)])
def test_nor_where_a_wide_beam_lets_no_cell_be_smaller(
    rise: float, off_px: tuple[int, int]
) -> None:
    """With the noise of border cells raised to that of their outer edge 1 to 3 of 30 had some."""
    for seed in every_fifth(range(1000, 1030)):
        seen = sky(WIDE_BEAM, [], seed, SIZE) / attenuation(rise, off_px)
        assert len(find(seen.astype("f4"), WIDE_BEAM).x) == 0, seed


@pytest.mark.parametrize(("beam", "error"), [(BEAM, 0.2), (WIDE_BEAM, 0.35)])
@pytest.mark.parametrize("rise", [5.0, 19.0, 50.0])
def test_the_noise_at_a_steep_border_is_neither_high_nor_low(
    beam: BeamShape, error: float, rise: float
) -> None:
    """In a cell of the wide beam are so few of it that the noise is known to 15 %."""
    y, x = np.mgrid[4:SIZE:6, 4:SIZE:6].reshape(2, -1)
    primary = attenuation(rise)
    at_border = primary[y, x] < 3 / rise
    medians, all_ratios = [], []
    for seed in range(8):
        pixels = (sky(beam, [], seed, SIZE) / primary).astype("f4")
        _, rms = measure_background(pixels, CELL_PX, beam_px=beam.mean_px)
        ratio = (rms_at(rms, (SIZE, SIZE), x, y) * primary[y, x])[at_border]
        medians.append(np.median(ratio))
        all_ratios.append(ratio)
    assert np.mean(medians) == pytest.approx(1.0, abs=0.08)
    low, high = np.percentile(np.concatenate(all_ratios), [1, 99])
    assert 1 - error < low < high < 1 + error


def test_noise_that_rises_to_one_side_is_told_where_it_is() -> None:
    x, y = np.meshgrid(np.arange(0.0, SIZE, 5), np.arange(0.0, SIZE, 5))
    true = np.exp(math.log(19.0) * np.arange(SIZE) / SIZE)[np.newaxis]
    for seed in range(8):
        pixels = (sky(BEAM, [], seed, SIZE) * true).astype("f4")
        _, rms = measure_background(pixels, CELL_PX, beam_px=BEAM.mean_px)
        ratio = rms_at(rms, (SIZE, SIZE), x.ravel(), y.ravel()) / true[0, x.ravel().astype(int)]
        assert np.percentile(ratio, 1) > 0.8
        assert np.percentile(ratio, 99) < 1.2


def test_the_noise_of_a_primary_beam_is_told_where_it_is() -> None:
    x, y = np.meshgrid(np.arange(8.0, SIZE, 8), np.arange(8.0, SIZE, 8))
    pixels = (sky(BEAM, [], 1, SIZE) / attenuation(10.0)).astype("f4")
    _, rms = measure_background(pixels, CELL_PX, beam_px=BEAM.mean_px)
    true = 1 / attenuation(10.0)[y.astype(int), x.astype(int)]
    ratio = rms_at(rms, (SIZE, SIZE), x.ravel(), y.ravel()) / true.ravel()
    ratio = ratio[np.isfinite(ratio)]
    assert np.percentile(ratio, 1) > 0.75
    assert np.median(ratio) == pytest.approx(1.0, abs=0.2)


@pytest.mark.parametrize(
    ("beam", "rise", "peak"), [(BEAM, 10.0, 20.0), (BEAM, 50.0, 12.0), (WIDE_BEAM, 19.0, 20.0)]
)
def test_a_true_source_behind_a_primary_beam_is_found(
    beam: BeamShape, rise: float, peak: float
) -> None:
    for turn in np.linspace(0, 2 * math.pi, 12):
        place = CENTRE + 95 * math.cos(turn), CENTRE + 95 * math.sin(turn)
        seen = sky(beam, [(*place, peak, beam)], 3, SIZE)
        found = find((seen / attenuation(rise)).astype("f4"), beam)
        assert len(found.x) == 1
        assert math.hypot(found.x[0] - place[0], found.y[0] - place[1]) < beam.major_px / 4


@pytest.mark.parametrize("seed", range(12))
def test_even_noise_is_measured_as_without_a_beam(seed: int) -> None:
    pixels = sky(BEAM, [(70.0, 80.0, 300.0, BEAM), (5.0, 200.0, 50.0, BEAM)], seed, SIZE)
    for mine, other in zip(
        measure_background(pixels, CELL_PX, beam_px=BEAM.mean_px),
        measure_background(pixels, CELL_PX),
        strict=True,
    ):
        assert mine.shape == (5, 5)
        np.testing.assert_array_equal(mine, other)


@pytest.mark.parametrize("axes", [(20.0, 16.0), (30.0, 24.0), (40.0, 30.0), (60.0, 45.0)])
def test_a_source_of_a_long_beam_is_one_and_true(axes: tuple[float, float]) -> None:
    """In cells of 50 px the source was the noise: of beams of 40 by 30 px a sixth was found."""
    beam, size = BeamShape(*axes, 0.5), 640
    for seed in range(4):
        x, y = np.random.default_rng(seed).uniform(0.3 * size, 0.7 * size, 2)
        source: Source = (x, y, 50.0, beam)
        found = find(sky(beam, [source], seed, size), beam)
        assert len(found.x) == 1
        sigma_px = beam.major_px / FWHM_PER_SIGMA / 50.0
        assert math.hypot(found.x[0] - x, found.y[0] - y) < 5 * sigma_px
        assert found.amplitude[0] / found.rms_local[0] == pytest.approx(50.0, rel=0.3)


@pytest.mark.parametrize("shape", [(1, 1), (127, 40), (128, 300), (129, 3), (400, 257)])
@pytest.mark.parametrize("cells", [(1, 1), (3, 2), (7, 9)])
def test_rows_in_turn_are_divided_as_the_whole_is(
    shape: tuple[int, int], cells: tuple[int, int]
) -> None:
    rng = np.random.default_rng(7)
    pixels = rng.standard_normal(shape).astype(np.float32)
    pixels[rng.random(shape) < 0.1] = np.nan
    grid = rng.uniform(0.5, 20.0, cells)
    whole = (pixels / bilinear(grid, shape)).astype(np.float32)
    np.testing.assert_array_equal(divided(pixels, grid), whole)
