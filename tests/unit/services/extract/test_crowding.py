"""The background of crowded cells is that of the sky between the sources."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.extraction.sky import generate_field, to_fits
from services.extract.kernels.crowding import leave_out_sources, raised_shares
from services.extract.models import BeamShape, FinderParameters, FoundSources
from services.extract.steps.background import measure_background
from services.extract.steps.catalogue import extract_sources
from services.extract.steps.crowding import background_without_sources
from services.extract.steps.forced import measure_positions
from services.extract.steps.image import open_image
from services.extract.steps.signed_sources import find_signed_sources
from tests.support import reference_crowding as reference
from tests.support.beam_sky import sky
from tests.support.examples import examples

SIZE = 400
BEAM = BeamShape(5.0, 4.0, 0.7)
PARAMETERS = FinderParameters(detection_threshold_sigma=5.0, margin_px=0)
QUADRATIC = (0.11, 0.06, 0.09)


def points(seed: int, n_sources: int, *, signs: tuple[float, ...] = (1.0,)) -> list[tuple]:
    """Return sources with Euclidean counts from 3 to 1000 sigma."""
    rng = np.random.default_rng([seed, 1])
    x, y = rng.uniform(3, SIZE - 4, (2, n_sources))
    peak = 3 * (1 - rng.random(n_sources) * (1 - (3 / 1000) ** 1.5)) ** (-1 / 1.5)
    peak *= rng.choice(signs, n_sources)
    return [(*each, BEAM) for each in zip(x, y, peak, strict=True)]


def every(n_beams: float) -> int:
    """Return how many sources are one to so many beams."""
    return round(SIZE**2 / (n_beams * BEAM.area_px))


@dataclass(frozen=True)
class Measured:
    """An image, its background, and that without the sources."""

    pixels: np.ndarray

    @cached_property
    def grids(self) -> tuple[np.ndarray, np.ndarray]:
        return measure_background(self.pixels, PARAMETERS.background_cell_px, beam_px=BEAM.mean_px)

    def found(self, background: np.ndarray) -> FoundSources:
        return find_signed_sources(
            self.pixels, background, self.grids[1], BEAM, PARAMETERS, bright_px=np.empty((0, 2))
        )

    @cached_property
    def without(self) -> np.ndarray | None:
        return background_without_sources(
            self.pixels, *self.grids, self.found(self.grids[0]), beam=BEAM, parameters=PARAMETERS
        )


@given(
    seed=st.integers(0, 1000),
    n_sources=st.integers(0, 40),
    cells=st.tuples(st.integers(1, 9), st.integers(1, 9)),
)
def test_shares_are_those_of_windows(seed: int, n_sources: int, cells: tuple[int, int]) -> None:
    rng, shape = np.random.default_rng(seed), (83, 61)
    sources = rng.uniform([0, 0, -30, 1, 1], [60, 82, 30, 9, 5], (n_sources, 5))
    shares = np.empty(cells)
    largest = raised_shares(sources, (3.0, 0.1), shape, shares)
    expected = reference.raised_shares(sources, (3.0, 0.1), shape, cells)
    np.testing.assert_allclose(shares, expected, rtol=1e-9, atol=1e-12)
    assert largest == shares.max()


@pytest.mark.parametrize("source", [(np.nan, 3, 9, 5, 4), (3, 3, np.nan, 5, 4), (-9, 99, 9, 5, 4)])
def test_a_source_without_a_place_or_beyond_the_image_stops_nothing(source: tuple) -> None:
    shares = np.empty((2, 2))
    sources = np.array([source], np.float64)
    assert np.isfinite(raised_shares(sources, (3.0, 0.1), (50, 50), shares))
    assert np.isfinite(shares).all()


@given(
    seed=st.integers(0, 1000),
    shape=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    cells=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    share_blank=st.sampled_from([0.0, 0.1, 1.0]),
)
def test_pixels_are_left_out_as_masks_say(
    seed: int,
    shape: tuple[int, int],
    cells: tuple[int, int],
    share_blank: float,
) -> None:
    rng = np.random.default_rng(seed)
    pixels = rng.standard_t(3, shape).astype("f4")
    pixels[rng.random(shape) < share_blank] = np.nan
    grids = rng.normal(0, 0.1, cells), rng.uniform(0.8, 1.2, cells)
    out, left = np.empty_like(pixels), np.empty((1, 1))
    leave_out_sources(pixels, *grids, QUADRATIC, (2.5, 1.5), out, left)
    expected = reference.without_sources(pixels, grids, QUADRATIC, (2.5, 1.5))
    is_left = np.isfinite(out)
    np.testing.assert_array_equal(is_left, np.isfinite(expected))
    np.testing.assert_allclose(out[is_left], expected[is_left], rtol=1e-6)
    np.testing.assert_allclose(left, is_left.mean())


@pytest.mark.compiled_kernels
@pytest.mark.parametrize("n_beams", [20, 15, 10])
def test_the_background_between_crowded_sources_is_that_of_the_sky(n_beams: float) -> None:
    levels = []
    for seed in range(3):
        image = Measured(sky(BEAM, points(seed, every(n_beams)), seed, SIZE))
        assert image.without is not None
        levels.append((image.grids[0].mean(), image.without.mean()))
    before, after = np.mean(levels, axis=0)
    assert before > 0.065
    assert abs(after) < 0.5 * before
    assert abs(after) < 0.05


@pytest.mark.compiled_kernels
@pytest.mark.parametrize("n_sources", [0, every(230)])
def test_a_sky_that_is_not_crowded_keeps_its_background(n_sources: int) -> None:
    for seed in range(4):
        assert Measured(sky(BEAM, points(seed, n_sources), seed, SIZE)).without is None


@pytest.mark.compiled_kernels
@given(seed=st.integers(0, 10_000))
@settings(max_examples=examples(30))
def test_sources_of_both_signs_count_the_same(seed: int) -> None:
    pixels = sky(BEAM, points(seed, every(15), signs=(-1.0, 1.0)), seed, SIZE)
    one, other = Measured(pixels), Measured(-pixels)
    assert one.without is not None
    assert other.without is not None
    np.testing.assert_allclose(one.without, -other.without, atol=1e-4)
    assert abs(one.without.mean()) < 0.06


@pytest.mark.compiled_kernels
@given(seed=st.integers(0, 10_000), n_sources=st.integers(every(90), every(12)))
@settings(max_examples=examples(40))
def test_one_more_source_moves_no_other_by_its_error(seed: int, n_sources: int) -> None:
    """Whether cells begin to be crowded by it, or are so."""
    sources = points(seed, n_sources)
    skies = sources, [*sources, (200, 200, 9, BEAM)]
    before, after = (Measured(sky(BEAM, each, seed, SIZE)) for each in skies)
    levels = [each.grids[0] if each.without is None else each.without for each in (before, after)]
    noise = before.grids[1]
    assert np.abs((levels[1] - levels[0]) / noise).max() < 0.5
    found = [image.found(level) for image, level in zip((before, after), levels, strict=True)]
    places = [np.stack([each.x, each.y], axis=1) for each in found]
    far = np.hypot(*(places[0] - 200).T) > 5 * BEAM.major_px
    for place, flux, error in zip(
        places[0][far], found[0].amplitude[far], found[0].rms_local[far], strict=True
    ):
        near = np.hypot(*(places[1] - place).T)
        if near.min() < 0.5:
            assert abs(found[1].amplitude[near.argmin()] - flux) < error


@pytest.mark.compiled_kernels
def test_what_is_blank_stays_so_and_a_cell_full_of_sources_keeps_its_background() -> None:
    pixels = sky(BEAM, points(1, every(15)), 1, SIZE)
    # Of the cells at the border half are blank, of one all; one is full of sources.
    pixels[:, :25] = np.nan
    pixels[200:250, 200:250] = np.nan
    y, x = np.mgrid[:SIZE, :SIZE]
    is_full = (y >= 100) & (y < 150) & (x >= 300) & (x < 350)
    pixels[is_full] += 30 * (np.hypot((y - 125) % 10 - 5, (x - 325) % 10 - 5) < 3)[is_full]
    image = Measured(pixels)
    assert image.without is not None
    assert np.isfinite(image.without).all()
    assert image.without[2, 6] == image.grids[0][2, 6]
    assert image.without[4, 4] == image.grids[0][4, 4]
    assert image.without.mean() < image.grids[0].mean() - 0.03


@pytest.mark.compiled_kernels
def test_noise_that_rises_steeply_keeps_finer_parts() -> None:
    y, x = np.mgrid[:SIZE, :SIZE] - SIZE / 2
    rise = np.exp(2.5 * (x * x + y * y) / (SIZE / 2) ** 2)
    image = Measured((sky(BEAM, points(2, every(15)), 2, SIZE) * rise).astype("f4"))
    assert image.grids[0].shape[0] > SIZE // PARAMETERS.background_cell_px
    assert image.without is not None
    assert image.without.shape == image.grids[0].shape
    before, after = (np.mean(grid / image.grids[1]) for grid in (image.grids[0], image.without))
    assert abs(after) < 0.6 * before


@pytest.mark.compiled_kernels
def test_catalogue_and_forced_fluxes_have_the_same_background() -> None:
    image = open_image(to_fits(generate_field(512, 775, 21, mixed=False)), {})
    grids = measure_background(image.pixels, PARAMETERS.background_cell_px, beam_px=4.5)
    given = extract_sources(image, PARAMETERS, grids=grids)
    np.testing.assert_array_equal(given.background_grid, grids[0])
    extraction = extract_sources(image, PARAMETERS)
    assert extraction.background_grid.mean() < 0.5 * grids[0].mean()
    np.testing.assert_array_equal(extraction.rms_grid, grids[1])
    same = extraction.background_grid, extraction.rms_grid
    again = extract_sources(image, PARAMETERS, grids=same)
    ra, dec = extraction.sources.ra, extraction.sources.dec
    forced, other = (measure_positions(image, each, ra, dec) for each in (extraction, again))
    for name in ("ra", "flux_peak_jy_beam", "rms_local_jy_beam"):
        one, two = (getattr(each.sources, name) for each in (extraction, again))
        np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(forced.flux_peak_jy_beam, other.flux_peak_jy_beam)
