"""The packet: valid or refused, whatever the event holds."""

import json
import math
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from lxml import etree

from runtime.errors import RejectedMessageError
from runtime.settings import AlertSettings
from schemas.messages import SourceEvent
from services.alert.steps.alert import build_alert
from services.alert.steps.facts import name_alert
from services.alert.steps.validation import assert_valid
from services.alert.steps.voevent import build_voevent
from tests.support.vtp_events import DECISION, START, source_event

SETTINGS = AlertSettings(authority="org.test")
TIME_ALERT = START + timedelta(seconds=9)


def build(event: SourceEvent, revision: int = 0, **changes: Any) -> etree._Element:
    decision = replace(DECISION, **changes)
    name = name_alert(event, SETTINGS.authority, revision)
    return etree.fromstring(build_voevent(event, name, SETTINGS, decision, TIME_ALERT))


def params(root: etree._Element, group: str) -> dict[str, str | None]:
    rows = root.findall(f"What/Group[@name='{group}']/Param")
    return {str(row.get("name")): row.get("value") for row in rows}


def test_the_packet_has_the_facts_of_the_event() -> None:
    event = source_event()
    root = build(event)
    assert root.get("ivorn") == f"ivo://org.test/night#{event.trig_id}.0"
    assert root.get("role") == "observation"
    assert root.findtext("Who/AuthorIVORN") == "ivo://org.test/livetrap"
    assert root.find("What/Param[@name='TrigID']").get("value") == event.trig_id
    place = root.find("WhereWhen/ObsDataLocation/ObservationLocation/AstroCoords")
    assert place.get("coord_system_id") == "UTC-ICRS-TOPO"
    assert float(place.findtext("Position2D/Value2/C1")) == event.ra
    assert float(place.findtext("Position2D/Value2/C2")) == event.dec
    assert place.findtext("Time/TimeInstant/ISOTime") == "2026-03-01T12:00:04.250000"
    detection = params(root, "detection")
    assert float(detection["snr"]) == event.snr
    assert float(detection["peak_flux"]) == event.flux_peak_jy_beam
    assert float(params(root, "provenance")["latency_total"]) == pytest.approx(0.9)
    assert root.find("Citations") is None


def test_what_takes_the_place_of_alerts_cites_every_one() -> None:
    event = source_event()
    root = build(replace(event, kind="update"), revision=3)
    cited = {(each.text, each.get("cite")) for each in root.findall("Citations/EventIVORN")}
    base = f"ivo://org.test/night#{event.trig_id}"
    assert cited == {(f"{base}.{number}", "supersedes") for number in range(3)}
    root = build(replace(event, kind="retraction"), revision=25)
    cited = {(each.text, each.get("cite")) for each in root.findall("Citations/EventIVORN")}
    assert cited == {(f"{base}.{number}", "retraction") for number in range(25)}
    root = build(replace(event, kind="update"), revision=5000)
    numbers = [str(each.text).rpartition(".")[2] for each in root.iterfind("Citations/EventIVORN")]
    assert numbers[0] == "0"
    assert [int(each) for each in numbers[1:]] == list(range(5001 - len(numbers), 5000))
    assert len(numbers) > 25
    root = build(event, revision=4)  # a follow-up
    numbers = [str(each.text).rpartition(".")[2] for each in root.iterfind("Citations/EventIVORN")]
    assert numbers == ["0", "3"]
    second = build(event, revision=1)
    assert [each.get("cite") for each in second.findall("Citations/EventIVORN")] == ["followup"]


def tense(root: etree._Element) -> str | None:
    return root.find("What/Param[@name='AlertTense']").get("value")


def test_packet_and_notice_link_to_a_service_that_is_open() -> None:
    open_to_all = AlertSettings(authority="org.test", public_url="https://livetrap.example.org/")
    event = source_event()
    alert = build_alert(event, open_to_all, DECISION, TIME_ALERT, revision=0)
    link = f"https://livetrap.example.org/api/v1/alerts/ivo://org.test/night%23{event.trig_id}.0"
    assert etree.fromstring(alert.voevent).find("Reference").get("uri") == link
    assert json.loads(alert.notice)["data_archive_page"] == link
    assert build(event).find("Reference") is None


def test_flags_can_be_asked_for_by_name() -> None:
    root = build(source_event(quality_flags=33))
    assert root.xpath("//Param[@name='is_near_bright' and @value='true']")
    assert not root.xpath("//Param[@name='is_blended']")


def test_a_test_is_called_a_test() -> None:
    root = build(source_event(), role="test")
    assert (root.get("role"), tense(root)) == ("test", "test")


def test_an_injection_is_a_test_that_says_so() -> None:
    root = build(source_event(), role="injection")
    assert (root.get("role"), tense(root)) == ("test", "injection")
    alert = build_alert(
        source_event(), SETTINGS, replace(DECISION, role="injection"), TIME_ALERT, revision=0
    )
    assert alert.role == "test"


def test_an_old_image_makes_a_real_alert_that_has_expired() -> None:
    last_year = START - timedelta(days=365)
    root = build(source_event(time_start=last_year))
    assert (root.get("role"), tense(root)) == ("observation", "archival")
    assert root.find("Why").get("expires") == "2025-03-02T12:00:08"


def test_a_retraction_is_of_use_when_the_alert_has_expired() -> None:
    old = source_event(time_start=START - timedelta(days=9), kind="retraction")
    assert build(old, revision=1).find("Why").get("expires") == "2026-03-02T12:00:09"


def test_a_source_of_one_timestep_has_no_variability() -> None:
    for n_datapoints, n_bands in ((1, 1), (3, 3), (2, 1)):
        event = source_event(n_datapoints=n_datapoints, n_bands=n_bands, eta=0.5, v=0.25)
        found = {"eta_nu", "V_nu"} & params(build(event), "association").keys()
        assert found == ({"eta_nu", "V_nu"} if n_datapoints > n_bands else set())


def test_who_sends_it_and_whom_to_ask_are_settings() -> None:
    settings = AlertSettings(
        authority="org.test", mission="ASKAP", author_title="The VAST Survey",
        contact_name="On call", contact_email="on.call@example.org",
    )  # fmt: skip
    event = source_event()
    packet = build_voevent(event, name_alert(event, "org.test", 0), settings, DECISION, START)
    author = etree.fromstring(packet).find("Who/Author")
    assert author is not None
    assert [(each.tag, each.text) for each in author] == [
        ("title", "The VAST Survey"), ("shortName", "ASKAP"), ("contactName", "On call"),
        ("contactEmail", "on.call@example.org"),
    ]  # fmt: skip
    assert (
        json.loads(build_alert(event, settings, DECISION, START, revision=0).notice)["mission"]
        == "ASKAP"
    )


def test_the_error_of_the_time_is_the_one_of_the_notice() -> None:
    event = source_event()
    stated = build(event).findtext(".//Time/Error")
    notice = json.loads(build_alert(event, AlertSettings(), DECISION, START, revision=0).notice)
    assert float(str(stated)) == notice["trigger_time_error"]


def test_the_errors_of_the_position_are_those_of_the_notice() -> None:
    event = source_event(position_systematic_err_deg=0.0009)
    found = params(build(event), "detection")
    notice = json.loads(build_alert(event, SETTINGS, DECISION, START, revision=0).notice)
    for axis in ("ra", "dec"):
        stated = float(str(found[f"{axis}_error"]))
        assert stated == pytest.approx(notice[f"{axis}_err_deg"])
        assert stated != getattr(event, f"{axis}_err_deg")


def test_a_value_that_is_none_is_left_out() -> None:
    root = build(
        source_event(eta=math.nan, v=math.inf, n_datapoints=9, limit_previous_jy_beam=None)
    )
    assert not {"eta_nu", "V_nu"} & params(root, "association").keys()
    assert "previous_limit" not in params(root, "detection")


def test_why_says_how_important_until_when_and_what_changed() -> None:
    event = source_event(kind="update", transient_kind="variable", note="S/N 30, last reported 12")
    why = build(event, revision=1, importance=0.3).find("Why")
    assert why is not None
    assert why.get("importance") == "0.3"
    assert why.get("expires") == "2026-03-02T12:00:08"
    assert why.findtext("Description") == "S/N 30, last reported 12"
    assert why.findtext("Name") == "Radio transient: variable, certain"


def test_the_name_of_a_retraction_says_that_it_is_one() -> None:
    event = source_event(kind="retraction", transient_kind="variable", certainty="certain")
    why = build(event, revision=1).find("Why")
    assert why is not None
    assert why.findtext("Name") == "Retracted radio transient: variable"


def test_control_characters_do_not_reach_the_packet() -> None:
    root = build(source_event(telescope="A\x00B\x1bC", stokes="I\ufffe"))
    assert params(root, "image")["telescope"] == "ABC"
    assert params(root, "image")["stokes"] == "I"


@pytest.mark.parametrize("data", [b"", b"<a/>", b"no xml", b"<VOEvent>"])
def test_what_is_no_voevent_is_refused(data: bytes) -> None:
    with pytest.raises(RejectedMessageError) as caught:
        assert_valid(data)
    assert caught.value.reason_code == "invalid_voevent"


@pytest.mark.parametrize("dec", [math.nan, math.inf, -math.inf])
def test_a_position_that_is_no_number_is_refused(dec: float) -> None:
    with pytest.raises(RejectedMessageError, match=r"not VOEvent 2\.0"):
        build(source_event(dec=dec))
