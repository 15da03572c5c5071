"""VOEvent packets and notices, to the letter."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from runtime.settings import AlertSettings
from schemas.messages import SourceEvent
from services.alert.errors import SuppressedError
from services.alert.models import Decision
from services.alert.steps.alert import build_alert
from services.alert.steps.facts import name_pipeline
from services.alert.steps.storm import STORM, describe_storm
from tests.support.golden import Golden, to_json_text, to_xml_text
from tests.support.vtp_events import DECISION, START, source_event

SETTINGS = AlertSettings(authority="org.test", public_url="https://livetrap.example.org")
TIME_ALERT = START + timedelta(seconds=9)
FIRST = source_event()
SUPPRESSED = SuppressedError(FIRST.image_id, "the image has 51 candidates, more than 50")
ALERTS: dict[str, tuple[SourceEvent, Decision, int]] = {
    "new_source": (FIRST, DECISION, 0),
    "variable": (replace(FIRST, kind="variable", eta=12.5, v=0.4), DECISION, 1),
    "update": (replace(FIRST, kind="update", note="S/N 50, was 25"), DECISION, 2),
    "retraction": (replace(FIRST, kind="retraction", note="side lobe"), DECISION, 3),
    "storm": (describe_storm(FIRST, SUPPRESSED), STORM, 0),
    "without_optional_fields": (
        source_event(1, telescope=None, limit_previous_jy_beam=None, flux_int_jy=float("nan")),
        Decision(None, 0.5, "test"),
        0,
    ),
}


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_is_the_golden_one(name: str, golden: Golden) -> None:
    event, decision, revision = ALERTS[name]
    alert = build_alert(event, SETTINGS, decision, TIME_ALERT, revision=revision)
    packet, notice = (
        data.replace(name_pipeline().encode(), b"LiveTrap VERSION")
        for data in (alert.voevent, alert.notice)
    )
    golden.check(f"alerts/{name}.xml", to_xml_text(packet))
    golden.check(f"alerts/{name}.json", to_json_text(json.loads(notice)))
