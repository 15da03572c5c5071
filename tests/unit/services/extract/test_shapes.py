"""Errors of shapes, and shapes without the beam."""

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.extract.steps.deconvolution import DeconvolvedShape, deconvolve
from services.extract.steps.uncertainties import fit_errors
from tests.support import reference_deconvolution as reference

AXIS = st.floats(1.0, 20.0)
ANGLE = st.floats(0.0, 179.0)


def one(*values: float) -> tuple[np.ndarray, ...]:
    return tuple(np.array([value]) for value in values)


def without_beam(shape: tuple[np.ndarray, ...], beam: tuple[float, ...]) -> DeconvolvedShape:
    """Return shapes without one beam, with errors of a hundredth."""
    errors = tuple(0.01 * np.ones_like(each) for each in shape)
    beams = tuple(np.full(shape[0].size, each) for each in beam)
    return deconvolve(shape, errors, beams)


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
    found = without_beam(one(*shape), (1.0, 1.0, 0.0))
    axes = [found.major[0], found.minor[0], found.pa_deg[0]]
    np.testing.assert_allclose(axes, expected, atol=1e-7)


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
    found = without_beam(one(major2**0.5, minor2**0.5, seen_pa), beam)
    back = moments(float(found.major[0]), float(found.minor[0]), float(found.pa_deg[0]))
    np.testing.assert_allclose(back, moments(*source), atol=1e-7 * major2)


def test_deconvolution_errors_agree_with_draws() -> None:
    shape, errors, beam = (6.0, 4.0, 30.0), (0.12, 0.08, 2.0), (3.0, 2.5, 100.0)
    rng = np.random.default_rng(1)
    drawn = [rng.normal(value, error, 20_000) for value, error in zip(shape, errors, strict=True)]
    pure = without_beam(tuple(drawn), beam)
    scatter = [values.std() for values in (pure.major, pure.minor, pure.pa_deg)]
    found = deconvolve(one(*shape), one(*errors), one(*beam))
    carried = [found.major_err[0], found.minor_err[0], found.pa_err_deg[0]]
    np.testing.assert_allclose(carried, scatter, rtol=0.1)


def test_an_unresolved_axis_has_no_error() -> None:
    found = deconvolve(one(2.0, 0.9, 0.0), one(0.1, 0.1, 5.0), one(1.0, 1.0, 0.0))
    assert np.isfinite(found.major_err[0])
    assert np.isnan(found.minor_err[0])


@given(st.integers(0, 2**32 - 1), st.sampled_from([0, 1, 7, 300]))
def test_deconvolution_has_the_bits_of_its_reference(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    axes = np.sort(rng.uniform(1.0, 20.0, (4, n)) * rng.choice([1e-9, 1.0, 1e9]), axis=0)
    # Some have the axes of the beam, some are round, some are larger in one direction only.
    beam = np.stack([axes[2], axes[rng.integers(0, 3)], rng.uniform(0.0, 180.0, n)])
    shape = np.stack([axes[3], axes[1], rng.uniform(0.0, 180.0, n)])
    same, is_round, is_blank = rng.random((3, n)) < 0.1
    shape[:, same], shape[1, is_round] = beam[:, same], shape[0, is_round]
    shape[rng.integers(0, 3), is_blank] = np.nan
    shape_err = shape * rng.choice([0.0, 1e-12, 1e-3, 1.0, np.nan], (3, n))
    found = deconvolve(tuple(shape), tuple(shape_err), tuple(beam))
    with np.errstate(all="ignore"):
        expected = reference.deconvolve_with_errors(tuple(shape), tuple(shape_err), tuple(beam))
    for column, values in zip(fields(found), expected, strict=True):
        np.testing.assert_array_equal(getattr(found, column.name), values, column.name)


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
