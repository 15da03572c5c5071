"""Errors of crowded fields: their noise holds what neighbours add to the scatter of fluxes."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from benchmarks.extraction.sky import RMS_JY_BEAM, generate_field, to_fits
from services.extract.models import FinderParameters
from services.extract.steps.catalogue import extract_sources
from services.extract.steps.image import open_image

pytestmark = pytest.mark.compiled_kernels

SIDE_PX = 512
# A source every 15 beams of 5 x 4 px.
N_SOURCES = 775
SEEDS = (11, 12, 13)


def half_width(values: list[float]) -> float:
    """Return the standard deviation of a normal distribution with the same quartiles."""
    return float(np.subtract(*np.percentile(values, [75, 25]))) / 1.349


def test_errors_of_crowded_fields_are_those_of_the_measured_noise() -> None:
    pulls: list[float] = []
    in_noise: list[float] = []
    for seed in SEEDS:
        field = generate_field(SIDE_PX, N_SOURCES, seed, mixed=False, min_snr=8.0)
        sources = extract_sources(
            open_image(to_fits(field), {}), FinderParameters(detection_threshold_sigma=5.0)
        )
        places = np.stack([field.x, field.y], axis=1)
        found = np.stack([sources.found.x, sources.found.y], axis=1)
        distance, nearest = cKDTree(places).query(found)
        near = distance < 1.5
        excess = (sources.sources.flux_peak_jy_beam - field.peak[nearest])[near]
        pulls += (excess / sources.sources.flux_peak_err_jy_beam[near]).tolist()
        in_noise += (excess / RMS_JY_BEAM).tolist()
    assert len(pulls) > 2000
    assert 0.9 < half_width(pulls) < 1.1
    # With the noise of an empty field errors would be too small.
    assert half_width(in_noise) > 1.05 * half_width(pulls)
