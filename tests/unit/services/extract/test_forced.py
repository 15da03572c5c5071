"""Forced photometry: calibrated on noise, exact on sources, honest at the edges."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livetrap.simulator import SimulatorConfig, iterate_images
from livetrap.simulator.beam import NoiseMaker, make_stamp
from services.extract.kernels.forced import BLANK, CONFUSED, MEASURED, OUTSIDE, measure_forced
from services.extract.models import BeamShape, Extraction, FinderParameters, Image
from services.extract.steps.catalogue import extract_sources
from services.extract.steps.forced import ForcedFluxes, measure_positions
from services.extract.steps.image import open_image
from tests.support import reference
from tests.support.examples import examples

CONFIG = SimulatorConfig(size=512, images=1, bands_hz=(150e6,), n_transient=0)
BEAM = BeamShape(5.0, 4.0, np.radians(90 + CONFIG.beam_pa_deg))


def stamp(pixels: np.ndarray, y: float, x: float, peak: float) -> None:
    part = make_stamp(replace(CONFIG, size=pixels.shape[0]), y, x)
    pixels[part.rows, part.columns] += np.float32(peak) * part.pixels


def measure(
    pixels: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    *,
    together: bool = False,
    n_wanted: int | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    n = x.size if n_wanted is None else n_wanted
    near = np.full((n, max(1, x.size - 1)), -1, np.int64)
    if together:
        for source in range(n):
            near[source] = [other for other in range(x.size) if other != source]
    flux, error, status = np.empty(n), np.empty(n), np.empty(n, np.int64)
    measure_forced(
        pixels, x, y, np.zeros(x.size), np.ones(x.size), near, n, *BEAM.quadratic,
        flux, error, status,
    )  # fmt: skip
    return flux, error, status


def test_noise_has_zero_mean_flux_and_the_right_error() -> None:
    pixels = NoiseMaker(replace(CONFIG, size=1024)).draw(np.random.default_rng(1))
    # Four beams apart: 2500 independent values; x and y at all sub-pixel phases.
    grid = np.arange(10.0, 1014.0, 20.07)
    x, y = (np.ascontiguousarray(axis.ravel()) for axis in np.meshgrid(grid, grid + 0.3))
    flux, error, status = measure(pixels, x, y)
    assert (status == MEASURED).all()
    pull = flux / error
    # 0.03 is 1.5 standard errors of the mean: of many draws, see the benchmark's figures.
    assert abs(pull.mean()) < 0.06
    assert 0.95 < pull.std() < 1.05


@settings(max_examples=examples(30))
@given(st.floats(-0.5, 0.5), st.floats(-0.5, 0.5), st.floats(-1e3, 1e3))
def test_the_whole_flux_is_measured_at_any_subpixel_position(
    dx: float, dy: float, peak: float
) -> None:
    pixels = np.zeros((128, 128), np.float32)
    stamp(pixels, 60 + dy, 70 + dx, peak)
    flux, _, _ = measure(pixels, np.array([70 + dx]), np.array([60 + dy]))
    assert flux[0] == pytest.approx(peak, rel=1e-3, abs=1e-3)


def test_a_bright_neighbour_does_not_change_a_flux() -> None:
    pixels = np.zeros((128, 128), np.float32)
    stamp(pixels, 60.4, 70.3, 1.0)
    stamp(pixels, 60.4, 75.8, 1000.0)
    x, y = np.array([70.3, 75.8]), np.array([60.4, 60.4])
    alone, _, _ = measure(pixels, x, y)
    flux, error, status = measure(pixels, x, y, together=True)
    assert (status == MEASURED).all()
    assert alone[0] > 3
    np.testing.assert_allclose(flux, [1.0, 1000.0], rtol=0.01)
    assert (error < 1.1).all()


def test_errors_of_blended_sources_include_their_covariance() -> None:
    rng = np.random.default_rng(3)
    maker = NoiseMaker(replace(CONFIG, size=128))
    x, y = np.array([60.3, 62.9]), np.array([60.0, 60.0])
    pulls = []
    for _ in range(600):
        flux, error, _ = measure(maker.draw(rng), x, y, together=True)
        pulls.append(flux / error)
    assert error[0] > 1.05  # nearer than a beam: harder than alone
    np.testing.assert_allclose(np.std(pulls, axis=0), 1, atol=0.09)


@pytest.mark.parametrize("seed", range(6))
def test_the_kernel_equals_the_reference(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pixels = rng.normal(0, 1, (64, 64)).astype(np.float32)
    pixels[rng.random((64, 64)) < 0.03] = np.nan
    x, y = rng.uniform(1, 60, 5), rng.uniform(1, 60, 5)
    x[1], y[1] = x[0] + 4.0, y[0] + 3.0
    flux, error, status = measure(pixels, x, y, together=True)
    expected = reference.forced_fluxes(pixels, x, y, 1.0, BEAM.quadratic)
    assert (status == MEASURED).all()
    np.testing.assert_allclose(flux, expected[0], rtol=1e-6)
    np.testing.assert_allclose(error, expected[1], rtol=1e-6)


def test_positions_without_a_flux_have_a_reason() -> None:
    pixels = np.zeros((64, 64), np.float32)
    pixels[:, 40:] = np.nan
    x = np.array([20.0, -3.0, 55.0, np.nan, 30.0, 30.1, 0.0])
    y = np.array([20.0, 20.0, 20.0, 20.0, 30.0, 30.0, 0.0])
    flux, error, status = measure(pixels, x, y, together=True)
    expected = [MEASURED, OUTSIDE, BLANK, OUTSIDE, CONFUSED, CONFUSED, MEASURED]
    assert status.tolist() == expected
    assert np.isnan(flux[1:6]).all()
    assert np.isnan(error[1:6]).all()
    # The corner pixel has a quarter of its patch, and says so.
    assert error[6] >= error[0]


def test_a_request_without_positions_is_valid() -> None:
    nothing = np.empty(0)
    flux, _, _ = measure(np.zeros((8, 8), np.float32), nothing, nothing)
    assert flux.size == 0


@pytest.fixture(scope="module")
def opened() -> tuple[Image, Extraction]:
    image = open_image(next(iter(iterate_images(CONFIG))).data, {})
    return image, extract_sources(image, FinderParameters(detection_threshold_sigma=5))


def forced(opened: tuple[Image, Extraction], ra: np.ndarray, dec: np.ndarray) -> ForcedFluxes:
    return measure_positions(*opened, ra, dec)


def test_forced_fluxes_agree_with_blind_ones(opened: tuple[Image, Extraction]) -> None:
    sources = opened[1].sources
    found = forced(opened, sources.ra, sources.dec)
    assert set(found.reason) == {""}
    difference = found.flux_peak_jy_beam - sources.flux_peak_jy_beam
    # The same pixels in two estimators: they differ by a fraction of the noise.
    assert np.std(difference / sources.rms_local_jy_beam) < 0.3


def test_empty_sky_has_no_flux(opened: tuple[Image, Extraction]) -> None:
    image, extraction = opened
    grid = np.arange(30.0, 480.0, 18.0)
    x, y = (axis.ravel() for axis in np.meshgrid(grid, grid))
    apart = np.hypot(x[:, None] - extraction.found.x, y[:, None] - extraction.found.y).min(axis=1)
    ra, dec = image.projection.to_sky(x[apart > 4], y[apart > 4])
    found = forced(opened, ra, dec)
    pull = found.flux_peak_jy_beam / found.flux_peak_err_jy_beam
    assert 0.9 < np.nanstd(pull) < 1.15


def test_positions_beyond_the_image_and_the_sky_have_reasons(
    opened: tuple[Image, Extraction],
) -> None:
    found = forced(opened, np.array([123.0, 10.0, 303.0]), np.array([50.0, 50.0, -50.0]))
    assert found.reason[1:] == ("outside", "outside")
    assert found.reason[0] == ""
