"""Kernels that settle peaks and fit free shapes against plain Python."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.extract.kernels.free_shapes import fit_shapes
from services.extract.kernels.islands import find_peaks
from services.extract.kernels.neighbours import pairs_within
from services.extract.kernels.secondary_peaks import settle_peaks
from services.extract.models import BeamShape
from services.extract.steps.peaks import Peaks
from services.extract.steps.points import compare, exceeds_beam, fit_points
from tests.support.examples import examples
from tests.support.reference_shapes import ShapeFitter, settled

pytestmark = pytest.mark.compiled_kernels

SIZE, THRESHOLD, LARGEST_EXPONENT = 70, 6.0, 7.0
BEAM, NARROW = BeamShape(5.0, 4.0, 1.2), BeamShape(14.0, 2.2, 1.0)


def crowd(beam: BeamShape, seed: int, *, n_extended: int) -> tuple[np.ndarray, Peaks]:
    """Return sources that overlap, in white noise of 0.5, and their peaks."""
    rng = np.random.default_rng(seed)
    pixels = rng.normal(0.0, 0.5, (SIZE, SIZE))
    y, x = np.mgrid[:SIZE, :SIZE]
    for number in range(8):
        growth = 2.5 if number < n_extended else 1.0
        a, b, c = np.array(beam.quadratic) / growth**2
        dx, dy = x - rng.uniform(8, SIZE - 8), y - rng.uniform(8, SIZE - 8)
        height = 10 ** rng.uniform(1.0, 2.3)
        pixels += height * np.exp(-(a * dx**2 + 2 * b * dx * dy + c * dy**2))
    image, grids = pixels.astype(np.float32), (np.zeros((1, 1)), np.ones((1, 1)))
    whole, diagonal = (0, SIZE), True
    rows, columns, island, _ = find_peaks(image, *grids, THRESHOLD, 3.0, whole, whole, diagonal)
    return image, Peaks(rows, columns, island, np.zeros(rows.size), np.ones(rows.size))


@given(seed=st.integers(0, 10_000), beam=st.sampled_from([BEAM, NARROW]))
@settings(max_examples=examples(40))
def test_peaks_are_settled_one_after_the_other(seed: int, beam: BeamShape) -> None:
    pixels, peaks = crowd(beam, seed, n_extended=0)
    pairs = pairs_within(peaks.y, peaks.x, beam.quadratic, LARGEST_EXPONENT)
    keep, at = np.empty(peaks.y.size, np.bool_), np.empty((2, peaks.y.size), np.int64)
    settle_peaks(
        pixels, peaks.y, peaks.x, peaks.background, peaks.rms, beam.quadratics(peaks.x, peaks.y),
        pairs, THRESHOLD, LARGEST_EXPONENT, keep, at,
    )  # fmt: skip
    places = peaks.y, peaks.x
    expected = settled(pixels, places, beam.quadratic, THRESHOLD, LARGEST_EXPONENT)
    assert (keep.tolist(), list(zip(*at.tolist(), strict=True))) == expected


@given(seed=st.integers(0, 10_000), only_extended=st.booleans())
@settings(max_examples=examples(40))
def test_free_shapes_are_fitted_one_after_the_other(seed: int, *, only_extended: bool) -> None:
    pixels, peaks = crowd(BEAM, seed, n_extended=4)
    points = fit_points(pixels, peaks, BEAM)
    is_candidate = exceeds_beam(points, compare(pixels, points, points.models))
    models, marks = np.empty_like(points.models), np.empty((4, peaks.y.size), np.bool_)
    fit_shapes(
        pixels, peaks.y, peaks.x, peaks.island, peaks.background, peaks.rms, points.models,
        is_candidate, THRESHOLD, 50, only_extended, models, marks,
    )  # fmt: skip
    expected = ShapeFitter(
        pixels, (peaks.y, peaks.x), peaks.island, points.models, is_candidate, THRESHOLD
    ).fit(only_extended=only_extended)
    for mine, name in zip(marks, ("free", "extended", "part", "failed"), strict=True):
        np.testing.assert_array_equal(mine, getattr(expected, f"is_{name}"))
    np.testing.assert_allclose(models, expected.models, rtol=1e-9)
