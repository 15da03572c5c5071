"""What a look back decides, and what it asks for: no database."""

import math
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.bench_decide import compare_evidence, find_transients
from benchmarks.look_backs import look_back_at_constants, look_back_at_random
from runtime.settings import AssociateSettings
from schemas.messages import ImageDetections
from services.associate.models.decisions import Decisions
from services.associate.models.look_back import (
    FIRST_LOOK_BACK_NUMBER,
    LookBackImage,
    LookBackVerdict,
    PreviousFluxes,
    look_back_number,
)
from services.associate.models.solutions import NO_SOLUTION
from services.associate.steps.look_back import judge_look_back
from tests.support.examples import examples
from tests.support.records import START, image, sources
from tests.support.timesteps import (
    FIRST_SOURCE_ID,
    NOW,
    decide_timestep,
    prior_coverage,
    state_of,
    timestep_of,
)

SETTINGS = AssociateSettings()
HERE = (123.0, 10.0)
LOW_HZ, HIGH_HZ = 140e6, 160e6
FAINT_JY, BRIGHT_JY = 0.0105, 0.02
FLUXES = st.lists(st.floats(-5, 50), min_size=1, max_size=8)


def judge(now: float, earlier: list[float], error: float = 1.0) -> LookBackVerdict:
    times = tuple(START + timedelta(seconds=number) for number in range(len(earlier)))
    previous = PreviousFluxes(np.array(earlier), np.full(len(earlier), error), times)
    return judge_look_back(now, error, previous, SETTINGS)


def earlier_images(n: int, **changes: Any) -> tuple[LookBackImage, ...]:
    """Return earlier images of the field, with keys from 1 on, in the order of their time."""
    return tuple(
        LookBackImage(1 + number, replace(image(-n + number, **changes), stream=""), NO_SOLUTION)
        for number in range(n)
    )


def decide_with(
    *records: ImageDetections, looked: dict[int, tuple[LookBackImage, ...]], **changes: Any
) -> Decisions:
    timestep = timestep_of(*records)
    _, decisions = decide_timestep(
        timestep, state_of(timestep), prior=[prior_coverage(1e-3, image_key=1)],
        look_back_images=looked, **changes,
    )  # fmt: skip
    return decisions


def test_a_flux_that_was_not_there_is_new():
    verdict = judge(8.0, [0.3, -0.2, 0.5, -0.6])
    assert verdict.kind == "new_source"
    assert verdict.n_look_back == 4
    assert verdict.sigma == pytest.approx(8 / math.sqrt(1.25))
    assert verdict.flux_previous_jy_beam == pytest.approx(0.0)
    assert verdict.flux_previous_err_jy_beam == pytest.approx(0.5)
    assert verdict.time_previous == START + timedelta(seconds=3)


def test_a_flux_that_was_there_is_known():
    assert judge(8.2, [7.0, 6.5, 7.8, 7.1]).kind == "known_below_threshold"


def test_a_fainter_flux_is_known():
    assert judge(8.2, [20.0, 21.0]).kind == "known_below_threshold"


def test_a_source_that_came_up_within_the_images_is_new():
    """The mean of the earlier fluxes is close to the flux now, but they are no constant."""
    verdict = judge(8.3, [0.0, 0.1, 7.5, 7.6])
    assert (8.3 - 3.8) / math.sqrt(1.25) < 4.89 < verdict.sigma
    assert verdict.kind == "new_source"


def test_without_a_flux_nothing_is_said():
    assert judge(8.0, []) == LookBackVerdict("not_looked_back")


@given(st.floats(8, 30), FLUXES, st.randoms())
@settings(max_examples=examples(50), deadline=None)
def test_order_and_unit_do_not_matter(now: float, earlier: list[float], random: Any):
    first = judge(now, earlier)
    random.shuffle(earlier)
    other = judge(now * 1e-3, [each * 1e-3 for each in earlier], error=1e-3)
    assert other.kind == first.kind
    assert other.sigma == pytest.approx(first.sigma, rel=1e-6, abs=1e-6)


def test_a_look_back_at_a_constant_source_is_rarely_an_alarm():
    assert look_back_at_random(SETTINGS, seed=151, n_looks=100_000) <= 1
    often = AssociateSettings(false_alarms_per_look=1e-3, flux_systematic_fraction=0.0)
    n_often = look_back_at_random(often, seed=152, n_looks=100_000)
    assert 50 < n_often <= 100 + 3 * math.sqrt(100)


def test_constant_sources_around_the_threshold_are_not_announced():
    found = look_back_at_constants(SETTINGS, seed=153, n_sources=100_000, levels=(4.0, 10.0))
    assert found.n_detected > 10_000
    assert found.n_announced <= 10 * found.n_looks / 1e6
    assert found.n_announced_by_limit > 100


def test_steady_sources_at_the_threshold_are_not_announced_in_any_band():
    found = look_back_at_constants(
        SETTINGS, seed=154, n_sources=45, levels=(8.0, 8.0), n_bands=4, n_steps=30
    )
    assert (found.n_detected > 0, found.n_announced) == (True, 0)


def test_transients_are_announced_as_soon_as_they_are_detected():
    found = find_transients(
        SETTINGS, seed=155, n=20_000, n_steps=600, least_sigma=8, most_sigma=50,
        is_at_old_peak=False,
    )  # fmt: skip
    assert found.share >= 0.98


@pytest.mark.parametrize(
    ("threshold_sigma", "least", "most"), [(8.0, 0.925, 0.932), (7.0, 0.99, 0.995)]
)
def test_faint_transients_are_announced_as_far_as_the_threshold_detects_them(
    threshold_sigma: float, least: float, most: float
) -> None:
    found = find_transients(
        SETTINGS, seed=156, n=50_000, n_steps=2000, least_sigma=8, most_sigma=10,
        is_at_old_peak=False, threshold_sigma=threshold_sigma,
    )  # fmt: skip
    assert least <= found.share <= most
    assert len(found.delays) == found.n_detected


def test_two_images_show_what_their_noise_allows():
    flux = np.full(400_000, 9.0)
    one, together = compare_evidence(flux, seed=157, peak_sigma=6.0)
    short, tail = math.log(2) / math.log(1000), 0.5 * math.erfc(1 / math.sqrt(2))
    of_one, of_two = 1 - tail, 1 - tail**2
    assert one == pytest.approx(short * of_one + (1 - short) * of_two, abs=0.002)
    assert together == pytest.approx(short * of_one + (1 - short), abs=0.002)


def test_a_first_detection_waits_for_the_last_images_and_the_deepest():
    shot = image(1, sources([HERE], flux_jy=BRIGHT_JY))
    decisions = decide_with(shot, looked={0: earlier_images(7)})
    assert decisions.notifications == []
    (row,) = decisions.look_backs
    assert row.image_keys == (1, 4, 5, 6, 7)
    assert row.is_new_by_limit
    assert row.time_limit == NOW + timedelta(milliseconds=SETTINGS.lookback_wait_ms)
    assert (row.event.kind, row.event.source_id) == ("new_source", FIRST_SOURCE_ID)
    assert row.event.certainty == "certain"
    asked = [each.request for each in decisions.look_back_requests]
    assert [each.image_id for each in asked] == [
        earlier_images(7)[key - 1].record.image_id for key in row.image_keys
    ]
    assert {each.stream for each in asked} == {"test"}
    assert {kind for each in asked for kind in each.positions.extraction_type} == {"lookback"}
    assert all(each.positions.position_id.tolist() == [FIRST_SOURCE_ID] for each in asked)
    assert not decisions.sources.created[0]["is_new"][0]
    assert image(-7).metadata.time_start in decisions.months


def test_a_faint_detection_waits_too():
    decisions = decide_with(
        image(1, sources([HERE], flux_jy=FAINT_JY)), looked={0: earlier_images(2)}
    )
    (row,) = decisions.look_backs
    assert not row.is_new_by_limit


def test_an_image_that_does_not_cover_the_place_is_not_asked():
    away = earlier_images(3, centre=(150.0, -20.0))
    decisions = decide_with(image(1, sources([HERE], flux_jy=BRIGHT_JY)), looked={0: away})
    assert decisions.look_backs == []
    (notification,) = decisions.notifications
    assert notification.event.kind == "new_source"


def test_the_detection_of_the_highest_s_n_looks_back_in_its_band():
    low = image(1, sources([HERE], flux_jy=0.0102), freq_eff_hz=LOW_HZ)
    high = image(1, sources([HERE], flux_jy=0.0108), freq_eff_hz=HIGH_HZ)
    looked = {0: earlier_images(2, freq_eff_hz=LOW_HZ), 1: earlier_images(2, freq_eff_hz=HIGH_HZ)}
    decisions = decide_with(low, high, looked=looked)
    (row,) = decisions.look_backs
    assert row.event.freq_eff_hz == HIGH_HZ
    assert {each.freq_eff_hz for each in decisions.look_back_requests} == {HIGH_HZ}


def test_what_waits_is_measured_in_the_other_bands_of_its_timestep():
    low = image(1, sources([HERE], flux_jy=BRIGHT_JY), freq_eff_hz=LOW_HZ)
    high = image(1, [], freq_eff_hz=HIGH_HZ)
    decisions = decide_with(low, high, looked={0: earlier_images(2, freq_eff_hz=LOW_HZ)})
    assert decisions.forced is not None
    (request,) = decisions.forced.requests
    assert request.freq_eff_hz == HIGH_HZ
    assert request.request.positions.position_id.tolist() == [FIRST_SOURCE_ID]


def test_numbers_of_looks_back_are_those_of_no_other_measurement():
    numbers = [look_back_number(each) for each in (1, 2, FIRST_LOOK_BACK_NUMBER - 1)]
    assert len(set(numbers)) == 3
    assert all(FIRST_LOOK_BACK_NUMBER <= each < 2**31 for each in numbers)
