"""Beams of 1.5 to 3 px: fits know the covariance of their pixels, and errors are true."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.extract.errors import RejectedImageError
from services.extract.kernels.measure import fit_beam
from services.extract.models import BeamShape, FinderParameters
from services.extract.steps.finder import find_sources
from services.extract.steps.image import open_image
from services.extract.steps.sampling import is_coarse, pixel_weights, position_covariance
from tests.support import reference
from tests.support.beam_sky import gaussian_at, sky
from tests.support.examples import examples
from tests.support.fits_images import make

pytestmark = pytest.mark.compiled_kernels

SIZE, STEP, SNR = 256, 14, 30.0


@pytest.mark.parametrize("seed", range(5))
def test_the_weighted_fit_is_that_of_generalised_least_squares(seed: int) -> None:
    beam = BeamShape(2.2, 1.8, 0.4)
    pixels = sky(beam, [(20.2, 20.4, 25.0, beam), (23.0, 21.0, 9.0, beam)], seed, 41)
    fits, near = np.empty((2, 6)), np.array([[1], [-1]])
    weights = pixel_weights(beam)
    fit_beam(
        pixels, np.array([20, 21]), np.array([20, 23]), np.full(2, 0.1), near,
        np.tile(beam.quadratic, (2, 1)), 0.6, weights, 1, fits,
    )  # fmt: skip
    again = fits.copy()
    fit_beam(
        pixels, np.array([20, 21]), np.array([20, 23]), np.full(2, 0.1), np.full((2, 1), -1),
        np.tile(beam.quadratic, (2, 1)), 0.6, weights, 1, again,
    )  # fmt: skip
    expected = reference.weighted_beam(pixels - 0.1, (21, 23), beam.quadratic, weights)
    np.testing.assert_allclose(again[1, :3], expected, rtol=1e-4)
    assert fits[:, 5].tolist() == [1, 1]


@pytest.mark.parametrize("shape", [(1.5, 1.5), (1.65, 1.5), (2.2, 1.9), (2.9, 2.5), (4.5, 1.6)])
def test_errors_are_those_of_repeated_measurements(shape: tuple[float, float]) -> None:
    beam = BeamShape(*shape, 0.7)
    places = np.arange(STEP, SIZE - STEP, STEP)
    shift = np.random.default_rng(1).uniform(-0.5, 0.5, (2, places.size, places.size))
    x, y = (grid + part for grid, part in zip(np.meshgrid(places, places), shift, strict=True))
    x, y = x.ravel(), y.ravel()
    pixels = sky(beam, [], 2, SIZE)
    for x0, y0 in zip(x, y, strict=True):
        rows, columns = slice(int(y0) - 6, int(y0) + 8), slice(int(x0) - 6, int(x0) + 8)
        dy, dx = np.mgrid[rows, columns].astype(float)
        pixels[rows, columns] += (SNR * gaussian_at(beam, dx - x0, dy - y0)).astype("f4")
    parameters = FinderParameters(detection_threshold_sigma=8, margin_px=0)
    found = find_sources(pixels, np.zeros((1, 1)), np.ones((1, 1)), beam, parameters)
    distance = np.hypot(found.x[:, None] - x, found.y[:, None] - y)
    truth = distance.argmin(axis=1)
    assert sorted(truth) == list(range(x.size))
    peak, position = position_covariance(beam, found.x, found.y)
    pulls = [
        (found.amplitude - SNR) / peak,
        (found.x - x[truth]) * SNR / np.sqrt(position[:, 0, 0]),
        (found.y - y[truth]) * SNR / np.sqrt(position[:, 1, 1]),
    ]
    # 289 sources: 4 % each.
    np.testing.assert_allclose(np.std(pulls, axis=1), 1, atol=0.16)
    assert abs(np.mean(pulls[0])) < 0.25


@settings(max_examples=examples(100))
@given(
    minor=st.floats(1.5, 2.9), ratio=st.floats(1, 1.5), angle=st.floats(0, 3.1),
    x=st.floats(-0.5, 0.5), y=st.floats(-0.5, 0.5),
)  # fmt: skip
def test_a_grid_of_pixels_never_gains_information(
    minor: float, ratio: float, angle: float, x: float, y: float
) -> None:
    beam = BeamShape(min(ratio * minor, 4.5), minor, angle)
    assert is_coarse(beam)
    peak, position = position_covariance(beam, np.array([x]), np.array([y]))
    a, b, c = beam.quadratic
    # Condon's bounds, in all directions.
    assert peak[0] > 0.99
    excess = position[0] - np.linalg.inv(2 * np.array([[a, b], [b, c]]))
    assert np.linalg.eigvalsh(excess).min() > -0.01


@settings(max_examples=examples(50))
@given(
    pixel_deg=st.floats(1e-5, 0.03), pa_deg=st.floats(0, 180),
    ra=st.floats(0, 360), dec=st.floats(-90, 90),
)  # fmt: skip
def test_a_beam_of_exactly_the_least_pixels_is_measured(
    pixel_deg: float, pa_deg: float, ra: float, dec: float
) -> None:
    cards = {
        "CRVAL1": ra, "CRVAL2": dec, "CDELT1": -pixel_deg, "CDELT2": pixel_deg, "BPA": pa_deg,
    }  # fmt: skip
    least = {"BMAJ": 1.65 * pixel_deg, "BMIN": 1.5 * pixel_deg}
    open_image(make(**cards, **least), {})
    with pytest.raises(RejectedImageError, match="fewer than"):
        open_image(make(**cards, **least | {"BMIN": 1.49 * pixel_deg}), {})
