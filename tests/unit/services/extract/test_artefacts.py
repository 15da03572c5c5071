"""Side lobes of a bright source are flagged, the sources around it are not."""

import numpy as np
import pytest

from schemas.quality import QualityFlag
from services.extract.models import BeamShape, FinderParameters, FoundSources
from services.extract.steps.background import measure_background
from services.extract.steps.finder import find_sources
from tests.support.beam_sky import sky

pytestmark = pytest.mark.compiled_kernels

BEAM = BeamShape(5.0, 4.0, 1.2)
SIZE, CENTRE, BRIGHT = 512, 256.3, 1e4
PARAMETERS = FinderParameters(detection_threshold_sigma=6, margin_px=0)


def artefacts(level: float, seed: int) -> np.ndarray:
    """Return three arms of side lobes of either sign that reach over 50 beams."""
    y, x = np.mgrid[:SIZE, :SIZE] - CENTRE
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    turns = np.random.default_rng(seed).uniform(0, 3) + np.arange(3) * np.pi / 3
    offsets = [np.angle(np.exp(2j * (angle - turn))) / 2 * radius for turn in turns]
    arms = sum(np.exp(-0.5 * (offset / 3) ** 2) for offset in offsets)
    waves = np.cos(2 * np.pi * radius / 9 + seed) * np.exp(-radius / 120)
    return (BRIGHT * level * arms * waves * (radius > 10)).astype("f4")


def find(pixels: np.ndarray) -> FoundSources:
    mean, rms = measure_background(pixels, 50)
    return find_sources(pixels, mean, rms, BEAM, PARAMETERS)


@pytest.mark.parametrize("seed", range(4))
def test_side_lobes_are_likely_false_and_sources_are_not(seed: int) -> None:
    places = np.random.default_rng(seed).uniform(20, 490, (2, 40))
    places = places[:, np.hypot(*(places - CENTRE)) > 60]
    sources = [(x, y, 15.0, BEAM) for x, y in places.T]
    found = find(
        sky(BEAM, [(CENTRE, CENTRE, BRIGHT, BEAM), *sources], seed, SIZE) + artefacts(2e-3, seed)
    )
    distance = np.hypot(found.x[:, None] - places[0], found.y[:, None] - places[1]).min(axis=1)
    is_bright = np.hypot(found.x - CENTRE, found.y - CENTRE) < 5
    is_false = (distance > 5) & ~is_bright
    flagged = (found.quality_flags & QualityFlag.NEAR_BRIGHT) > 0
    assert is_false.sum() > 20
    assert flagged[is_false].mean() > 0.85
    assert flagged[~is_false].mean() < 0.3
    assert not flagged[is_bright].any()
    assert ((found.p_false >= 0) & (found.p_false <= 1)).all()


def test_without_artefacts_nothing_is_likely_false() -> None:
    sources = [(CENTRE, CENTRE, BRIGHT, BEAM), (320.0, 256.0, 20.0, BEAM)]
    found = find(sky(BEAM, sources, 1, SIZE))
    assert found.x.size == 2
    assert (found.p_false == 0).all()


@pytest.mark.parametrize("seed", range(2))
def test_side_lobes_of_a_listed_source_outside_the_image_are_flagged(seed: int) -> None:
    # 8 beams beside the right half of the image is what makes its arms.
    cut = int(CENTRE + 40)
    whole = sky(BEAM, [(CENTRE, CENTRE, BRIGHT, BEAM)], seed, SIZE) + artefacts(2e-3, seed)
    pixels = np.ascontiguousarray(whole[:, cut:])
    mean, rms = measure_background(pixels, 50)

    def n_flagged(bright_px: list[tuple[float, float]]) -> tuple[int, int]:
        places = np.array(bright_px).reshape(-1, 2)
        found = find_sources(pixels, mean, rms, BEAM, PARAMETERS, bright_px=places)
        return int(np.sum((found.quality_flags & QualityFlag.NEAR_BRIGHT) > 0)), found.x.size

    n_without, n_sources = n_flagged([])
    assert n_sources > 10
    assert n_without < 0.2 * n_sources
    assert n_flagged([(CENTRE - cut, CENTRE), (5000.0, 5000.0)])[0] > 0.8 * n_sources
    # One that is detected speaks for itself, and one that is far has no arms here.
    assert n_flagged([(5000.0, 5000.0)])[0] == n_without
