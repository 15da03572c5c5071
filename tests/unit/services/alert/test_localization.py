"""The error ellipse of an alert: its parts, and what it holds."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.settings import AlertSettings
from services.alert.steps.localization import find_localization
from tests.support.event_contexts import SETTINGS
from tests.support.vtp_events import source_event


def replace_settings(**changes: Any) -> AlertSettings:
    return AlertSettings(**(SETTINGS.model_dump() | changes))


@given(
    stat=st.floats(1e-7, 1.0), floor=st.floats(0.0, 0.1), beam=st.floats(1e-4, 1.0),
    ratio=st.floats(1.0, 10.0),
)  # fmt: skip
def test_the_systematic_error_is_a_tenth_of_the_beam_whatever_association_used(
    stat: float, floor: float, beam: float, ratio: float
) -> None:
    event = source_event(
        ra_err_deg=math.hypot(ratio * stat, floor), dec_err_deg=math.hypot(stat, floor),
        position_systematic_err_deg=floor, beam_major_deg=beam,
    )  # fmt: skip
    found = find_localization(event, SETTINGS)
    scale = math.sqrt(-2 * math.log(0.1))
    assert found.systematic_deg == pytest.approx(0.1 * beam)
    assert found.dec_stat_deg == pytest.approx(stat, rel=1e-6, abs=1e-8 * max(floor, 1e-8))
    assert found.major_deg == pytest.approx(scale * math.hypot(ratio * stat, 0.1 * beam), rel=1e-4)
    assert found.minor_deg == pytest.approx(scale * math.hypot(stat, 0.1 * beam), rel=1e-4)
    assert found.pa_deg == (90.0 if found.ra_err_deg > found.dec_err_deg else 0.0)
    fixed = replace_settings(systematic_position_error_arcsec=3.6)
    assert find_localization(event, fixed).systematic_deg == pytest.approx(0.001)


def test_an_ellipse_of_ninety_percent_holds_ninety_percent() -> None:
    found = find_localization(source_event(position_systematic_err_deg=0.0005), SETTINGS)
    rng = np.random.default_rng(1)
    east, north = rng.normal(0, 1, (2, 100_000))
    inside = (east * found.ra_err_deg / found.minor_deg) ** 2 + (
        north * found.dec_err_deg / found.major_deg
    ) ** 2 <= 1
    assert inside.mean() == pytest.approx(0.9, abs=0.005)


def test_an_error_of_unknown_parts_is_given_as_a_whole() -> None:
    found = find_localization(source_event(), SETTINGS)
    assert found.major_deg == pytest.approx(0.002 * 2.145966)
    assert (found.systematic_deg, found.ra_stat_deg) == (None, None)
    assert find_localization(source_event(ra_err_deg=math.nan), SETTINGS).major_deg == 0.05
    nowhere = source_event(ra_err_deg=0.0, beam_major_deg=math.inf)
    assert find_localization(nowhere, SETTINGS).major_deg == 180.0
