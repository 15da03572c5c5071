"""How likely an event is to be a false alarm, and what that makes of its importance."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtr

from services.alert.models import ContextRows, Decision, EventContext, FalseAlarmCounts, Timestep
from services.alert.steps.context import build_context, expect_false_alarms, expect_false_changes
from services.alert.steps.rule import weigh
from tests.support.alert_contexts import point_at
from tests.support.event_contexts import EVENT, looked


@given(snr=st.floats(0, 40), more=st.floats(0, 40), n_false=st.integers(0, 50))
def test_a_larger_significance_makes_no_more_false_alarms(
    snr: float, more: float, n_false: int
) -> None:
    counts = FalseAlarmCounts(1e9, 20.0, np.linspace(5, 30, n_false))
    rate = expect_false_alarms(snr, counts)
    assert expect_false_alarms(snr + more, counts) <= rate
    expected = 1e9 * ndtr(-snr) + (np.sum(counts.false_snr >= snr) + 0.5) / 20
    assert rate == pytest.approx(expected, rel=1e-9)


@given(sigma=st.floats(-40, 40), more=st.floats(0, 40), n_false=st.integers(0, 50))
def test_a_more_significant_change_makes_no_more_false_ones(
    sigma: float, more: float, n_false: int
) -> None:
    counts = FalseAlarmCounts(1e9, 20.0, np.empty(0), tests_per_day=1e5, n_false_changes=n_false)
    rate = expect_false_changes(sigma, counts)
    assert rate == pytest.approx(2e5 * ndtr(-abs(sigma)) + (n_false + 0.5) / 20, rel=1e-9)
    assert rate == expect_false_changes(-sigma, counts)
    assert expect_false_changes(abs(sigma) + more, counts) <= rate


@pytest.mark.parametrize("sigma", [-math.inf, math.inf])
def test_a_change_beyond_all_chance_has_the_false_alarms_of_history(sigma: float) -> None:
    counts = FalseAlarmCounts(1e9, 20.0, np.empty(0), tests_per_day=1e5, n_false_changes=3)
    assert expect_false_changes(sigma, counts) == pytest.approx(3.5 / 20)
    assert expect_false_changes(math.nan, counts) == math.inf


def test_a_change_is_judged_by_its_own_test_and_not_by_its_remaining_flux() -> None:
    counts = FalseAlarmCounts(1e6, 20.0, np.empty(0), tests_per_day=1e4)
    vanished = replace(EVENT, kind="vanished", snr=0.3, trigger="missed", trigger_sigma=-9.0)
    update = replace(vanished, kind="update", transient_kind="vanished")
    for event in (vanished, update):
        found = build_context(event, ContextRows(counts=counts)).false_alarms_per_day
        assert found == pytest.approx(0.5 / 20)
    unknown = replace(update, trigger_sigma=None)
    assert build_context(unknown, ContextRows(counts=counts)).false_alarms_per_day is None


def test_an_update_of_a_change_is_judged_by_the_mean_before() -> None:
    before = [
        point_at(-step, image_key=10 + step, flux_peak_jy_beam=0.1, flux_peak_err_jy_beam=0.03)
        for step in (1, 2, 3, 4)
    ]
    counts = FalseAlarmCounts(1e6, 20.0, np.empty(0), tests_per_day=1e9)
    update = replace(
        EVENT, kind="update", transient_kind="variable", trigger_sigma=None,
        flux_peak_jy_beam=0.3, flux_peak_err_jy_beam=0.04,
    )  # fmt: skip
    rows = ContextRows(Timestep(1, looked(1), (looked(1),)), (point_at(), *before), counts=counts)
    found = build_context(update, rows).false_alarms_per_day
    sigma = (0.3 - 0.1) / math.hypot(0.04, 0.03 / math.sqrt(4))
    assert found == pytest.approx(2e9 * ndtr(-sigma) + 0.5 / 20)


def test_a_change_that_ends_is_no_likelier_a_false_alarm_than_it_was() -> None:
    steady = [point_at(-step, image_key=10 + step, flux_peak_jy_beam=0.1) for step in range(2, 9)]
    bright = point_at(-1, image_key=20, flux_peak_jy_beam=0.5)
    counts = FalseAlarmCounts(1e6, 20.0, np.empty(0), tests_per_day=1e9)
    rows = ContextRows(Timestep(1, looked(1), (looked(1),)), (bright, *steady), counts=counts)
    over = replace(
        EVENT, kind="update", transient_kind="variable", trigger_sigma=None, flux_peak_jy_beam=0.15
    )
    assert build_context(over, rows).false_alarms_per_day == pytest.approx(0.5 / 20)


def test_a_new_source_that_fades_is_no_likelier_a_false_alarm_than_it_was() -> None:
    counts = FalseAlarmCounts(1e9, 20.0, np.empty(0))
    forced = point_at(-2, image_key=8, extraction_type="forced", snr=60.0)
    rows = ContextRows(points=(point_at(-1, image_key=9, snr=25.0), forced), counts=counts)
    fading = replace(EVENT, kind="update", transient_kind="new_source", snr=5.0)
    assert build_context(fading, rows).false_alarms_per_day == pytest.approx(0.5 / 20)
    first = replace(fading, kind="new_source", transient_kind=None)
    assert build_context(first, rows).false_alarms_per_day > 100


def test_importance_falls_with_false_alarms_and_where_some_were_retracted() -> None:
    decision = Decision("rule", 0.8, "observation")
    assert weigh(decision, EVENT, EventContext()).importance == 0.8
    assert weigh(decision, EVENT, EventContext(false_alarms_per_day=1.0)).importance == 0.4
    assert weigh(decision, replace(EVENT, p_false=0.75), EventContext()).importance == 0.2
    here = EventContext(false_alarms_per_day=1.0, n_retracted_here=3)
    assert weigh(decision, EVENT, here).importance == 0.1
    assert weigh(decision, replace(EVENT, kind="retraction"), here).importance == 0.8


def test_what_was_retracted_within_a_beam_counts() -> None:
    near, far = (EVENT.ra, EVENT.dec + 0.04), (EVENT.ra + 1, EVENT.dec)
    counts = FalseAlarmCounts(0.0, 1.0, np.empty(0), (near, far, near))
    assert build_context(EVENT, ContextRows(counts=counts)).n_retracted_here == 2
