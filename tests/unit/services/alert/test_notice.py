"""The GCN-style notice."""

import json
import math
from datetime import timedelta
from typing import Any

import pytest

from runtime.settings import AlertSettings
from services.alert.models import Decision
from services.alert.steps.facts import name_alert
from services.alert.steps.notice import build_notice
from tests.support.vtp_events import START, source_event

SETTINGS = AlertSettings(authority="org.test")


def notice(
    revision: int = 0, late_s: float = 9.0, role: str = "observation", **changes: Any
) -> Any:
    event = source_event(**changes)
    decision = Decision("rule", 0.9, role)
    name = name_alert(event, "org.test", revision)
    return json.loads(
        build_notice(event, name, SETTINGS, decision, START + timedelta(seconds=late_s))
    )


def test_the_fields_of_the_contract() -> None:
    found = notice()
    assert found["$schema"].startswith("https://gcn.nasa.gov/schema/")
    assert found["alert_datetime"] == "2026-03-01T12:00:09.250000Z"
    assert found["trigger_time"] == "2026-03-01T12:00:04.250000Z"
    assert found["alert_tense"] == "current"
    assert found["alert_type"] == "initial"
    assert found["id"] == source_event().trig_id
    assert found["mission"] == "LiveTrap"
    assert (found["ra"], found["dec"]) == (123.4, 45.6)
    assert found["ra_dec_error"] == pytest.approx(0.00429, rel=1e-2)
    assert found["spectral_band"] == [139.0, 141.0]
    assert found["image_snr"] == 25.0
    assert found["flux_density"] == pytest.approx(0.5e-23)
    assert found["ivorn"] == f"ivo://org.test/night#{source_event().trig_id}.0"
    assert found["record_number"] == 1
    assert found["cited_ivorn"] is None


def test_what_is_no_number_is_null() -> None:
    found = notice(eta=math.nan, n_datapoints=9, flux_int_jy=math.inf)
    assert found["eta"] is None
    assert found["flux_int_jy"] is None


def test_a_source_of_one_timestep_has_no_variability() -> None:
    assert (notice(eta=0.0, v=0.0)["eta"], notice()["v"]) == (None, None)
    assert notice(eta=0.0, n_datapoints=2)["eta"] == 0.0


def test_gcn_has_no_null_for_what_is_not_known() -> None:
    unknown = {"snr", "flux_peak_jy_beam", "flux_peak_err_jy_beam", "freq_eff_hz"}
    found = notice(**dict.fromkeys(unknown, math.nan))
    assert found.keys() == notice().keys() - {
        "spectral_band", "image_snr", "flux_density", "flux_density_error",
        "flux_density_spectral_point",
    }  # fmt: skip


def test_flags_have_names() -> None:
    assert notice(quality_flags=0)["quality"] == []
    assert notice(quality_flags=33)["quality"] == ["edge", "near_bright"]


def test_right_ascension_is_within_the_circle() -> None:
    assert notice(ra=-10.0)["ra"] == 350.0


@pytest.mark.parametrize(
    ("role", "late_s", "tense"),
    [
        ("test", 9.0, "test"),
        ("injection", 90_000.0, "injection"),
        ("observation", 90_000.0, "archival"),
        ("observation", 9, "current"),
    ],
)
def test_the_tense_depends_on_role_and_age(role: str, late_s: float, tense: str) -> None:
    assert notice(role=role, late_s=late_s)["alert_tense"] == tense


def test_a_later_notice_points_to_the_one_before() -> None:
    assert notice(revision=2)["cited_ivorn"].endswith(".1")
