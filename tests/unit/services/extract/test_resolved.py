"""Sources larger than the beam: one entry each with the whole flux; points keep the beam."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.quality import QualityFlag
from services.extract.models import BeamShape, FinderParameters, FoundSources
from services.extract.steps.finder import find_sources
from tests.support.beam_sky import Source, convolved, sky
from tests.support.examples import examples

pytestmark = pytest.mark.compiled_kernels

BEAM = BeamShape(5.0, 4.0, 1.2)
SIZE = 128


def found(sources: list[Source], seed: int, *, force_beam: bool = True) -> FoundSources:
    parameters = FinderParameters(detection_threshold_sigma=6, margin_px=0, force_beam=force_beam)
    pixels = sky(BEAM, sources, seed, SIZE)
    return find_sources(pixels, np.zeros((1, 1)), np.ones((1, 1)), BEAM, parameters)


def flux(sources: FoundSources) -> np.ndarray:
    """Return integrated fluxes [rms x beam]."""
    beams = sources.major_px * sources.minor_px / (BEAM.major_px * BEAM.minor_px)
    return sources.amplitude * beams


@settings(max_examples=examples(100))
@given(
    size=st.floats(1.5, 6), roundness=st.floats(0.4, 1), angle=st.floats(0, math.pi),
    log_snr=st.floats(math.log(20), math.log(1000)), shift=st.floats(0, 1),
    seed=st.integers(0, 1 << 30),
)  # fmt: skip
def test_a_resolved_source_is_one_with_its_whole_flux(
    size: float, roundness: float, angle: float, log_snr: float, shift: float, seed: int
) -> None:
    intrinsic = BeamShape(size * BEAM.major_px, size * roundness * BEAM.minor_px, angle)
    shape, snr = convolved(BEAM, intrinsic), math.exp(log_snr)
    sources = found([(63.0 + shift, 64.2, snr, shape)], seed)
    assert sources.x.size == 1
    assert sources.quality_flags[0] & QualityFlag.EXTENDED
    true_flux = snr * shape.major_px * shape.minor_px / (BEAM.major_px * BEAM.minor_px)
    # The error of the flux is below 1.5 / snr.
    assert flux(sources)[0] == pytest.approx(true_flux, rel=0.02 + 7.5 / snr)
    assert sources.amplitude[0] == pytest.approx(snr, rel=0.02 + 7.5 / snr)


@pytest.mark.parametrize("seed", [421774, 7, 12, 91, 133, 280])
def test_noise_on_a_large_source_makes_no_sources_of_it(seed: int) -> None:
    shape = convolved(BEAM, BeamShape(27.5, 22.0, 1.0))
    sources = found([(63.0, 64.2, 55.0, shape)], seed)
    assert sources.x.size == 1
    assert sources.major_px[0] == pytest.approx(shape.major_px, rel=0.1)


def test_a_blend_of_two_is_told_from_a_slightly_resolved_source() -> None:
    # Both are one peak, 1.5 beams long.
    resolved = convolved(BEAM, BeamShape(5.5, 0.5, 1.2))
    for seed in range(20):
        blend = [(60.2, 64.1, 60.0, BEAM), (62.2, 69.3, 30.0, BEAM)]
        assert found(blend, seed).x.size == 2
        assert found([(60.2, 64.1, 60.0, resolved)], seed).x.size == 1


@settings(max_examples=examples(100))
@given(
    log_snr=st.floats(math.log(9), math.log(1000)),
    shift=st.tuples(st.floats(0, 1), st.floats(0, 1)), seed=st.integers(0, 1 << 30),
)  # fmt: skip
def test_a_point_source_is_one(log_snr: float, shift: tuple[float, float], seed: int) -> None:
    snr = math.exp(log_snr)
    sources = found([(63.0 + shift[0], 64.0 + shift[1], snr, BEAM)], seed)
    assert sources.x.size == 1
    assert sources.amplitude[0] == pytest.approx(snr, abs=6)


def test_point_sources_keep_the_beam() -> None:
    # Not each of them: noise makes one of ten thousand longer by more than three errors.
    n_free, places = 0, [(x, y) for x in range(20, 120, 20) for y in range(20, 120, 20)]
    for seed in range(20):
        snr = 9 * (1000 / 9) ** (seed / 19)
        sources = found([(x + 0.3, y + 0.6, snr, BEAM) for x, y in places], seed)
        assert sources.x.size == len(places)
        n_free += np.count_nonzero(sources.is_free)
        kept = ~sources.is_free
        assert flux(sources)[kept] == pytest.approx(snr, abs=6)
    assert n_free <= 2


def test_a_point_beside_a_resolved_source_stays_one_of_two() -> None:
    large = convolved(BEAM, BeamShape(10.0, 8.0, 0.3))
    for seed in range(20):
        sources = found([(60.2, 64.1, 60.0, large), (78.0, 70.0, 60.0, BEAM)], seed)
        assert sources.x.size == 2
        assert sources.is_free.tolist() == [True, False]


def test_free_fits_subtract_their_neighbours() -> None:
    ratios = []
    for seed in range(20):
        pair = [(60.2, 64.1, 100.0, BEAM), (67.7, 64.4, 100.0, BEAM)]
        sources = found(pair, seed, force_beam=False)
        assert sources.x.size == 2
        ratios.extend(flux(sources) / 100)
    assert np.median(ratios) == pytest.approx(1, abs=0.01)


def test_free_fits_of_faint_points_are_not_biased() -> None:
    fluxes = []
    for seed in range(20):
        places = [(x, y) for x in range(20, 120, 20) for y in range(20, 120, 20)]
        points = [(x + 0.3, y + 0.6, 10.0, BEAM) for x, y in places]
        fluxes.extend(flux(found(points, seed, force_beam=False)))
    assert len(fluxes) == pytest.approx(500, abs=3)
    # Of 500 fluxes with an error of 14 % each.
    assert np.median(fluxes) == pytest.approx(10, rel=0.03)
