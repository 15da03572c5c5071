"""Elementary functions are those of the C library, whatever the processor."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sky.elementary_functions import arccos, arcsin, arctan2, exp, sin_cos

ANY = st.floats(allow_nan=False, allow_infinity=False)
# A fourth of the largest number: components are scaled by four.
COMPONENT = st.floats(min_value=-4e307, max_value=4e307)


def assert_within_an_ulp(value: float, expected: float) -> None:
    assert abs(value - expected) <= np.spacing(abs(expected))


@given(angles_rad=st.lists(ANY, min_size=1, max_size=20))
def test_sine_and_cosine_are_those_of_the_c_library(angles_rad: list[float]) -> None:
    sines, cosines = sin_cos(np.array(angles_rad))
    for angle, sine, cosine in zip(angles_rad, sines.tolist(), cosines.tolist(), strict=True):
        assert_within_an_ulp(sine, math.sin(angle))
        assert_within_an_ulp(cosine, math.cos(angle))


@given(y=COMPONENT, x=COMPONENT)
def test_the_angle_of_a_vector_is_that_of_the_c_library(y: float, x: float) -> None:
    angle = float(arctan2(np.array([y]), np.array([x]))[0])
    assert_within_an_ulp(angle, math.atan2(y, x))
    assert math.copysign(1, angle) == math.copysign(1, math.atan2(y, x))


@given(exponent=st.floats(max_value=700.0, allow_infinity=True))
def test_the_exponential_is_that_of_the_c_library(exponent: float) -> None:
    assert_within_an_ulp(float(exp(np.array([exponent]))[0]), math.exp(exponent))


@given(angle_rad=st.floats(min_value=-math.pi / 2, max_value=math.pi / 2))
def test_inverse_functions_give_the_angle_back(angle_rad: float) -> None:
    sine, cosine = math.sin(angle_rad), math.cos(angle_rad)
    # Near its extreme a sine says little of the angle: a rounding of it is a root of one.
    assert float(arcsin(sine)) == pytest.approx(angle_rad, abs=3e-8)
    assert float(arccos(cosine)) == pytest.approx(abs(angle_rad), abs=3e-8)


@pytest.mark.parametrize("function", [arcsin, arccos])
def test_no_angle_has_a_sine_beyond_one(function: Callable[[float], float]) -> None:
    assert math.isnan(function(math.nextafter(1.0, 2.0)))


def test_what_is_not_finite_has_no_sine() -> None:
    sine, cosine = sin_cos(np.array([np.nan, np.inf]))
    assert np.isnan(sine).all()
    assert np.isnan(cosine).all()
    assert np.isnan(arctan2(np.array([np.nan, 1.0]), np.array([1.0, np.nan]))).all()
    assert np.isnan(exp(np.nan))


def test_shapes_are_broadcast() -> None:
    assert arctan2(1.0, np.ones((2, 3))).shape == (2, 3)
    assert sin_cos(np.zeros((2, 3)))[0].shape == (2, 3)
    assert sin_cos(1.0)[1].shape == ()
