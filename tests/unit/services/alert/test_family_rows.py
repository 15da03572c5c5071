"""What a follow-up says of the band of its family's first alert."""

from typing import Any

import pytest

from schemas.messages import SourceEvent
from services.alert.models import AlertHistory, BandFlux, EventContext, FirstAlert, Point
from services.alert.steps.family_rows import add_facts_of_first, family_rows
from tests.support.alert_contexts import first_alert, point_at
from tests.support.vtp_events import source_event


def band(freq_mhz: float, point: Point | None, *, stokes: str = "I") -> BandFlux:
    return BandFlux(freq_mhz * 1e6, 2e6, stokes, point, 0.16, is_headline=False)


def said(
    first: FirstAlert | None, *bands: BandFlux, event: SourceEvent | None = None
) -> dict[str, Any]:
    context = EventContext(bands=bands, first_alert=first)
    return {row[0]: row[1] for row in family_rows(event or source_event(), context)}


def test_a_first_alert_and_a_storm_say_nothing_of_a_family() -> None:
    assert said(None, band(140, point_at())) == {}
    assert said(first_alert(), event=source_event(kind="storm")) == {}


def test_a_headline_of_the_first_band_is_compared_with_the_first_alert() -> None:
    found = said(first_alert(flux_jy_beam=0.25))
    assert (found["headline_band"], found["first_band_flux_jy_beam"]) == ("first", 0.5)
    assert (found["first_alert_flux_jy_beam"], found["first_band_factor"]) == (0.25, 2.0)


def test_a_headline_of_another_band_has_the_first_one_beside_it() -> None:
    point = point_at(freq_hz=160e6, flux_peak_jy_beam=0.3, flux_peak_err_jy_beam=0.04)
    bands = band(140, point_at()), band(160.4, point)
    found = said(first_alert(freq_eff_hz=160e6, flux_jy_beam=0.6), *bands)
    assert found["headline_band"] == "other"
    assert found["first_band_flux_jy_beam"] == 0.3
    assert found["first_band_flux_err_jy_beam"] == 0.04
    assert found["first_band_factor"] == 0.5


@pytest.mark.parametrize(
    "bands",
    [(), (band(160, None),), (band(163, point_at()),), (band(160, point_at(), stokes="V"),)],
)
def test_a_band_that_was_not_measured_has_no_flux_now(bands: tuple[BandFlux, ...]) -> None:
    found = said(first_alert(freq_eff_hz=160e6), *bands)
    assert found["first_alert_freq_mhz"] == 160.0
    assert found["first_band_flux_jy_beam"] is None
    assert found["first_band_factor"] is None


@pytest.mark.parametrize(
    ("then", "now", "factor"),
    [(-0.25, -0.5, 2.0), (-0.25, 0.5, None), (0.0, 0.5, None), (None, 0.5, None)],
)
def test_fluxes_of_other_signs_have_no_factor(
    then: float | None, now: float, factor: float | None
) -> None:
    event = source_event(flux_peak_jy_beam=now)
    assert said(first_alert(flux_jy_beam=then), event=event)["first_band_factor"] == factor


EXPECTED = {"expected_jy_beam": 0.01, "expected_err_jy_beam": 0.02}


@pytest.mark.parametrize("kind", ["update", "retraction"])
@pytest.mark.parametrize("transient_kind", ["returned", "variable", "faded"])
def test_a_follow_up_says_what_flux_was_expected_at_first(kind: str, transient_kind: str) -> None:
    event = source_event(kind=kind, transient_kind=transient_kind)
    before = AlertHistory(revision=1, first_alert=first_alert(**EXPECTED))
    found = add_facts_of_first(event, before)
    assert (found.flux_expected_jy_beam, found.flux_expected_err_jy_beam) == (0.01, 0.02)


@pytest.mark.parametrize(
    ("changes", "of_first"),
    [
        ({"freq_eff_hz": 160e6}, {}),
        ({"stokes": "V"}, {}),
        ({}, {"expected_jy_beam": None}),
    ],
)
def test_one_in_another_band_or_without_says_nothing_of_that(
    changes: dict[str, Any], of_first: dict[str, Any]
) -> None:
    event = source_event(kind="update", **changes)
    before = AlertHistory(revision=1, first_alert=first_alert(**EXPECTED | of_first))
    assert add_facts_of_first(event, before).flux_expected_jy_beam is None
    assert add_facts_of_first(event, AlertHistory()) == event
