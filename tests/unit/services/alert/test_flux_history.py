"""What an alert says of the time before: looks, limits, and the change of the flux."""

import math
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.alert.models import ContextRows, SourceTotals, Timestep
from services.alert.steps.context import build_context
from tests.support.alert_contexts import point_at
from tests.support.event_contexts import EVENT, context_of, looked, notice_of
from tests.support.records import wcs_header
from tests.support.vtp_events import START


def test_the_history_of_the_source_is_given() -> None:
    quiet = [
        point_at(-step, image_key=10 + step, extraction_type="forced", flux_peak_jy_beam=0.1,
                 flux_peak_err_jy_beam=0.02, snr=5.0)
        for step in (1, 2, 3, 4)
    ]  # fmt: skip
    bright = point_at(-5, image_key=20, flux_peak_jy_beam=0.3, flux_peak_err_jy_beam=0.02)
    other_band = point_at(-1, image_key=30, band_id=9, flux_peak_jy_beam=9.0)
    later = point_at(1, image_key=40, flux_peak_jy_beam=9.0)
    found = notice_of(context_of(point_at(), *quiet, bright, other_band, later))
    assert (found["n_looks"], found["n_detections"]) == (5, 1)
    assert (found["last_flux_jy_beam"], found["last_flux_type"]) == (0.1, "forced")
    assert found["last_flux_time"] == "2026-03-01T11:59:50.250Z"
    assert found["mean_flux_jy_beam"] == pytest.approx((4 * 0.1 + 0.3) / 5)
    assert found["mean_flux_err_jy_beam"] == pytest.approx(0.02 / math.sqrt(5), rel=1e-5)
    assert (found["flux_change"], found["flux_change_against"]) == ("brighter", "mean")
    assert found["flux_factor"] == pytest.approx(0.5 / 0.14, rel=1e-5)
    assert found["last_non_detection"] == "2026-03-01T11:59:50.250Z"
    assert found["rise_time_max_s"] == pytest.approx(10.0)
    assert found["seen_for_s"] == pytest.approx(58.0)


def test_a_new_source_is_brighter_than_the_limit_before_at_least() -> None:
    earlier = (looked(5, -3), looked(6, -4))
    context = context_of(point_at(), earlier=earlier)
    found = notice_of(context, time_limit_previous=START - timedelta(days=2))
    assert (found["flux_change"], found["flux_change_against"]) == ("brighter", "limit")
    assert found["flux_factor"] == pytest.approx(5.0)
    assert found["limiting_flux_density"] == pytest.approx(0.1e-23)
    assert found["limit_previous_time"] == "2026-02-27T12:00:00.250Z"
    assert found["limit_previous_freq_mhz"] == 140.0
    assert found["last_non_detection"] == "2026-03-01T11:59:30.250Z"
    assert (found["last_flux_jy_beam"], found["n_looks"]) == (None, 0)
    away = context_of(point_at(), earlier=(looked(5, -3, wcs_header=wcs_header(0, 0, 200, 0.02)),))
    assert notice_of(away)["last_non_detection"] is None


def test_a_fainter_source_says_so() -> None:
    before = [point_at(-step, image_key=10 + step, flux_peak_jy_beam=2.0) for step in (1, 2)]
    found = notice_of(context_of(point_at(), *before), kind="faded")
    assert found["flux_change"] == "fainter"
    assert found["flux_factor"] == pytest.approx(0.25)
    assert found["flux_change_sigma"] < -50


@pytest.mark.parametrize("kind", ["variable", "returned", "update", "retraction"])
@given(
    n_bright=st.integers(0, 20),
    n_dark=st.integers(0, 20),
    expected=st.floats(-0.05, 0.4),
    err=st.floats(1e-4, 0.05),
)
def test_what_was_expected_is_what_a_flux_is_compared_with(
    kind: str, n_bright: int, n_dark: int, expected: float, err: float
) -> None:
    looks = [
        point_at(-n, image_key=10 + n, flux_peak_jy_beam=expected if n <= n_dark else 0.5)
        for n in range(1, n_bright + n_dark + 1)
    ]
    found = notice_of(
        context_of(point_at(), *looks), kind=kind, transient_kind="variable", trigger="single",
        flux_expected_jy_beam=expected, flux_expected_err_jy_beam=err,
    )  # fmt: skip
    assert (found["flux_change"], found["flux_change_against"]) == ("brighter", "expected")
    assert found["expected_flux_jy"] == expected
    flux, flux_err = found["peak_flux_jy"], found["peak_flux_err_jy"]
    if expected > 3 * err:
        assert found["flux_factor"] == pytest.approx(flux / expected, rel=1e-5)
    else:  # of noise no factor is told
        assert found["flux_factor"] is None
    sigma = (flux - expected) / math.hypot(flux_err, err)
    assert found["flux_change_sigma"] == pytest.approx(sigma, rel=1e-5)


def test_without_an_expectation_the_mean_is_compared_with() -> None:
    dark = [point_at(-step, image_key=10 + step, flux_peak_jy_beam=0.1) for step in (1, 2)]
    found = notice_of(context_of(point_at(), *dark), kind="returned")
    assert found["flux_change_against"] == "mean"


def test_noise_below_zero_is_fainter_by_no_factor() -> None:
    before = [point_at(-step, image_key=10 + step, flux_peak_jy_beam=2.0) for step in (1, 2)]
    context = context_of(point_at(), *before)
    found = notice_of(context, kind="vanished", flux_peak_jy_beam=-0.006)
    assert (found["flux_change"], found["flux_factor"]) == ("fainter", None)


def test_looks_and_age_are_those_of_all_time() -> None:
    newest = [point_at(-step, image_key=10 + step) for step in range(1, 201)]
    totals = SourceTotals(EVENT.time_start - timedelta(days=40), n_looks=5000, n_blind=4990)
    timestep = Timestep(1, looked(1), (looked(1),))
    context = build_context(EVENT, ContextRows(timestep, tuple(newest), totals=totals))
    found = notice_of(context)
    assert (found["n_looks"], found["n_detections"]) == (5000, 4990)
    assert found["seen_for_s"] == pytest.approx(40 * 86400 + EVENT.exposure_s, rel=1e-6)
    first = replace(totals, time_first=looked(1).time_start)  # of a new source
    new = build_context(EVENT, ContextRows(timestep, totals=first))
    assert (notice_of(new)["n_looks"], notice_of(new)["seen_for_s"]) == (0, EVENT.exposure_s)


@pytest.mark.parametrize(
    ("fluxes", "rise_s", "fall_s"),
    [
        # It fell in the last three looks, and rises a little again.
        ((2.0, 2.0, 2.0, 2.0, 0.3, 0.2), None, 30.0),
        ((2.0, 2.0, 2.0), None, 10.0),
        ((0.1, 0.1, 0.1, 0.4), 20.0, None),
        ((0.1, 0.1, 0.1), 10.0, None),
    ],
)
def test_a_change_began_after_the_last_look_that_was_not_a_part_of_it(
    fluxes: tuple[float, ...], rise_s: float | None, fall_s: float | None
) -> None:
    looks = [
        point_at(-n, image_key=10 + n, flux_peak_jy_beam=flux, flux_peak_err_jy_beam=0.02,
                 extraction_type="blind")
        for n, flux in enumerate(reversed(fluxes), start=1)
    ]  # fmt: skip
    timestep = Timestep(1, looked(1), (looked(1),))
    found = notice_of(build_context(EVENT, ContextRows(timestep, tuple(looks))))
    assert found["rise_time_max_s"] == rise_s
    assert found["fall_time_max_s"] == fall_s


def test_an_alert_before_the_end_of_a_look_back_has_none_of_its_answers() -> None:
    early = point_at(-1, image_key=7, extraction_type="lookback", flux_peak_jy_beam=0.01)
    timestep = Timestep(1, looked(1), (looked(1),))
    contexts = [
        build_context(replace(EVENT, look_back="not_looked_back"), ContextRows(timestep, points))
        for points in ((), (early,))
    ]
    assert notice_of(contexts[0]) == notice_of(contexts[1])
    done = replace(EVENT, look_back="looked_back", n_look_back=1)
    assert build_context(done, ContextRows(timestep, (early,))).history.last == early
