"""False alarms happen as often as they are expected: in noise, and in images with artefacts."""

import math
from collections.abc import Iterator
from functools import cache

import numpy as np
import pytest

from services.alert.models import FalseAlarmCounts, NegativeRate
from services.alert.steps.context import expect_false_alarms
from services.extract.models import BeamShape, ExtractedImage, FinderParameters
from services.extract.steps.catalogue import extract_sources
from services.extract.steps.image import open_image
from services.extract.steps.negative_peaks import find_negative_peaks
from tests.support.beam_sky import sky
from tests.support.fits_images import make

pytestmark = pytest.mark.compiled_kernels

BEAM = BeamShape(5.0, 4.0, np.pi / 2)
PARAMETERS = FinderParameters(detection_threshold_sigma=4.0, margin_px=0)
SIZE, N_IMAGES = 256, 60
IMAGES_PER_DAY = 1440.0
LOOKS_PER_IMAGE = SIZE**2 / (1.1331 * 5.0 * 4.0)
# No retraction and no storm in so many days adds next to nothing.
LONG_DAYS = 1e6


def observe(n_artefacts: int, seed: int) -> Iterator[ExtractedImage]:
    """Yield images without a source; artefacts of either sign have a steep distribution."""
    random = np.random.default_rng(seed)
    for number in range(N_IMAGES):
        artefacts = [
            (
                *random.uniform(20, SIZE - 20, 2),
                random.choice((-1, 1)) * 6 * (1 + random.pareto(2.0)),
                BEAM,
            )
            for _ in range(random.poisson(n_artefacts))
        ]
        data = make(sky(BEAM, artefacts, seed + number, SIZE))
        image = open_image(data, {}, max_bytes=1 << 24)
        yield ExtractedImage(image, extract_sources(image, PARAMETERS))


@cache
def measure(n_artefacts: int) -> tuple[NegativeRate, np.ndarray]:
    """Return the rate of negative peaks, and the S/N of all sources, which are false."""
    snr: list[float] = []
    false: list[float] = []
    for each in observe(n_artefacts, 100):
        found = find_negative_peaks(each, PARAMETERS)
        assert found is not None
        snr += found.snr
        false += each.extraction.sources.snr.tolist()
    n_days = N_IMAGES / IMAGES_PER_DAY
    return NegativeRate(n_days, np.sort(snr), np.ones(len(snr), np.int64)), np.array(false)


@pytest.mark.parametrize(("n_artefacts", "limits"), [(0, (4.2, 4.5)), (4, (5.0, 7.0, 10.0, 15.0))])
def test_false_alarms_are_as_many_as_expected(n_artefacts: int, limits: tuple[float, ...]) -> None:
    negative, false = measure(n_artefacts)
    counts = FalseAlarmCounts(LOOKS_PER_IMAGE * IMAGES_PER_DAY, LONG_DAYS, np.empty(0))
    for snr in limits:
        n_false = int(np.count_nonzero(false >= snr))
        n_expected = expect_false_alarms(snr, counts, negative) * negative.n_days
        # Both are counts of a Poisson process: five standard deviations of their difference.
        assert abs(n_false - n_expected) < 5 * math.sqrt(n_false + n_expected + 1)
        assert n_expected >= 1


def test_gaussian_noise_alone_would_promise_no_false_alarm_among_artefacts() -> None:
    negative, false = measure(4)
    counts = FalseAlarmCounts(LOOKS_PER_IMAGE * IMAGES_PER_DAY, LONG_DAYS, np.empty(0))
    n_false = int(np.count_nonzero(false >= 10))
    assert n_false > 20
    assert expect_false_alarms(10, counts) * negative.n_days < 1e-3
    assert expect_false_alarms(10, counts, negative) * negative.n_days > n_false / 2
