"""voevent-parse, where it can be installed, reads what we write and would write the same."""

import math
from datetime import datetime, timedelta
from typing import Any

import pytest
from lxml import etree

from runtime.settings import AlertSettings
from schemas.messages import SourceEvent
from services.alert.steps.facts import name_alert, name_pipeline
from services.alert.steps.voevent import build_voevent
from tests.support.vtp_events import DECISION, START, source_event

vp = pytest.importorskip("voeventparse", reason="voevent-parse has no build for this Python")

SETTINGS = AlertSettings(authority="org.test", public_url="https://livetrap.example.org")
TIME_ALERT = START + timedelta(seconds=9)
EVENTS = {
    "initial": (source_event(), 0),
    "update": (source_event(kind="update", note="S/N 30 < 40 & 'rising'"), 3),
    "variable": (source_event(kind="variable", transient_kind="variable"), 1),
    "retraction": (source_event(kind="retraction", telescope=None, note="side lobe"), 2),
}
events = pytest.mark.parametrize(("event", "revision"), EVENTS.values(), ids=EVENTS)


def build(event: SourceEvent, revision: int) -> bytes:
    name = name_alert(event, SETTINGS.authority, revision)
    return build_voevent(event, name, SETTINGS, DECISION, TIME_ALERT)


@events
def test_each_packet_is_valid(event: SourceEvent, revision: int) -> None:
    assert vp.valid_as_v2_0(vp.loads(build(event, revision)))


@events
def test_a_packet_read_and_written_again_has_the_same_bytes(
    event: SourceEvent, revision: int
) -> None:
    packet = build(event, revision)
    assert vp.dumps(vp.loads(packet)) == packet


def test_it_finds_position_time_and_parameters() -> None:
    event = source_event()
    packet = vp.loads(build(event, 0))
    position = vp.get_event_position(packet)
    assert (position.ra, position.dec, position.units) == (event.ra, event.dec, "deg")
    assert position.system == "UTC-ICRS-TOPO"
    middle = START + timedelta(seconds=event.exposure_s / 2)
    assert vp.get_event_time_as_utc(packet) == middle
    assert vp.get_toplevel_params(packet)["TrigID"]["value"] == event.trig_id
    detection = vp.get_grouped_params(packet)["detection"]
    assert float(detection["snr"]["value"]) == event.snr


@events
def test_its_writer_makes_the_same_packet(event: SourceEvent, revision: int) -> None:
    """All but What, which voevent-parse copies as it is, and its own name in Who."""
    ours = etree.fromstring(build(event, revision))
    theirs = etree.fromstring(write_by_voevent_parse(event, revision))
    theirs.find("Who").remove(theirs.find("Who/Description"))
    assert dict(theirs.attrib) == dict(ours.attrib)
    assert theirs.nsmap == ours.nsmap
    for section in ("Who", "WhereWhen", "How", "Why", "Citations", "Reference"):
        assert as_text(theirs.find(section)) == as_text(ours.find(section)), section


def as_text(element: etree._Element | None) -> bytes | None:
    return None if element is None else etree.tostring(element, method="c14n")


def write_by_voevent_parse(event: SourceEvent, revision: int) -> bytes:
    name = name_alert(event, SETTINGS.authority, revision)
    stream, local_id = name.ivorn.removeprefix("ivo://").split("#")
    packet = vp.Voevent(stream=stream, stream_id=local_id, role="observation")
    vp.set_who(packet, author_ivorn="org.test/livetrap")
    packet.Who.Date = TIME_ALERT.replace(tzinfo=None).isoformat()
    vp.set_author(packet, title="LiveTrap", shortName="LiveTrap")
    add_where_when(packet, event)
    vp.add_how(packet, f"Image-plane search for radio transients: {name_pipeline()}")
    add_why(packet, event)
    if name.cited:
        cite = {"update": "supersedes", "retraction": "retraction"}.get(event.kind, "followup")
        etree.SubElement(packet, "Citations")
        for ivorn in name.cited:
            packet.Citations.append(vp.EventIvorn(ivorn, cite))
    link = "https://livetrap.example.org/api/v1/alerts/" + name.ivorn.replace("#", "%23")
    packet.append(vp.Reference(link))
    data: bytes = vp.dumps(packet)
    return data


def add_where_when(packet: Any, event: SourceEvent) -> None:
    # 90 % of a circular Gaussian lie within 2.146 sigma: sqrt(-2 ln 0.1).
    error_deg = float(f"{2.145966026289347 * max(event.ra_err_deg, event.dec_err_deg):.6g}")
    position = vp.Position2D(
        ra=event.ra, dec=event.dec, err=error_deg, units="deg", system="UTC-ICRS-TOPO"
    )
    middle = event.time_start + timedelta(seconds=event.exposure_s / 2)
    vp.add_where_when(packet, position, middle, event.telescope or event.stream)
    coordinates = packet.WhereWhen.ObsDataLocation.ObservationLocation.AstroCoords
    etree.SubElement(coordinates.Time, "Error")
    coordinates.Time.Error = float(f"{event.exposure_s / math.sqrt(12):.6g}")


def add_why(packet: Any, event: SourceEvent) -> None:
    kind = event.transient_kind or event.kind
    concept = 1759 if kind == "variable" else 2008
    vp.add_why(packet, importance=DECISION.importance, expires=expiry(event))
    is_retraction = event.kind == "retraction"
    packet.Why.Name = (
        f"Retracted radio transient: {kind}"
        if is_retraction
        else f"Radio transient: {kind}, {event.certainty}"
    )
    packet.Why.Concept = f"http://astrothesaurus.org/uat/{concept}"
    if event.note:
        packet.Why.Description = event.note


def expiry(event: SourceEvent) -> datetime:
    end = event.time_start + timedelta(seconds=event.exposure_s)
    start = TIME_ALERT if event.kind == "retraction" else end
    return (start + timedelta(seconds=SETTINGS.expires_s)).replace(tzinfo=None)
