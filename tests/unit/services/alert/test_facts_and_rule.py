"""Names, errors and latencies; and which events are alerted."""

import math
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.rule_set import load_rules, parse_rules
from runtime.errors import RejectedMessageError
from schemas.messages import StageTimes
from services.alert.errors import NotDueError
from services.alert.models import AlertHistory, Decision
from services.alert.steps.facts import (
    end_of_exposure,
    latencies_s,
    middle_of_exposure,
    name_alert,
    usable_exposure_s,
)
from services.alert.steps.rule import check_event, decide
from tests.support.vtp_events import START, source_event

RULES = load_rules(None)
IVORN = re.compile(r"^ivo://org\.test/[A-Za-z0-9._~-]+#[A-Za-z0-9._~-]+\.\d+$")


@given(stream=st.text(max_size=300), trig=st.text(max_size=300), revision=st.integers(0, 999))
def test_an_ivorn_has_its_form_whatever_the_stream_is_called(
    stream: str, trig: str, revision: int
) -> None:
    name = name_alert(source_event(stream=stream, trig_id=trig), "org.test", revision)
    assert IVORN.match(name.ivorn)
    assert all(IVORN.match(each) for each in name.cited)
    assert name.ivorn not in name.cited


@pytest.mark.parametrize(
    ("kind", "revision", "alert_type"),
    [
        ("new_source", 0, "initial"),
        ("variable", 0, "initial"),
        ("variable", 2, "subsequent"),
        ("update", 0, "initial"),
        ("update", 1, "update"),
        ("retraction", 1, "retraction"),
    ],
)
def test_the_type_of_an_alert_depends_on_the_earlier_ones(
    kind: str, revision: int, alert_type: str
) -> None:
    assert name_alert(source_event(kind=kind), "org.test", revision).alert_type == alert_type


@pytest.mark.parametrize("exposure_s", [math.nan, math.inf, -1.0, 1e300])
def test_an_absurd_exposure_is_none(exposure_s: float) -> None:
    event = source_event(exposure_s=exposure_s)
    assert usable_exposure_s(event) == 0.0
    assert middle_of_exposure(event) == end_of_exposure(event) == START


def test_an_exposure_beyond_the_last_day_ends_with_its_middle() -> None:
    event = source_event(time_start=datetime.max.replace(tzinfo=UTC), exposure_s=1e7)
    assert middle_of_exposure(event) == end_of_exposure(event) == event.time_start
    event = source_event(time_start=datetime(9999, 10, 1, tzinfo=UTC), exposure_s=1e7)
    assert event.time_start < middle_of_exposure(event) == end_of_exposure(event)


def test_latencies_of_known_stages_only() -> None:
    event = source_event()
    found = latencies_s(event, START + timedelta(seconds=8.5))
    assert found["total"] == pytest.approx(0.4)
    assert sum(found[each] or 0.0 for each in ("extract", "associate", "alert")) == pytest.approx(
        0.4
    )
    nothing = latencies_s(replace(event, times=StageTimes()), START)
    assert set(nothing.values()) == {None}


NOBODY = AlertHistory()


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"snr": 8.0}, "certain new source"),
        ({"snr": 8.0, "certainty": "possible"}, "possible new source"),
        ({"snr": 8.0, "quality_flags": 32}, "suspect new source"),
        ({"snr": 7.999}, None),
        ({"snr": math.nan}, None),
        ({"kind": "variable", "eta": 5.0, "v": 0.1}, "variable source"),
        ({"kind": "variable", "eta": 4.9, "v": 9.0}, None),
        ({"kind": "variable", "eta": math.nan, "v": 9.0}, None),
        ({"kind": "variable", "eta": 9.0, "v": math.nan}, None),
        ({"kind": "party"}, None),
        ({"kind": "update", "transient_kind": "new_source"}, "certain new source"),
    ],
)
def test_which_events_are_alerted_by_default(changes: dict[str, Any], rule: str | None) -> None:
    event = source_event(**changes)
    if rule is None:
        with pytest.raises(NotDueError) as refusal:
            decide(event, RULES, {}, before=NOBODY, role="test")
        assert refusal.value.reason_code == "no_rule"
    else:
        assert decide(event, RULES, {}, before=NOBODY, role="test").rule == rule


@pytest.mark.parametrize("kind", ["update", "retraction"])
def test_what_was_alerted_is_followed_up_whatever_the_rules_say(kind: str) -> None:
    event = source_event(kind=kind, transient_kind="new_source", snr=1.0)
    before = AlertHistory(2, "test", importance=0.7)
    found = decide(event, RULES, {}, before=before, role="observation")
    assert found == Decision(None, 0.7 if kind == "retraction" else 0.5, "test")


@pytest.mark.parametrize("kind", ["update", "retraction", "new_source"])
def test_what_was_injected_stays_so(kind: str) -> None:
    event = source_event(kind=kind, transient_kind="new_source")
    found = decide(event, RULES, {}, before=AlertHistory(2, "injection"), role="observation")
    assert (found.role, found.voevent_role) == ("injection", "test")


def test_a_rule_says_what_was_injected() -> None:
    rules = parse_rules(
        "[[rule]]\nname = 'injected'\nwhen = \"stream == 'night'\"\nrole = 'injection'\n", "x"
    )
    assert decide(source_event(), rules, {}, before=NOBODY, role="observation").role == "injection"


def test_a_transient_that_was_never_alerted_is_not_retracted() -> None:
    event = source_event(kind="retraction", transient_kind="new_source")
    with pytest.raises(NotDueError) as refusal:
        decide(event, RULES, {}, before=NOBODY, role="test")
    assert refusal.value.reason_code == "never_alerted"


@pytest.mark.parametrize(("ra", "dec"), [(math.nan, 0), (0, math.inf), (0, 90.1), (math.inf, 0)])
def test_a_position_off_the_sky_is_refused(ra: float, dec: float) -> None:
    with pytest.raises(RejectedMessageError) as caught:
        check_event(source_event(ra=ra, dec=dec))
    assert caught.value.reason_code == "bad_position"
