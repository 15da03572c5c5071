"""Errors of shapes, and shapes without the beam."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.extract.steps.deconvolution import deconvolve, deconvolve_with_errors
from services.extract.steps.uncertainties import fit_errors

AXIS = st.floats(1.0, 20.0)
ANGLE = st.floats(0.0, 179.0)


def one(*values: float) -> tuple[np.ndarray, ...]:
    return tuple(np.array([value]) for value in values)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((2.0, 2.0, 0.0), (1.7320508, 1.7320508, 0.0)),
        ((2.7, 1.7, 0.0), (2.5079872, 1.3747727, 0.0)),
        ((2.7, 1.7, 40.0), (2.5079872, 1.3747727, 40.0)),
        ((1.0, 1.0, 0.0), (0.0, 0.0, 0.0)),
        ((0.9, 0.8, 30.0), (0.0, 0.0, 0.0)),
        ((2.0, 0.9, 0.0), (1.7320508, 0.0, 0.0)),
    ],
)
def test_known_deconvolutions(
    shape: tuple[float, ...], expected: tuple[float, float, float]
) -> None:
    found = np.concatenate(deconvolve(one(*shape), (1.0, 1.0, 0.0)))
    np.testing.assert_allclose(found, expected, atol=1e-7)


def moments(major: float, minor: float, pa_deg: float) -> np.ndarray:
    sin, cos = np.sin(np.radians(pa_deg)), np.cos(np.radians(pa_deg))
    turn = np.array([[sin, cos], [cos, -sin]])
    return turn @ np.diag([major**2, minor**2]) @ turn.T


@given(AXIS, AXIS, ANGLE, AXIS, AXIS, ANGLE)
def test_deconvolution_inverts_convolution(
    a: float, b: float, pa: float, beam_a: float, beam_b: float, beam_pa: float
) -> None:
    source = max(a, b), min(a, b), pa
    beam = max(beam_a, beam_b), min(beam_a, beam_b), beam_pa
    minor2, major2 = np.linalg.eigvalsh(moments(*source) + moments(*beam))
    _, vectors = np.linalg.eigh(moments(*source) + moments(*beam))
    seen_pa = np.degrees(np.arctan2(vectors[0, 1], vectors[1, 1]))
    found = deconvolve(one(major2**0.5, minor2**0.5, seen_pa), beam)
    back = moments(*(float(value[0]) for value in found))
    np.testing.assert_allclose(back, moments(*source), atol=1e-7 * major2)


def test_deconvolution_errors_agree_with_draws() -> None:
    shape, errors, beam = (6.0, 4.0, 30.0), (0.12, 0.08, 2.0), (3.0, 2.5, 100.0)
    rng = np.random.default_rng(1)
    drawn = [rng.normal(value, error, 20_000) for value, error in zip(shape, errors, strict=True)]
    scatter = [values.std() for values in deconvolve((drawn[0], drawn[1], drawn[2]), beam)]
    found = deconvolve_with_errors(one(*shape), one(*errors), beam)
    carried = [found.major_err[0], found.minor_err[0], found.pa_err_deg[0]]
    np.testing.assert_allclose(carried, scatter, rtol=0.1)


def test_an_unresolved_axis_has_no_error() -> None:
    found = deconvolve_with_errors(one(2.0, 0.9, 0.0), one(0.1, 0.1, 5.0), (1.0, 1.0, 0.0))
    assert np.isfinite(found.major_err[0])
    assert np.isnan(found.minor_err[0])


def test_a_free_fit_of_a_point_source_has_the_errors_of_condon() -> None:
    # For a source as large as the beam rho^2 = 2 snr^2 whatever the exponents.
    snr, major, minor = one(10.0, 5.0, 4.0)
    free, fixed = (
        fit_errors(snr, (major, minor), np.array([[5.0], [4.0]]), np.array([is_free]))
        for is_free in (True, False)
    )
    np.testing.assert_allclose(free.peak, fixed.peak)
    np.testing.assert_allclose(free.along, fixed.along)
    np.testing.assert_allclose(free.across, fixed.across)
    np.testing.assert_allclose(free.flux, np.sqrt(3) * fixed.flux)


@pytest.mark.parametrize("minor_px", [5.0, np.nextafter(5.0, 0.0), np.nextafter(5.0, 6.0), 4.9])
def test_the_angle_of_a_source_that_is_about_round_is_unknown(minor_px: float) -> None:
    snr, major, minor = one(10.0, 5.0, minor_px)
    errors = fit_errors(snr, (major, minor), np.array([[5.0], [4.0]]), np.array([True]))
    assert errors.angle[0] == np.pi / 2
