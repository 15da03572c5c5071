"""Sources of Stokes Q, U and V have either sign; a source that no model describes says so."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.quality import QualityFlag
from services.extract.models import BeamShape, FinderParameters, Image
from services.extract.steps.catalogue import extract_sources
from services.extract.steps.finder import find_sources
from services.extract.steps.image import open_image
from services.extract.steps.signed_sources import find_signed_sources
from tests.support.beam_sky import sky
from tests.support.examples import examples
from tests.support.fits_images import make

pytestmark = pytest.mark.compiled_kernels

BEAM = BeamShape(5.0, 4.0, 1.2)
PARAMETERS = FinderParameters(detection_threshold_sigma=6, margin_px=0)
NO_BACKGROUND, UNIT_RMS = np.zeros((1, 1)), np.ones((1, 1))
NOTHING_BRIGHT = np.empty((0, 2))
PLACES = [(30.3, 30.6), (90.1, 40.2), (60.7, 90.8)]


@settings(max_examples=examples(50))
@given(
    peaks=st.tuples(*3 * [st.floats(12, 500) | st.floats(-500, -12)]),
    seed=st.integers(0, 1 << 30),
)
def test_sources_have_the_sign_of_the_sky(peaks: tuple[float, ...], seed: int) -> None:
    sources = [(x, y, peak, BEAM) for (x, y), peak in zip(PLACES, peaks, strict=True)]
    pixels = sky(BEAM, sources, seed, 128)
    found = find_signed_sources(
        pixels, NO_BACKGROUND, UNIT_RMS, BEAM, PARAMETERS, bright_px=NOTHING_BRIGHT
    )
    order = [0, 1, 2]
    np.testing.assert_allclose(found.amplitude[order], peaks, atol=6, rtol=0.02)
    np.testing.assert_allclose(found.significance, np.abs(peaks), atol=6, rtol=0.02)
    is_negative = found.quality_flags & QualityFlag.NEGATIVE > 0
    assert is_negative.tolist() == [peak < 0 for peak in peaks]


@given(seed=st.integers(0, 1 << 30))
@settings(max_examples=examples(20))
def test_the_negated_sky_gives_the_negated_fluxes(seed: int) -> None:
    sources = [
        (*place, peak, BEAM) for place, peak in zip(PLACES, (40.0, -20.0, 9.0), strict=True)
    ]
    pixels = sky(BEAM, sources, seed, 128)
    one, other = (
        find_signed_sources(
            each, NO_BACKGROUND, UNIT_RMS, BEAM, PARAMETERS, bright_px=NOTHING_BRIGHT
        )
        for each in (pixels, -pixels)
    )
    np.testing.assert_array_equal(one.amplitude, -other.amplitude)
    np.testing.assert_array_equal(one.x, other.x)


def polarised(stokes: str) -> Image:
    pixels = sky(BEAM, [(30.3, 30.6, 80.0, BEAM), (90.1, 90.2, -50.0, BEAM)], 3, 128)
    image = open_image(make(pixels), {})
    return replace(image, metadata=replace(image.metadata, stokes=stokes))


@pytest.mark.parametrize(("stokes", "n_sources"), [("I", 1), ("XX", 1), ("V", 2), ("Q", 2)])
def test_only_images_that_may_be_negative_are_searched_for_both_signs(
    stokes: str, n_sources: int
) -> None:
    columns = extract_sources(polarised(stokes), PARAMETERS).sources
    assert len(columns) == n_sources
    assert (columns.flux_peak_jy_beam < 0).sum() == n_sources - 1
    assert (columns.flux_peak_err_jy_beam > 0).all()
    assert (columns.ra_err_deg > 0).all()
    assert (columns.snr > 0).all()


def test_a_setting_switches_negative_sources_off() -> None:
    parameters = replace(PARAMETERS, negative_sources=False)
    assert len(extract_sources(polarised("V"), parameters).sources) == 1


def test_what_is_found_in_total_intensity_is_measured_with_its_sign() -> None:
    total = polarised("I")
    circular = replace(polarised("V"), pixels=-total.pixels)
    columns = extract_sources(circular, PARAMETERS, total).sources
    assert columns.flux_peak_jy_beam.tolist() == pytest.approx([-80], abs=5)


@pytest.mark.parametrize("snr", [10.0, 100.0, 1000.0])
def test_the_shape_of_a_source_that_is_no_beam_is_a_poor_fit(snr: float) -> None:
    turned = BeamShape(8.0, 3.0, 0.2)
    assumed = BeamShape(8.0, 3.0, 0.2 + np.pi / 4)
    places = [(x, y, snr, turned) for x in (30.0, 90.0) for y in (30.0, 90.0)]
    pixels = sky(turned, places, 5, 128)
    right, wrong = (
        find_sources(pixels, NO_BACKGROUND, UNIT_RMS, beam, PARAMETERS)
        for beam in (turned, assumed)
    )
    assert not (right.quality_flags & QualityFlag.POOR_FIT).any()
    if snr > 10:
        assert (wrong.quality_flags & (QualityFlag.POOR_FIT | QualityFlag.EXTENDED) > 0).all()
