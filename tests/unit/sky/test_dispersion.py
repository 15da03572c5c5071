"""The delay of dispersed bursts."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sky.dispersion import dispersion_delay_s

frequencies = st.floats(1e7, 1e11)


def test_the_delay_of_one_unit_at_one_gigahertz() -> None:
    assert dispersion_delay_s(1.0, 1e9, math.inf) == pytest.approx(4.148808e-3)


def test_the_crab_pulsar_between_two_bands_of_lofar() -> None:
    # DM 56.77: 8.4 s between 124 and 185 MHz.
    assert dispersion_delay_s(56.77, 124e6, 185e6) == pytest.approx(8.436, abs=0.005)


@given(dm=st.floats(0, 1e4), one=frequencies, two=frequencies, three=frequencies)
def test_delays_add_up_and_change_their_sign(
    dm: float, one: float, two: float, three: float
) -> None:
    delay = dispersion_delay_s(dm, one, two)
    assert dispersion_delay_s(dm, two, one) == pytest.approx(-delay)
    through = dispersion_delay_s(dm, one, three) + dispersion_delay_s(dm, three, two)
    scale = abs(dispersion_delay_s(dm, min(one, two, three), math.inf))
    assert through == pytest.approx(delay, abs=1e-9 * scale + 1e-300)
    assert (delay >= 0) == (one <= two or dm == 0 or delay == 0)
