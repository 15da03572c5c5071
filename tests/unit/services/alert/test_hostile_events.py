"""Packet and notice are valid, or the event is refused, whatever it holds."""

import json
import math
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from importlib.resources import files
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from runtime.errors import RejectedMessageError
from runtime.settings import AlertSettings
from schemas.messages import SourceEvent, StageTimes
from services.alert.errors import SuppressedError
from services.alert.models import Decision, NewAlert
from services.alert.steps.alert import build_alert
from services.alert.steps.rule import check_event
from services.alert.steps.storm import STORM, describe_storm
from services.alert.steps.validation import MAX_PACKET_BYTES, assert_valid
from tests.support.examples import examples, some_of
from tests.support.voevent import read_packet
from tests.support.vtp_events import DECISION, START, source_event

SETTINGS = AlertSettings(authority="org.test")
TIME_ALERT = START + timedelta(seconds=9)
NOTICE = jsonschema_rs.Draft202012Validator(
    json.loads((files("schemas") / "json" / "radio_transient.schema.json").read_bytes())
)

FLOATS = [
    0.0,
    -0.0,
    1e308,
    -1e308,
    5e-324,
    -5e-324,
    sys.float_info.max,
    math.nan,
    math.inf,
    -math.inf,
]
WHOLE = [-(2**63), -1, 0, 2**63 - 1]
TEXTS = [
    "", " ", "\t\r\n", "</Param><x>", "<!ENTITY a 'b'>", "]]>", "<![CDATA[", "<?xml?>", "'\"",
    "&amp;&lt;", "".join(map(chr, range(32))), "\x7f\x85", "\ufffe\uffff", "\ud7ff\ue000",
    "\ud800", "a\udcffb", "\u202e\U0001f4a5" * 5000, "a" * 10_000, '"' * 10_000, "ivo://a#b",
    "%00", "${x}",
]  # fmt: skip
ZONES = [UTC, *(timezone(timedelta(minutes=m)) for m in (-1439, -720, 330, 840, 1439))]
TIMES = [
    time.replace(tzinfo=zone)
    for time in (datetime.min, datetime.max, datetime(1970, 1, 1), datetime(9999, 10, 1))  # noqa: DTZ001, DTZ901
    for zone in ZONES
]
VALUES: dict[str, list[Any]] = {
    "str": TEXTS,
    "float": FLOATS,
    "int": WHOLE,
    "datetime": TIMES,
    "tuple": [(), tuple(TEXTS), ("a",) * 1000],
}
VARIABILITY = (
    "eta", "v", "eta_peak", "v_peak", "eta_blind", "v_blind", "eta_peak_blind", "v_peak_blind",
)  # fmt: skip
EXPECTED = ("flux_expected_jy_beam", "flux_expected_err_jy_beam", "trigger_sigma")
PREVIOUS = ("flux_previous_jy_beam", "flux_previous_err_jy_beam")
MOTION = ("rate_arcsec_s", "rate_err_arcsec_s", "direction_deg")
NULLABLE = {
    "telescope", "limit_previous_jy_beam", "note", "edge_distance_deg", *VARIABILITY, *EXPECTED,
    *MOTION, *PREVIOUS, "time_previous", "position_systematic_err_deg", "time_limit_previous",
    "p_false",
}  # fmt: skip

floats = st.floats() | st.sampled_from(FLOATS)
texts = st.text(st.characters(), max_size=300) | st.sampled_from(TEXTS)
times = st.datetimes(timezones=st.sampled_from(ZONES)) | st.sampled_from(TIMES)
STRATEGIES: dict[str, st.SearchStrategy[Any]] = {
    "str": texts, "float": floats, "int": st.integers(-(2**63), 2**63 - 1), "datetime": times,
    "tuple": st.lists(texts, max_size=20).map(tuple),
}  # fmt: skip
KINDS = [
    "new_source", "variable", "faded", "vanished", "returned", "moving", "update", "retraction",
]  # fmt: skip
FULL = source_event(
    note="S/N 30, last reported 12", edge_distance_deg=1.0, transient_kind="variable",
    time_previous=START, position_systematic_err_deg=0.001, time_limit_previous=START,
    p_false=0.25, **dict.fromkeys((*VARIABILITY, *EXPECTED, *PREVIOUS, *MOTION), 1.5),
)  # fmt: skip
FIELDS = [name for name in SourceEvent.__dataclass_fields__ if name not in ("kind", "times")]


def kind_of(field: str) -> str:
    return type(getattr(FULL, field)).__name__


def anything() -> st.SearchStrategy[SourceEvent]:
    fields = {
        name: STRATEGIES[kind_of(name)] | (st.none() if name in NULLABLE else st.nothing())
        for name in SourceEvent.__dataclass_fields__
        if name != "times"
    }
    fields["kind"] = st.sampled_from(KINDS) | texts
    # Mostly on the sky: an event without a position is rejected before anything else is checked.
    fields["ra"] = st.floats(-1e6, 1e6) | st.sampled_from(FLOATS)
    fields["dec"] = st.floats(-90, 90)
    maybe = st.none() | times
    fields["times"] = st.builds(StageTimes, maybe, maybe, maybe, maybe)
    return st.builds(SourceEvent, **fields)


decisions = st.builds(
    Decision,
    rule=st.none() | texts.filter(lambda name: 0 < len(name) <= 100 and name.isprintable()),
    importance=st.floats(0, 1),
    role=st.sampled_from(["observation", "test", "injection", "utility"]),
)
authorities = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._~-]{2,99}", fullmatch=True)


def assert_sound(alert: NewAlert) -> None:
    assert_valid(alert.voevent)
    read_packet(alert.voevent)
    assert len(alert.voevent) < MAX_PACKET_BYTES
    assert len(alert.notice) < MAX_PACKET_BYTES
    assert b"\\u0000" not in alert.notice, "PostgreSQL takes none"
    NOTICE.validate(json.loads(alert.notice))


@settings(max_examples=examples(200), suppress_health_check=list(HealthCheck))
@given(
    event=anything(), decision=decisions, authority=authorities,
    revision=st.integers(0, 10_000), time_alert=times,
)  # fmt: skip
def test_valid_or_refused(
    event: SourceEvent, decision: Decision, authority: str, revision: int, time_alert: datetime
) -> None:
    chosen = AlertSettings(authority=authority, public_url="https://livetrap.example.org")
    try:
        check_event(event)
        alert = build_alert(event, chosen, decision, time_alert, revision=revision)
    except RejectedMessageError:
        return
    assert_sound(alert)
    assert build_alert(event, chosen, decision, time_alert, revision=revision) == alert


@pytest.mark.parametrize("error", [-1.0, -1e300, -0.0, 0.0])
@pytest.mark.parametrize("expected", [0.0, -0.0, -1e-3, 1e-3])
def test_a_change_against_any_expected_flux_is_announced(expected: float, error: float) -> None:
    """An error below zero makes nothing significant, and no flux has a factor over nothing."""
    fluxes = {"flux_expected_jy_beam": expected, "flux_expected_err_jy_beam": error}
    event = replace(FULL, **fluxes)
    assert_sound(build_alert(event, SETTINGS, DECISION, TIME_ALERT, revision=0))


@settings(max_examples=examples(100), suppress_health_check=list(HealthCheck))
@given(event=anything(), is_of_minute=st.booleans())
def test_a_storm_of_anything_is_announced_or_rejected(
    event: SourceEvent, *, is_of_minute: bool
) -> None:
    # Names are hashed; Avro brings no half surrogates.
    names = {name: utf8(getattr(event, name)) for name in ("stream", "image_id")}
    event = replace(event, **names)
    reason = f"image {event.image_id} brought more than 50 candidates"
    error = SuppressedError("2026-03-01T12:00Z" if is_of_minute else event.image_id, reason)
    try:
        check_event(event)
        storm = describe_storm(event, error)
        alert = build_alert(storm, SETTINGS, STORM, TIME_ALERT, revision=0)
    except RejectedMessageError:
        return
    assert_sound(alert)
    assert json.loads(alert.notice)["kind"] == "storm"


@pytest.mark.parametrize(("kind", "revision"), [("new_source", 0), ("retraction", 10_000)])
@pytest.mark.parametrize("field", FIELDS)
def test_one_odd_field_is_no_reason_to_refuse(field: str, kind: str, revision: int) -> None:
    values = VALUES[kind_of(field)] + ([None] if field in NULLABLE else [])
    for value in some_of(values, first=FIELDS.index(field) + revision):
        event = replace(FULL, kind=kind, **{field: value})
        if field in ("ra", "dec") and not is_somewhere(event):
            continue
        # An optional time is left out.
        is_needed = field not in NULLABLE
        if is_needed and isinstance(value, datetime) and is_beyond_the_calendar(value):
            with pytest.raises(RejectedMessageError, match="calendar"):
                build_alert(event, SETTINGS, DECISION, TIME_ALERT, revision=revision)
            continue
        assert_sound(build_alert(event, SETTINGS, DECISION, TIME_ALERT, revision=revision))


def utf8(text: str) -> str:
    return text.encode(errors="ignore").decode()


def is_somewhere(event: SourceEvent) -> bool:
    return math.isfinite(event.ra) and abs(event.dec) <= 90


def is_beyond_the_calendar(time: datetime) -> bool:
    try:
        time.astimezone(UTC)
    except OverflowError:
        return True
    return False


def test_texts_say_the_same_in_packet_and_notice() -> None:
    event = source_event(telescope="A\x00B\x1bC\udcff", stokes="I\ufffe", note="w" * 600)
    alert = build_alert(event, SETTINGS, DECISION, TIME_ALERT, revision=0)
    root, notice = etree.fromstring(alert.voevent), json.loads(alert.notice)
    said = {each.get("name"): each.get("value") for each in root.iter("Param")}
    assert said["telescope"] == notice["instrument"] == "ABC"
    assert said["stokes"] == notice["stokes"] == "I"
    assert root.findtext("Why/Description") == notice["update_message"] == "w" * 500


@pytest.mark.parametrize("text", TEXTS)
def test_the_same_oddity_in_all_texts_is_small_enough(text: str) -> None:
    odd = {name: text for name in SourceEvent.__dataclass_fields__ if kind_of(name) == "str"}
    chosen = AlertSettings(authority="a" * 100)
    decision = replace(DECISION, rule=text[:100])
    for kind in ("update", text):
        event = replace(FULL, **odd | {"kind": kind})
        assert_sound(build_alert(event, chosen, decision, TIME_ALERT, revision=10_000))


@pytest.mark.parametrize("ra", [-5e-324, -1e-300, 360.0, -360.0, 720.0, -0.0])
def test_right_ascension_is_below_a_full_circle(ra: float) -> None:
    alert = build_alert(source_event(ra=ra), SETTINGS, DECISION, TIME_ALERT, revision=0)
    assert json.loads(alert.notice)["ra"] == 0.0
    root = etree.fromstring(alert.voevent)
    assert float(root.findtext(".//Position2D/Value2/C1") or "nan") == 0.0


@pytest.mark.parametrize("field", ["snr", "flux_peak_jy_beam"])
def test_alerts_of_one_event_without_a_measurement_are_equal(field: str) -> None:
    """Dataclasses compare field by field since Python 3.13, and NaN is unequal to itself."""
    event = source_event(**{field: math.nan})
    first, second, other = (
        build_alert(each, SETTINGS, DECISION, TIME_ALERT, revision=0)
        for each in (event, event, source_event(**{field: 7.5}))
    )
    assert first == second
    assert first != other
