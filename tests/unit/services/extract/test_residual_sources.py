"""Sources on the flank of a brighter one are found; a source is not made of two."""

import math
from dataclasses import fields

import numpy as np
import pytest

from services.extract.kernels.residual_peaks import find_residual_peaks
from services.extract.models import BeamShape, FinderParameters, FoundSources
from services.extract.steps import residual_sources
from services.extract.steps.background import measure_background
from services.extract.steps.finder import find_sources
from services.extract.steps.peaks import Peaks
from services.extract.steps.points import fit_points
from tests.support import reference
from tests.support.beam_sky import Source, convolved, sky

pytestmark = pytest.mark.compiled_kernels

SIZE, STEP = 280, 35
PARAMETERS = FinderParameters(detection_threshold_sigma=6, margin_px=0)
BEAMS = [BeamShape(5.0, 4.0, 1.2), BeamShape(3.2, 3.0, 0.3), BeamShape(12.0, 3.0, 2.0)]
PLACES = [(x, y) for x in range(20, SIZE, STEP) for y in range(20, SIZE, STEP)]


def find(pixels: np.ndarray, beam: BeamShape) -> FoundSources:
    mean, rms = measure_background(pixels, 50)
    return find_sources(pixels, mean, rms, beam, PARAMETERS)


def radius_px(beam: BeamShape, angle_rad: float) -> float:
    """Return the full width at half maximum in a direction."""
    a, b, c = beam.quadratic
    x, y = math.cos(angle_rad), math.sin(angle_rad)
    return 2 * math.sqrt(math.log(2) / (a * x * x + 2 * b * x * y + c * y * y))


def pairs(beam: BeamShape, seed: int) -> tuple[list[Source], list[Source]]:
    """Return bright sources, and one of 15 sigma 1.0 to 1.3 beams from each."""
    rng = np.random.default_rng(seed)
    bright, faint = [], []
    for x0, y0 in PLACES:
        x, y = x0 + rng.uniform(-0.5, 0.5), y0 + rng.uniform(-0.5, 0.5)
        angle = rng.uniform(0, 2 * math.pi)
        distance = rng.uniform(1.0, 1.3) * radius_px(beam, angle)
        bright.append((x, y, rng.uniform(25, 60), beam))
        faint.append((x + distance * math.cos(angle), y + distance * math.sin(angle), 15.0, beam))
    return bright, faint


@pytest.mark.parametrize("beam", BEAMS)
def test_a_source_on_the_flank_of_a_brighter_one_is_found(beam: BeamShape) -> None:
    bright, faint = pairs(beam, 3)
    found = find(sky(beam, bright + faint, 7, SIZE), beam)
    places = np.array([each[:2] for each in faint])
    distance = np.hypot(found.x[:, None] - places[:, 0], found.y[:, None] - places[:, 1])
    assert np.mean(distance.min(axis=0) < 0.5 * beam.major_px) > 0.95
    assert found.x.size <= 2 * len(bright)


@pytest.mark.parametrize("n_sources", [60, 120])
def test_only_the_fits_beside_a_hidden_source_change(
    n_sources: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    beam, rng = BEAMS[0], np.random.default_rng(n_sources)
    x, y = rng.uniform(10, SIZE - 10, (2, n_sources))
    sources = [(*each, beam) for each in zip(x, y, rng.uniform(8, 80, n_sources), strict=True)]
    pixels = sky(beam, sources, 5, SIZE)
    n_fitted: list[int] = []

    def count_and_fit(pixels: np.ndarray, peaks: Peaks, beam: BeamShape) -> object:
        n_fitted.append(peaks.y.size)
        return fit_points(pixels, peaks, beam)

    monkeypatch.setattr(residual_sources, "fit_points", count_and_fit)
    found = find(pixels, beam)
    assert n_fitted
    assert max(n_fitted) < 0.5 * found.x.size
    monkeypatch.setattr(residual_sources, "joined_with", lambda chosen, *_: np.ones_like(chosen))
    whole = find(pixels, beam)
    for column in fields(found):
        np.testing.assert_array_equal(getattr(found, column.name), getattr(whole, column.name))


@pytest.mark.parametrize("seed", range(3))
def test_a_beam_that_is_not_that_of_the_image_makes_no_second_source(seed: int) -> None:
    rng = np.random.default_rng(seed)
    beam = BeamShape(5.0, 4.0, rng.uniform(0, math.pi))
    true = BeamShape(5.0, 4.0, beam.angle_rad + rng.uniform(0, math.pi))
    peaks = np.exp(rng.uniform(np.log(15), np.log(1000), len(PLACES)))
    sources = [(*place, peak, true) for place, peak in zip(PLACES, peaks, strict=True)]
    assert find(sky(true, sources, seed, SIZE), beam).x.size == len(PLACES)


@pytest.mark.parametrize("seed", range(2))
def test_a_faint_extended_source_is_one(seed: int) -> None:
    rng, beam, step = np.random.default_rng(seed), BEAMS[0], 56
    places = [(x, y) for x in range(28, SIZE, step) for y in range(28, SIZE, step)]
    sources = []
    for place in places:
        major = 5 * rng.uniform(0.3, 3)
        intrinsic = BeamShape(major, major * rng.uniform(0.3, 1), rng.uniform(0, math.pi))
        sources.append((*place, 10.0, convolved(beam, intrinsic)))
    found = find(sky(beam, sources, seed, SIZE), beam)
    assert 0.8 * len(places) < found.x.size <= len(places)


def test_the_highest_residual_is_that_of_plain_numpy() -> None:
    rng = np.random.default_rng(11)
    beam = BeamShape(5.0, 4.0, 0.7)
    n, exponents, fractions = 6, (0.7, 6.3), (0.08, 0.9)
    for _ in range(20):
        pixels = rng.normal(0, 1, (40, 50)).astype("f4")
        pixels[rng.random((40, 50)) < 0.02] = np.nan
        x, y = rng.uniform(0, 50, n), rng.uniform(0, 40, n)
        shapes = np.broadcast_to(beam.quadratic, (n, 3))
        models = np.ascontiguousarray(np.column_stack([rng.uniform(0, 5, n), x, y, shapes]))
        others = np.array([[other for other in range(n) if other != each] for each in range(n)])
        least = rng.uniform(0.5, 2.5, n)
        out = np.empty((n, 3))
        find_residual_peaks(pixels, np.zeros(n), least, models, others, exponents, fractions, out)
        for source in range(n):
            expected = reference.residual_peak(
                pixels.astype(float), source, models, exponents=exponents,
                least=least[source], fractions=fractions,
            )  # fmt: skip
            np.testing.assert_allclose(out[source, 0], expected[0], rtol=1e-6, atol=1e-6)
            if expected[0]:
                assert tuple(out[source, 1:]) == expected[1:]
