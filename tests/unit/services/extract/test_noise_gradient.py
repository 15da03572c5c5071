"""Noise that a primary beam raises towards the border, and beams as long as a background cell."""

import math

import numpy as np
import pytest

from services.extract.models import BeamShape, FinderParameters, FoundSources
from services.extract.steps.background import measure_background
from services.extract.steps.finder import find_sources
from services.extract.steps.uncertainties import FWHM_PER_SIGMA
from sky.rms_grid import rms_at
from tests.support.beam_sky import Source, sky

pytestmark = pytest.mark.compiled_kernels

SIZE, CELL_PX = 256, 50
CENTRE = (SIZE - 1) / 2
BEAM = BeamShape(6.0, 4.5, 0.5)
PARAMETERS = FinderParameters(detection_threshold_sigma=8.0, margin_px=0)


def attenuation(rise: float) -> np.ndarray:
    """Return a Gaussian primary beam that is 1 / `rise` at the border; NaN beyond it."""
    y, x = np.mgrid[:SIZE, :SIZE] - CENTRE
    radius = np.hypot(x, y) / (SIZE / 2)
    return np.where(radius <= 1, np.exp(-math.log(rise) * radius**2), np.nan)


def find(pixels: np.ndarray, beam: BeamShape) -> FoundSources:
    grids = measure_background(pixels, CELL_PX, beam_px=beam.mean_px)
    return find_sources(pixels, *grids, beam, PARAMETERS)


@pytest.mark.parametrize("rise", [3.0, 10.0, 19.0])
def test_noise_divided_by_a_primary_beam_has_no_sources(rise: float) -> None:
    """Interpolated from cells of 50 px, 16 of 60 such images had some at a rise of 19."""
    for seed in range(30):
        pixels = (sky(BEAM, [], seed, SIZE) / attenuation(rise)).astype("f4")
        assert len(find(pixels, BEAM).x) == 0, seed


def test_the_noise_of_a_primary_beam_is_told_where_it_is() -> None:
    x, y = np.meshgrid(np.arange(8.0, SIZE, 8), np.arange(8.0, SIZE, 8))
    pixels = (sky(BEAM, [], 1, SIZE) / attenuation(10.0)).astype("f4")
    _, rms = measure_background(pixels, CELL_PX, beam_px=BEAM.mean_px)
    true = 1 / attenuation(10.0)[y.astype(int), x.astype(int)]
    ratio = rms_at(rms, (SIZE, SIZE), x.ravel(), y.ravel()) / true.ravel()
    ratio = ratio[np.isfinite(ratio)]
    assert np.percentile(ratio, 1) > 0.75
    assert np.median(ratio) == pytest.approx(1.0, abs=0.2)


def test_a_true_source_behind_a_primary_beam_is_found() -> None:
    for turn in np.linspace(0, 2 * math.pi, 12):
        place = CENTRE + 95 * math.cos(turn), CENTRE + 95 * math.sin(turn)
        seen = sky(BEAM, [(*place, 20.0, BEAM)], 3, SIZE)
        found = find((seen / attenuation(10.0)).astype("f4"), BEAM)
        assert len(found.x) == 1
        assert math.hypot(found.x[0] - place[0], found.y[0] - place[1]) < 1.5


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
