"""A constant source has the same flux and the same error wherever it is detected or not."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.extract.kernels.fluxes import correct_fluxes, correct_peaks
from services.extract.models import BeamShape, Extraction, FinderParameters, Image
from services.extract.steps.catalogue import extract_sources
from services.extract.steps.forced import ForcedFluxes, measure_positions
from services.extract.steps.image import open_image
from sky.statistics import eta, new_moments, update_moments
from tests.support.beam_sky import sky
from tests.support.fits_images import make

pytestmark = pytest.mark.compiled_kernels

BEAM, SIZE = BeamShape(5.0, 4.0, np.pi / 2), 256
# No source raises the background of another: what is compared is the fluxes alone.
GRIDS = np.zeros((5, 5)), np.ones((5, 5))
NOTHING = (0.0, 0.0)
# CLEAN bias in units of the noise, and relative error of the flux scale.
CORRECTIONS = [NOTHING, (2.0, 0.0), (2.0, 0.05), (-1.0, 0.03)]
# Faintest and brightest S/N of the constant sources, in bins.
BINS = [(4.0, 8.0), (8.0, 16.0), (16.0, 50.0)]
N_IMAGES = 16


def places(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return x and y of 100 places five beams apart, anywhere in their pixels."""
    grid = np.arange(20.0, 240.0, 24.0)
    x, y = (axis.ravel() for axis in np.meshgrid(grid, grid))
    away = np.random.default_rng([seed, 7]).uniform(-0.5, 0.5, (2, x.size))
    return x + away[0], y + away[1]


def observe(x: np.ndarray, y: np.ndarray, peak: np.ndarray, seed: int) -> Image:
    """Return an image with noise of 1 Jy/beam."""
    sources = [(*each, BEAM) for each in zip(x, y, peak, strict=True)]
    return open_image(make(sky(BEAM, sources, seed, SIZE)), {})


def forced(image: Image, extraction: Extraction, x: np.ndarray, y: np.ndarray) -> ForcedFluxes:
    found = measure_positions(image, extraction, *image.projection.to_sky(x, y))
    assert set(found.reason) == {""}
    return found


@dataclass(frozen=True)
class Looks:
    """Fluxes and errors of constant sources, true and measured; (n,) each."""

    snr: np.ndarray
    true: np.ndarray
    blind: np.ndarray
    blind_err: np.ndarray
    forced: np.ndarray
    forced_err: np.ndarray

    def between(self, least: float, most: float) -> "Looks":
        chosen = (self.snr >= least) & (self.snr < most)
        return Looks(*(getattr(self, column.name)[chosen] for column in fields(self)))


def look(bias: float, calibration_error: float, seed: int) -> np.ndarray:
    """Return (6, n): every source of an image is measured blind, however faint, and forced."""
    rng = np.random.default_rng(seed)
    x, y = places(seed)
    snr = np.exp(rng.uniform(*np.log([BINS[0][0], BINS[-1][1]]), x.size))
    true = snr + bias
    # Each as in an image of its own: one gain for all would be one draw.
    peak = true * (1 + calibration_error * rng.normal(size=x.size)) - bias
    image = observe(x, y, peak, seed)
    parameters = FinderParameters(
        margin_px=0, clean_bias_jy_beam=bias, flux_calibration_error=calibration_error
    )
    detected_in = observe(x, y, np.full(x.size, 100.0), seed + 1000)
    extraction = extract_sources(image, parameters, detected_in, GRIDS)
    at_places = forced(image, extraction, x, y)
    distance = np.hypot(extraction.found.x - x[:, None], extraction.found.y - y[:, None])
    nearest, is_there = distance.argmin(axis=1), distance.min(axis=1) < 2.5
    assert is_there.mean() > 0.97
    sources = extraction.sources
    rows = (
        snr,
        true,
        sources.flux_peak_jy_beam[nearest],
        sources.flux_peak_err_jy_beam[nearest],
        at_places.flux_peak_jy_beam,
        at_places.flux_peak_err_jy_beam,
    )
    return np.stack(rows)[:, is_there]


@cache
def all_looks(bias: float, calibration_error: float) -> Looks:
    images = [look(bias, calibration_error, seed) for seed in range(N_IMAGES)]
    return Looks(*np.concatenate(images, axis=1))


@pytest.mark.parametrize("least_most", BINS)
@pytest.mark.parametrize("correction", CORRECTIONS)
def test_blind_and_forced_fluxes_of_a_source_agree(
    correction: tuple[float, float], least_most: tuple[float, float]
) -> None:
    looks = all_looks(*correction).between(*least_most)
    assert looks.snr.size > 300
    noise = looks.forced_err
    # Of one image: the noise is the same, and so are the estimates but for a part of it.
    assert abs(np.mean((looks.blind - looks.forced) / noise)) < 0.12
    np.testing.assert_allclose(np.median(looks.blind_err / noise), 1, atol=0.03)
    for flux, err in ((looks.blind, looks.blind_err), (looks.forced, looks.forced_err)):
        pull = (flux - looks.true) / err
        # Standard errors of 0.05 and 0.035, and what a free position gains at 4 sigma.
        assert abs(pull.mean()) < 0.2
        assert 0.88 < pull.std() < 1.12


@pytest.mark.parametrize("correction", CORRECTIONS)
def test_a_place_without_a_source_has_no_flux(correction: tuple[float, float]) -> None:
    bias, calibration_error = correction
    parameters = FinderParameters(
        margin_px=0, clean_bias_jy_beam=bias, flux_calibration_error=calibration_error,
        clean_bias_err_jy_beam=abs(bias) / 10,
    )  # fmt: skip
    pulls: list[np.ndarray] = []
    for seed in range(12):
        x, y = places(seed)
        image = observe(x[:0], y[:0], x[:0], seed)
        extraction = extract_sources(image, parameters, None, GRIDS)
        found = forced(image, extraction, x, y)
        pulls.append(found.flux_peak_jy_beam / found.flux_peak_err_jy_beam)
    pull = np.concatenate(pulls)
    # Standard errors of 0.03 and 0.02.
    assert abs(pull.mean()) < 0.09
    assert 0.93 < pull.std() < 1.08


def light_curves(
    bias: float, calibration_error: float, n_looks: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the fluxes and errors of 100 sources at the threshold in one image after the other."""
    parameters = FinderParameters(
        margin_px=0, clean_bias_jy_beam=bias, flux_calibration_error=calibration_error
    )
    x, y = places(5)
    rng = np.random.default_rng(5)
    for number in range(n_looks):
        true = parameters.detection_threshold_sigma + bias
        gain = 1 + calibration_error * rng.normal(size=x.size)
        image = observe(x, y, true * gain - bias, 100 + number)
        extraction = extract_sources(image, parameters, None, GRIDS)
        found = forced(image, extraction, x, y)
        flux, err = found.flux_peak_jy_beam.copy(), found.flux_peak_err_jy_beam.copy()
        distance = np.hypot(extraction.found.x - x[:, None], extraction.found.y - y[:, None])
        detected, nearest = distance.min(axis=1) < 2.5, distance.argmin(axis=1)
        assert 0.2 < detected.mean() < 0.8
        flux[detected] = extraction.sources.flux_peak_jy_beam[nearest][detected]
        err[detected] = extraction.sources.flux_peak_err_jy_beam[nearest][detected]
        yield flux, err


@pytest.mark.parametrize("correction", CORRECTIONS)
def test_a_constant_source_at_the_threshold_does_not_vary(
    correction: tuple[float, float],
) -> None:
    moments, every = new_moments(100), np.arange(100)
    for flux, err in light_curves(*correction, n_looks=20):
        update_moments(moments, every, flux, err)
    # Of 1900 degrees of freedom: a standard error of 0.03. A step of 2 sigma makes it 2.
    assert 0.85 < eta(moments).mean() < 1.15


@given(
    st.lists(st.tuples(st.floats(-60, 60), st.floats(0.2, 5)), min_size=1, max_size=30),
    st.floats(-3, 10),
    st.floats(0, 3),
    st.floats(0, 0.3),
)
def test_places_are_corrected_as_sources_are(
    measured: list[tuple[float, float]], bias: float, bias_err: float, calibration_error: float
) -> None:
    peak, err = np.array(measured).T.copy()
    peak[np.abs(peak) < 0.01] = 0.01
    out, of_sources = np.empty((2, peak.size)), np.empty((4, peak.size))
    correct_peaks(peak, err, (bias, bias_err), calibration_error, out)
    relative = err / np.abs(peak)
    correct_fluxes(
        peak, np.ones(peak.size), relative, relative, (bias, bias_err), calibration_error,
        of_sources,
    )  # fmt: skip
    limit = np.maximum(3 * err, -2 * bias)
    away = np.abs(np.abs(peak) - limit) > 1e-5
    np.testing.assert_allclose(out[:, away], of_sources[:2, away], rtol=1e-9)
    part = np.minimum(np.abs(peak) / limit, 1)
    np.testing.assert_allclose(out[0], np.sign(peak) * (np.abs(peak) + bias * part), rtol=1e-9)
    # An odd function: noise of either sign has no mean.
    mirrored = np.empty_like(out)
    correct_peaks(-peak, err, (bias, bias_err), calibration_error, mirrored)
    np.testing.assert_array_equal(mirrored, np.array([[-1.0], [1.0]]) * out)
    # More is more, and the error grows as the flux does where noise moves it.
    step = 1e-6
    correct_peaks(peak + step, err, (bias, 0.0), 0.0, mirrored)
    slope = (mirrored[0] - out[0]) / step
    assert (slope > 0.4).all()
    np.testing.assert_allclose((slope * err)[away], mirrored[1][away], rtol=1e-2)


@given(
    st.lists(st.tuples(st.floats(-60, 60), st.floats(1e-3, 5)), min_size=1, max_size=30),
)
def test_nothing_known_changes_no_bit(measured: list[tuple[float, float]]) -> None:
    peak, err = np.array([*measured, (np.nan, np.nan)]).T.copy()
    out = np.empty((2, peak.size))
    correct_peaks(peak, err, NOTHING, 0.0, out)
    assert out[:, :-1].tobytes() == np.stack([peak, err])[:, :-1].tobytes()
    assert np.isnan(out[:, -1]).all()
