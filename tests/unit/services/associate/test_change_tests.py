"""The tests for changes: false alarms, what they find, and that they need no history."""

from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.bench_decide import (
    compare_durations,
    compare_kinds,
    count_false_alarms,
    count_false_peaks,
    find_transients,
    trap_cut,
)
from benchmarks.simulated_night import find_announced
from runtime.settings import AssociateSettings
from services.associate.models.change_state import new_change_states
from services.associate.steps.change_tests import add_looks, find_history_sigma, to_limits
from tests.support.examples import examples

SETTINGS = AssociateSettings()
LIMITS = to_limits(SETTINGS)
NORMAL = NormalDist()


def look_at(fluxes: np.ndarray, errors: np.ndarray | None = None) -> list:
    """Return what is said of each look at one light curve."""
    states = new_change_states(1)
    sigma = np.ones(fluxes.size) if errors is None else errors
    return [
        add_looks(states, np.array([0]), np.array([flux]), np.array([error]), LIMITS)
        for flux, error in zip(fluxes, sigma, strict=True)
    ]


def test_a_look_is_compared_with_the_weighted_mean_of_those_before() -> None:
    errors = np.array([1.0, 2.0, 1.0])
    looks = look_at(np.array([0.0, 1.5, 3.0]), errors)
    mean, mean_err = 0.3, 0.8**0.5
    assert np.isnan(looks[0].expected[0])
    assert looks[2].expected[0] == pytest.approx(mean, rel=1e-2)
    assert looks[2].expected_err[0] == pytest.approx(mean_err, rel=1e-2)
    assert looks[2].sigma[0] == pytest.approx((3 - mean) / np.hypot(1, mean_err), rel=2e-2)


def test_the_second_look_at_a_constant_source_is_a_standard_normal_number() -> None:
    rng = np.random.default_rng(3)
    for n_before in (1, 2, 5, 9):
        states = new_change_states(20_000)
        everything = np.arange(20_000)
        for _ in range(n_before + 1):
            looks = add_looks(
                states, everything, rng.normal(0, 1, 20_000), np.ones(20_000), LIMITS
            )
        # Errors are only ever widened: the tail is that of a normal number, or below.
        for sigma in (2.0, 3.0):
            expected = (1 - NORMAL.cdf(sigma)) * 20_000
            assert np.count_nonzero(looks.sigma > sigma) < expected + 5 * expected**0.5


@settings(max_examples=examples(30), deadline=None)
@given(scale=st.floats(1e-6, 1e6), seed=st.integers(0, 1000))
def test_the_unit_of_the_flux_does_not_matter(scale: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    fluxes = 10 + rng.normal(0, 1, 40)
    fluxes[30] += 15
    plain, scaled = look_at(fluxes), look_at(scale * fluxes, np.full(40, scale))
    for one, other in zip(plain, scaled, strict=True):
        assert one.sigma[0] == pytest.approx(other.sigma[0], rel=1e-6, abs=1e-9)
        assert one.is_flare[0] == other.is_flare[0]


def test_states_of_many_curves_are_those_of_each_alone() -> None:
    rng = np.random.default_rng(5)
    fluxes = rng.uniform(0, 60, (8, 1)) + rng.normal(0, 3, (8, 40))
    together = find_announced(fluxes, SETTINGS)
    alone = [
        (number, each.step, each.kind)
        for number in range(8)
        for each in find_announced(fluxes[number : number + 1], SETTINGS)
    ]
    assert sorted((each.source, each.step, each.kind) for each in together) == sorted(alone)
    assert alone


def test_eta_of_few_points_is_worth_little() -> None:
    sigma = find_history_sigma(np.full(3, 5.0), np.array([2, 8, 50]))
    assert sigma[0] == pytest.approx(NORMAL.inv_cdf(1 - 0.0253473), rel=1e-4)
    assert sigma[0] < LIMITS.single_sigma < sigma[2]
    assert np.all(np.diff(sigma) > 0)


def test_constant_sources_raise_no_more_alarms_than_the_budget() -> None:
    announced, _ = count_false_alarms(SETTINGS, seed=1, n_sources=600, n_steps=100)
    assert len(announced) <= 1  # expected below 0.06
    loose = AssociateSettings(false_alarms_per_look=1e-3, variable_v=1e-3)
    announced, _ = count_false_alarms(loose, seed=1, n_sources=600, n_steps=100)
    assert 0 < len(announced) <= 60 + 5 * 60**0.5


def test_a_false_peak_is_not_announced_when_nothing_follows() -> None:
    assert count_false_peaks(SETTINGS, seed=2, n_steps=20, n_per_step=20).total() == 0


def test_old_false_peaks_swallow_no_transient() -> None:
    found = find_transients(
        SETTINGS, seed=4, n=100, n_steps=150, least_sigma=12, most_sigma=50, is_at_old_peak=True
    )
    assert found.share >= 0.98


def test_every_change_by_ten_sigma_is_announced_and_sooner_than_by_traps_cut() -> None:
    _, largest = count_false_alarms(SETTINGS, seed=1, n_sources=300, n_steps=60)
    cut = trap_cut(largest, 0)
    for name, ours, trap in compare_kinds(SETTINGS, seed=7, n=50, n_steps=160, cut=cut):
        assert ours.share >= 0.98, name
        assert ours.share >= trap.share, name
    for duration, ours, trap in compare_durations(
        SETTINGS, [1, 10], seed=8, n=50, n_steps=80, amplitude=10.0, cut=cut
    ):
        assert ours.share >= 0.98, duration
        assert ours.share >= trap.share, duration
        assert not trap.delays or np.median(ours.delays) <= np.median(trap.delays)
