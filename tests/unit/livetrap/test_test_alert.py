"""The test alert of an operator."""

from datetime import UTC, datetime

from livetrap.operator.test_alert import make_test_event
from rules.rule_set import parse_rules
from runtime.settings import AlertSettings
from schemas.codec import decode_source_event, encode_source_event
from services.alert.models import AlertHistory
from services.alert.steps.alert import build_alert
from services.alert.steps.rule import check_event, decide

NOW = datetime(2026, 11, 26, 1, 2, 3, 456_000, tzinfo=UTC)


def test_it_is_a_test_whatever_the_rules_say() -> None:
    rules = parse_rules("[[rule]]\nname = 'all'\nwhen = 'snr > 0'\nrole = 'observation'", "here")
    event = decode_source_event(encode_source_event(make_test_event(360.0, -90.0, NOW)))
    check_event(event)
    decision = decide(event, rules, {}, before=AlertHistory(), role="observation")
    alert = build_alert(event, AlertSettings(authority="org.test"), decision, NOW, revision=0)
    assert (alert.role, alert.ra) == ("test", 0.0)
    assert b'"alert_tense":"test"' in alert.notice
    assert b"a test of the alerts" in alert.voevent


def test_each_has_a_name_of_its_own() -> None:
    one = make_test_event(0.0, 0.0, NOW)
    assert one == make_test_event(0.0, 0.0, NOW)
    other = make_test_event(0.0, 0.0, NOW.replace(microsecond=0))
    assert one.trig_id != other.trig_id
    assert one.event_id != other.event_id
