"""The finder as a whole, and the kernels behind its flags, against plain NumPy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livetrap.simulator.beam import NoiseMaker, make_stamp
from livetrap.simulator.config import SimulatorConfig
from schemas.quality import QualityFlag
from services.extract.kernels.deblending import drop_shallow_peaks
from services.extract.kernels.residuals import compare_with_models
from services.extract.models import BeamShape, FinderParameters, FoundSources
from services.extract.steps.background import measure_background
from services.extract.steps.false_discovery import (
    expected_noise_peaks,
    false_discovery_threshold,
)
from services.extract.steps.finder import find_sources
from services.extract.steps.peaks import (
    find_source_peaks,
    neighbours_within,
)
from tests.support import reference
from tests.support.examples import examples

CONFIG = SimulatorConfig(size=256, images=1)
# The simulator's beam: north is +y, east is -x.
BEAM = BeamShape(5.0, 4.0, np.radians(90 + CONFIG.beam_pa_deg))
FIVE_SIGMA = FinderParameters(detection_threshold_sigma=5.0)


def sky(*sources: tuple[float, float, float], size: int = 256, growth: float = 1.0) -> np.ndarray:
    """Return unit noise and sources (y, x, peak)."""
    config = SimulatorConfig(size=size, images=1)
    shape = SimulatorConfig(
        size=size, images=1, beam_major_px=5.0 * growth, beam_minor_px=4.0 * growth
    )
    pixels = NoiseMaker(config).draw(np.random.default_rng(size))
    for y, x, peak in sources:
        stamp = make_stamp(shape, y, x)
        pixels[stamp.rows, stamp.columns] += np.float32(peak) * stamp.pixels
    return pixels


def find(
    pixels: np.ndarray, parameters: FinderParameters = FIVE_SIGMA, beam: BeamShape = BEAM
) -> FoundSources:
    mean, rms = measure_background(pixels, parameters.background_cell_px)
    return find_sources(pixels, mean, rms, beam, parameters)


def test_a_source_at_a_subpixel_position_is_found_exactly() -> None:
    found = find(sky((100.3, 80.7, 1000.0)))
    assert found.x.size == 1
    assert abs(found.x[0] - 80.7) < 0.01
    assert abs(found.y[0] - 100.3) < 0.01
    assert found.amplitude[0] == pytest.approx(1000, rel=0.005)


def test_two_sources_a_beam_and_a_half_apart_are_two_and_flagged() -> None:
    found = find(sky((100.0, 80.0, 100.0), (100.0, 87.5, 50.0)))
    assert found.x.size == 2
    np.testing.assert_allclose(found.amplitude, [100, 50], atol=4)
    assert (found.quality_flags & QualityFlag.BLENDED).all()


def test_an_extended_source_is_one_source_and_flagged() -> None:
    places = [(y, x, 20.0) for y in (60, 130, 200) for x in (60, 130, 200)]
    found = find(sky(*places, growth=3.0))
    assert 9 <= found.x.size <= 10
    assert (found.quality_flags & QualityFlag.EXTENDED > 0).sum() >= 9


def test_a_point_source_is_not_flagged_as_extended() -> None:
    found = find(sky(*[(y, x, 50.0) for y in (60, 130, 200) for x in (60, 130, 200)]))
    assert found.x.size == 9
    assert not (found.quality_flags & (QualityFlag.EXTENDED | QualityFlag.NEAR_BRIGHT)).any()


def test_a_faint_source_beside_a_very_bright_one_is_flagged() -> None:
    found = find(sky((100.0, 80.0, 3000.0), (100.0, 110.0, 15.0), (200.0, 200.0, 15.0)))
    near = (found.quality_flags & QualityFlag.NEAR_BRIGHT) > 0
    assert found.x.size == 3
    assert near.tolist() == [False, True, False]


def test_sources_beyond_the_radius_are_not_searched() -> None:
    found = find(
        sky((128.0, 128.0, 50.0), (40.0, 40.0, 50.0)),
        FinderParameters(detection_threshold_sigma=5.0, radius_px=60.0),
    )
    np.testing.assert_allclose(found.x, [128], atol=0.2)


def test_the_median_filter_removes_a_bad_cell() -> None:
    pixels = sky()
    pixels[100:150, 100:150] *= 20
    plain = measure_background(pixels, 50)[1]
    filtered = measure_background(pixels, 50, 3)[1]
    assert plain.max() > 10
    assert filtered.max() < 2


@settings(max_examples=examples(20))
@given(st.integers(-40, 40), st.integers(-40, 40))
def test_whole_pixel_shifts_move_the_sources_only(dy: int, dx: int) -> None:
    # The background is given: its cells do not move with the sky.
    mean, rms = np.zeros((1, 1)), np.ones((1, 1))
    still = sky((128.2, 127.6, 40.0), (120.0, 140.0, 12.0))
    moved = np.roll(still, (dy, dx), axis=(0, 1))
    a, b = (find_sources(pixels, mean, rms, BEAM, FIVE_SIGMA) for pixels in (still, moved))
    inside = (abs(a.x + dx - 127.5) < 110) & (abs(a.y + dy - 127.5) < 110)
    for x, y, peak in zip(a.x[inside], a.y[inside], a.amplitude[inside], strict=True):
        nearest = np.argmin(np.hypot(b.x - x - dx, b.y - y - dy))
        assert abs(b.x[nearest] - x - dx) < 1e-4
        assert abs(b.y[nearest] - y - dy) < 1e-4
        assert b.amplitude[nearest] == pytest.approx(peak, rel=1e-5)


@settings(max_examples=examples(20))
@given(st.floats(1e-6, 1e6))
def test_fluxes_scale(factor: float) -> None:
    pixels = sky((100.3, 80.7, 40.0), (150.0, 60.0, 9.0))
    one, other = find(pixels), find(pixels * np.float32(factor))
    np.testing.assert_allclose(other.amplitude, one.amplitude * factor, rtol=1e-4)
    np.testing.assert_allclose(other.x, one.x, atol=1e-3)
    np.testing.assert_array_equal(other.quality_flags, one.quality_flags)


def test_transposition_swaps_the_axes() -> None:
    pixels = sky((100.3, 80.7, 40.0), (150.0, 60.0, 30.0), (70.4, 200.1, 25.0))
    mirrored = BeamShape(BEAM.major_px, BEAM.minor_px, np.pi / 2 - BEAM.angle_rad)
    mean, rms = measure_background(pixels, 50)  # it uses half of the rows, not of the columns
    one = find_sources(pixels, mean, rms, BEAM, FIVE_SIGMA)
    other = find_sources(
        np.ascontiguousarray(pixels.T), np.ascontiguousarray(mean.T), np.ascontiguousarray(rms.T),
        mirrored, FIVE_SIGMA,
    )  # fmt: skip
    order = np.argsort(other.x)
    np.testing.assert_allclose(other.x[order], one.y, atol=1e-3)
    np.testing.assert_allclose(other.y[order], one.x, atol=1e-3)
    np.testing.assert_allclose(other.amplitude[order], one.amplitude, rtol=1e-4)


def fdr_threshold(pixels: np.ndarray, alpha: float) -> float:
    mean, rms = measure_background(pixels, 50)
    parameters = FinderParameters(fdr_alpha=alpha)
    return false_discovery_threshold(pixels, mean, rms, BEAM, parameters)


@pytest.mark.compiled_kernels
def test_pure_noise_passes_no_false_discovery_rate() -> None:
    pixels = sky(size=1024)
    parameters = FinderParameters(detection_threshold_sigma=fdr_threshold(pixels, 0.01))
    assert find(pixels, parameters).x.size == 0


def test_a_stricter_false_discovery_rate_has_a_higher_threshold() -> None:
    places = [(y, x, 30.0) for y in range(30, 240, 30) for x in range(30, 240, 30)]
    pixels = sky(*places)
    assert 3 < fdr_threshold(pixels, 0.01) < 6
    assert fdr_threshold(pixels, 0.0001) > fdr_threshold(pixels, 0.01)


@pytest.mark.compiled_kernels
def test_noise_makes_the_expected_number_of_peaks() -> None:
    parameters = FinderParameters(detection_threshold_sigma=4.0, margin_px=0, contrast_sigma=0.0)
    pixels = NoiseMaker(SimulatorConfig(size=1024, images=1)).draw(np.random.default_rng(8))
    found = find_source_peaks(pixels, np.zeros((1, 1)), np.ones((1, 1)), BEAM, parameters)
    expected = expected_noise_peaks(np.array([4.0]), pixels.size, BEAM)[0]
    # The highest pixel of a peak is below its maximum.
    assert 0.5 * expected < found.x.size < 1.2 * expected


@pytest.mark.compiled_kernels
def test_the_rate_counts_sources() -> None:
    n_false, n_found = 0, 0
    for seed in range(4):
        rng = np.random.default_rng(seed)
        places = rng.uniform(16, 495, (60, 2))
        pixels = NoiseMaker(SimulatorConfig(size=512, images=1)).draw(rng)
        for (y, x), peak in zip(places, 3 / rng.random(60) ** (2 / 3), strict=True):
            stamp = make_stamp(SimulatorConfig(size=512, images=1), y, x)
            pixels[stamp.rows, stamp.columns] += np.float32(peak) * stamp.pixels
        parameters = FinderParameters(detection_threshold_sigma=fdr_threshold(pixels, 0.1))
        found = find(pixels, parameters)
        distance = np.hypot(found.x[:, None] - places[:, 1], found.y[:, None] - places[:, 0])
        n_found += found.x.size
        n_false += (distance.min(axis=1) > 5).sum()
    # Twice the rate is four standard deviations.
    assert n_found > 100
    assert n_false < 0.2 * n_found


def test_the_negated_standard_image_has_no_more_peaks_than_noise() -> None:
    places = [(y, x, 20.0) for y in range(60, 460, 60) for x in range(60, 460, 60)]
    pixels = sky(*places, size=512)
    assert find(pixels).x.size >= len(places)
    strict = FinderParameters(detection_threshold_sigma=5.0, analysis_threshold_sigma=4.0)
    # 512^2 px hold 12 000 beams: 0.003 false peaks are expected above 5 sigma.
    assert find(-pixels, strict).x.size == 0


def test_residuals_equal_the_reference() -> None:
    pixels = sky((100.3, 80.7, 40.0), (104.0, 84.0, 30.0), (200.0, 30.0, 25.0))
    pixels[101, 80] = np.nan
    fits = np.array([[40, 80.7, 100.3], [30, 84.0, 104.0], [25, 30.0, 200.0]], float)
    models = np.hstack([fits, np.tile(BEAM.quadratic, (3, 1))])
    neighbours = np.array([[1, -1], [0, -1], [-1, -1]])
    out = np.empty((3, 4))
    compare_with_models(pixels, np.zeros(3), np.ones(3), models, neighbours, 0.2, out)
    for source in range(3):
        expected = reference.beam_residuals(pixels, models, source, BEAM.quadratic, 0.2)
        np.testing.assert_allclose(out[source], expected, rtol=2e-4)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("depth", [0.5, 2.0])
def test_shallow_peaks_equal_the_reference(seed: int, depth: float) -> None:
    rng = np.random.default_rng(seed)
    pixels = rng.normal(0, 1, (40, 40)).astype(np.float32)
    pixels[20, 20] = np.nan
    pixels[5, 5] = pixels[8, 9]
    places = np.unique(rng.integers(0, 40, (12, 2)), axis=0)
    places = places[np.isfinite(pixels[places[:, 0], places[:, 1]])]
    y, x = np.ascontiguousarray(places.T)
    everyone = np.array([[o for o in range(len(y)) if o != n] for n in range(len(y))])
    keep = np.empty(len(y), np.bool_)
    drop_shallow_peaks(pixels, y, x, np.ones(len(y)), everyone, depth, keep)
    peaks = [(int(a), int(b)) for a, b in places]
    assert keep.tolist() == [
        not reference.is_ripple(pixels, peaks, number, depth) for number in range(len(peaks))
    ]


def test_neighbours_are_the_nearest_first() -> None:
    x, y = np.array([0, 3, 1, 50]), np.array([0, 0, 0, 50])
    near = neighbours_within(x, y, 3.0)
    assert near[:, :3].tolist() == [[2, 1, -1], [2, 0, -1], [0, 1, -1], [-1, -1, -1]]
    assert (neighbours_within(x[:1], y[:1], 9.0) == -1).all()


def test_at_most_eight_neighbours_are_returned() -> None:
    y, x = (np.ascontiguousarray(axis.ravel()) for axis in np.mgrid[:7, :7])
    assert (neighbours_within(x, y, 6.0) >= 0).all()


def test_a_peak_whose_fit_fails_is_measured_from_its_pixels() -> None:
    pixels = sky((100.3, 80.3, 100.0))
    # A cross of five pixels is all that is left: too few to tell three parameters from noise.
    blanked = np.full_like(pixels, np.nan)
    blanked[0:60] = pixels[0:60]
    blanked[100, 79:82] = pixels[100, 79:82]
    mean, rms = np.zeros((1, 1)), np.ones((1, 1))
    found = find_sources(blanked, mean, rms, BEAM, FIVE_SIGMA)
    (source,) = np.flatnonzero(found.y > 90)
    assert found.quality_flags[source] & QualityFlag.FIT_FAILED
    assert found.quality_flags[source] & QualityFlag.BLANK_PIXELS
    assert abs(found.x[source] - 80.3) < 0.2
    assert found.amplitude[source] == pytest.approx(100, rel=0.1)
