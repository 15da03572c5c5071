"""Twenty packets of a night, each read by an observer who has nothing else."""

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from runtime.settings import AlertSettings
from schemas.messages import SourceEvent
from schemas.quality import QualityFlag
from services.alert.errors import SuppressedError
from services.alert.models import (
    ContextRows,
    Decision,
    EventContext,
    FalseAlarmCounts,
    NewAlert,
    Timestep,
)
from services.alert.steps.alert import build_alert
from services.alert.steps.context import build_context
from services.alert.steps.rule import weigh
from services.alert.steps.storm import STORM, describe_storm
from sky.geometry import separation_deg
from tests.support.alert_contexts import first_alert, full_context, looked_image, point_at
from tests.support.follow_up_observer import (
    answer_from_avro,
    answer_from_notice,
    answer_from_packet,
)
from tests.support.voevent import read_packet
from tests.support.vtp_events import START, source_event

DECISION = Decision("any", 0.8, "observation")
SETTINGS = AlertSettings(
    authority="org.test", public_url="https://livetrap.example.org", contact_name="On call",
    contact_email="on.call@example.org", mission="LOTAAS", instrument="LOFAR HBA",
)  # fmt: skip
BEAM_DEG = 0.05
MAX_BYTES = 10_000


@dataclass(frozen=True)
class Case:
    """What happened on the sky, and how the alert of it came about."""

    change: str
    event: SourceEvent
    context: EventContext
    decision: Decision = DECISION
    revision: int = 0
    delay_s: float = 1.0
    is_target: bool = True


def _seen(*fluxes: float, forced: bool, stokes: str) -> tuple[Any, ...]:
    """Return earlier measurements of the band of the event, the newest last."""
    return tuple(
        point_at(
            number - len(fluxes), image_key=20 + number, flux_peak_jy_beam=flux, snr=flux / 0.02,
            extraction_type="forced" if forced else "blind", stokes=stokes,
        )
        for number, flux in enumerate(fluxes)
    )  # fmt: skip


def _context(event: SourceEvent, *fluxes: float, forced: bool = True) -> EventContext:
    """Return what the catalogue has of an event in one band, after some measurements."""
    now = point_at(flux_peak_jy_beam=event.flux_peak_jy_beam, snr=event.snr, stokes=event.stokes)
    image = looked_image(event, 1)
    rows = ContextRows(
        Timestep(1, image, (image,), earlier=(looked_image(event, 5, -9),)),
        (now, *reversed(_seen(*fluxes, forced=forced, stokes=event.stokes))),
        counts=FalseAlarmCounts(
            1e5, 20.0, false_snr=np.array([8.1, 8.5, 9.0, 12.0]), tests_per_day=2e4
        ),
    )
    return build_context(event, rows)


def _case(change: str, *fluxes: float, forced: bool = True, **given: Any) -> Case:
    names = ("decision", "revision", "delay_s", "is_target")
    options = {name: given.pop(name) for name in names if name in given}
    event = source_event(**given)
    return Case(change, event, _context(event, *fluxes, forced=forced), **options)


# With as many digits as a measurement has.
_LONG = point_at(
    flux_peak_jy_beam=0.4971312, flux_peak_err_jy_beam=0.0213457, snr=23.28761,
    flux_int_jy=0.5523418, flux_int_err_jy=0.0312345,
)  # fmt: skip


def _many_bands(n_bands: int, **options: Any) -> Case:
    event = source_event(
        kind="update", note="S/N 30, last reported 12", edge_distance_deg=1.0,
        time_limit_previous=START, position_systematic_err_deg=0.0009,
        time_previous=START - timedelta(days=1), n_look_back=20, flux_previous_jy_beam=0.01,
        flux_previous_err_jy_beam=0.02, eta=12.345678, v=0.612345, n_datapoints=40, p_false=0.01,
        eta_peak=11.345678, v_peak=0.512345, eta_blind=10.345678, v_blind=0.712345,
    )  # fmt: skip
    context = full_context(n_bands)
    bands = [
        replace(band, freq_eff_hz=band.freq_eff_hz + 195312.5, limit_jy_beam=0.15937, point=_LONG)
        for band in context.bands
    ]
    context = replace(context, bands=tuple(bands), first_alert=first_alert())
    return Case("brighter", event, context, revision=3, **options)


def _two_bands() -> Case:
    event = source_event(time_limit_previous=START - timedelta(days=1))
    context = full_context(2)
    dark = replace(context.bands[1], point=None, limit_jy_beam=0.16)
    return Case("brighter", event, replace(context, bands=(context.bands[0], dark)))


def _storm() -> Case:
    error = SuppressedError("image", "the image has 51 candidates, more than 50")
    return Case(
        "unknown", describe_storm(source_event(), error), EventContext(), STORM, is_target=False
    )


_FAINT = {"flux_peak_jy_beam": 0.05, "snr": 2.5, "extraction_type": "forced"}
_LATER = {
    "n_datapoints": 30, "eta": 9.0, "v": 0.5, "trigger": "single", "trigger_sigma": 8.0,
}  # fmt: skip
_NEGATIVE = {
    "stokes": "V", "flux_peak_jy_beam": -0.5, "quality_flags": int(QualityFlag.NEGATIVE),
}  # fmt: skip
_MOTION = {"rate_arcsec_s": 12.5, "rate_err_arcsec_s": 0.3, "direction_deg": 47.0}
_TEST = Decision("any", 0.8, "test")
_INJECTED = Decision("ours", 0.8, "injection")

NIGHT: dict[str, Callable[[], Case]] = {
    "new, with a limit": lambda: _case("brighter", time_limit_previous=START - timedelta(days=2)),
    "new, forced fits before": lambda: _case("brighter", 0.01, -0.02, 0.0),
    "new, faint": lambda: _case("brighter", flux_peak_jy_beam=0.17, snr=8.2, certainty="possible"),
    "new, possibly a side lobe": lambda: _case("brighter", 0.01, p_false=0.6),
    "new, at the edge": lambda: _case("brighter", 0.0, edge_distance_deg=0.01, quality_flags=1),
    "new, at the pole": lambda: _case("brighter", 0.0, ra=12.0, dec=89.9999),
    "new, in Stokes V and negative": lambda: _case("brighter", -0.01, 0.02, **_NEGATIVE),
    "new, without errors of the fit": lambda: _case("brighter", 0.0, ra_err_deg=math.nan),
    "flare": lambda: _case("brighter", 0.1, 0.1, 0.11, forced=False, kind="variable", **_LATER),
    "fading": lambda: _case("fainter", 0.9, 0.9, 0.95, forced=False, kind="faded", **_LATER),
    "vanished": lambda: _case(
        "fainter", 0.5, 0.52, forced=False, kind="vanished", **_FAINT, **_LATER
    ),
    "returned": lambda: _case("brighter", 0.5, 0.0, 0.0, kind="returned", n_episodes=2, **_LATER),
    "returned, from what was expected": lambda: _case(
        "brighter", 0.5, 0.0, 0.0, kind="returned", n_episodes=2, flux_expected_jy_beam=0.07,
        flux_expected_err_jy_beam=0.01, **_LATER,
    ),
    "a second flare, from what was expected": lambda: _case(
        "brighter", 2.0, 0.01, 0.01, kind="variable", n_episodes=2, flux_expected_jy_beam=0.01,
        flux_expected_err_jy_beam=0.02, **_LATER,
    ),
    "moving": lambda: _case("brighter", 0.0, kind="moving", **_MOTION),
    "an update": lambda: _case(
        "brighter", 0.1, 0.2, kind="update", note="S/N 25, last reported 10", revision=1
    ),
    "four bands": lambda: _many_bands(4),
    "twelve bands": lambda: _many_bands(12),
    "retracted": lambda: _case(
        "brighter", 0.0, kind="retraction", note="a satellite", revision=2, is_target=False
    ),
    "a test": lambda: _case("brighter", 0.0, decision=_TEST, is_target=False),
    "injected": lambda: _case("brighter", 0.0, decision=_INJECTED, is_target=False),
    "archival": lambda: _case("brighter", 0.0, delay_s=5 * 86_400.0, is_target=False),
    "a storm": _storm,
    "new, near a known source": lambda: _case(
        "brighter", 0.0, quality_flags=int(QualityFlag.NEAR_KNOWN), certainty="possible"
    ),
    "after a look back": lambda: _case(
        "brighter", 0.01, -0.01, kind="update", note="not seen in 5 earlier images", revision=1,
        look_back="done", n_look_back=5, time_previous=START - timedelta(seconds=10),
        flux_previous_jy_beam=0.001, flux_previous_err_jy_beam=0.009,
    ),
    "new, at 0h": lambda: _case("brighter", 0.0, ra=359.99999, dec=-0.00001),
    "a repeater": lambda: _case(
        "brighter", 0.4, 0.0, 0.0, kind="variable", n_episodes=3, **_LATER
    ),
    "two bands, one a limit": _two_bands,
    "faint numbers": lambda: _case(
        "brighter", 1e-6, flux_peak_jy_beam=4.2e-05, flux_peak_err_jy_beam=1.7e-06,
        flux_int_jy=4.3e-05, flux_int_err_jy=2e-06, rms_local_jy_beam=1.7e-06, snr=24.7,
        limit_previous_jy_beam=1.4e-05, ra_err_deg=4e-04, dec_err_deg=3e-05,
    ),
}  # fmt: skip


def _build(case: Case) -> NewAlert:
    decision = weigh(case.decision, case.event, case.context)
    end = case.event.time_start + timedelta(seconds=case.event.exposure_s)
    return build_alert(
        case.event, SETTINGS, decision, end + timedelta(seconds=case.delay_s),
        revision=case.revision, event_name="LT 2026A J0813+4536", context=case.context,
    )  # fmt: skip


@pytest.mark.parametrize("name", NIGHT)
def test_a_packet_answers_what_an_observer_asks(name: str) -> None:
    case = NIGHT[name]()
    alert, event = _build(case), case.event
    assert len(alert.voevent) < MAX_BYTES
    assert len(alert.notice) < MAX_BYTES
    answers = answer_from_packet(alert.voevent)
    assert answers == answer_from_notice(alert.notice)

    # Brighter or fainter, and than what.
    assert answers.change == case.change
    if event.kind == "storm":
        assert answers.flux_jy_beam is None
    else:
        assert answers.flux_jy_beam == event.flux_peak_jy_beam
    if event.kind != "storm":
        assert answers.previous is not None
        assert answers.flux_jy_beam is not None
        brightness = [abs(each) for each in (answers.flux_jy_beam, answers.previous)]
        assert (brightness[0] > brightness[1]) == (case.change == "brighter")
        assert answers.n_bands == len(case.context.bands)
        assert answers.light_curve is not None
    if answers.factor is not None:
        assert (answers.factor > 1) == (case.change == "brighter")
    # Where to point, and with what field.
    assert separation_deg(answers.ra, answers.dec, event.ra, event.dec) < 1e-6
    if event.kind == "storm":
        assert answers.field_deg == 180.0
    else:
        assert BEAM_DEG / 100 < answers.field_deg <= BEAM_DEG
    assert answers.rate_arcsec_s == event.rate_arcsec_s
    assert answers.direction_deg == event.direction_deg
    # How old.
    half_s = event.exposure_s / 2
    assert answers.observed == event.time_start + timedelta(seconds=half_s)
    assert answers.age_s == half_s + case.delay_s
    assert answers.is_target == case.is_target
    # How sure.
    assert answers.snr == (None if event.kind == "storm" else event.snr)
    assert 0 <= answers.importance <= 1
    assert answers.certainty in ("certain", "possible")
    if event.kind != "storm":
        assert answers.false_alarms_per_day is not None
        assert answers.false_alarms_per_day > 0
    # Whom to ask.
    assert answers.contact == "on.call@example.org"


def test_a_source_that_is_gone_is_as_important_as_one_that_comes() -> None:
    gone, come = (
        answer_from_packet(_build(NIGHT[name]()).voevent).importance
        for name in ("vanished", "flare")
    )
    assert gone == come > 0.5


def test_a_storm_has_the_place_of_its_image_and_nothing_of_a_candidate() -> None:
    event, field = source_event(), (121.0, 44.0)
    error = SuppressedError("image", "the image has 51 candidates, more than 50")
    alert = _build(Case("", describe_storm(event, error, field=field), EventContext(), STORM))
    root, notice = read_packet(alert.voevent), json.loads(alert.notice)
    said = {str(each.get("name")) for each in root.iter("Param")}
    assert (root.findtext(".//C1"), root.findtext(".//C2")) == ("121.0", "44.0")
    assert (notice["ra"], notice["dec"]) == field
    measured = {
        "peak_flux", "peak_flux_error", "int_flux", "int_flux_error", "snr", "local_rms",
        "previous_limit", "eta_nu", "V_nu", "trigger_significance", "seen_for_s",
    }  # fmt: skip
    assert not measured & said
    in_notice = (
        "peak_flux_jy", "flux_int_jy", "rms_local_jy_beam", "limit_previous_jy_beam", "seen_for_s",
    )  # fmt: skip
    assert [notice[each] for each in in_notice] == [None] * len(in_notice)
    assert not {"image_snr", "flux_density", "limiting_flux_density"} & notice.keys()


def test_a_faint_source_and_one_that_may_be_a_side_lobe_are_less_important() -> None:
    importance = {
        name: answer_from_packet(_build(NIGHT[name]()).voevent).importance
        for name in ("new, faint", "new, possibly a side lobe", "new, with a limit")
    }
    assert importance["new, faint"] < importance["new, with a limit"]
    assert importance["new, possibly a side lobe"] < importance["new, with a limit"]


def test_a_longer_family_stays_small() -> None:
    case = replace(NIGHT["twelve bands"](), revision=30)
    alert = _build(case)
    assert len(alert.voevent) < MAX_BYTES + 85 * 30
    assert answer_from_packet(alert.voevent) == answer_from_notice(alert.notice)


# Words of a program for what it does not know.
_NO_ANSWER = re.compile(r"\b(nan|inf|None|null)\b", re.IGNORECASE)
_EXPONENT = re.compile(r"^[-+]?[\d.]+e[-+]?\d+$", re.IGNORECASE)


@pytest.mark.parametrize("kind", ["update", "retraction"])
@pytest.mark.parametrize("trigger", ["", "single"])
def test_news_of_an_earlier_alert_says_so_where_no_test_raised_it(kind: str, trigger: str) -> None:
    alert = _build(_case("brighter", 0.1, kind=kind, trigger=trigger, note="why", revision=1))
    params = read_packet(alert.voevent).iter("Param")
    said = {each.get("name"): each.get("value") for each in params}
    assert said["trigger"] == json.loads(alert.notice)["trigger"] == (trigger or kind)


@pytest.mark.parametrize("name", NIGHT)
def test_every_value_of_a_packet_is_one_that_a_reader_can_use(name: str) -> None:
    root = read_packet(_build(NIGHT[name]()).voevent)
    said = {str(each.get("name")): str(each.get("value")) for each in root.iter("Param")}
    cells = {each.text or "" for each in root.iter("TD", "C1", "C2", "Error", "Error2Radius")}
    for value in {*said.values(), *cells, *root.find("Why").attrib.values()}:
        assert not _NO_ANSWER.search(value)
        assert not _EXPONENT.match(value)
    assert {name for name, value in said.items() if not value} <= {"trigger"}
    times = {key: text for key, text in said.items() if re.match(r"\d{4}-\d\d-\d\dT", text)}
    assert {"time_start"} <= times.keys()
    assert all(datetime.fromisoformat(text).tzinfo == UTC for text in times.values())
    (radius,) = root.iter("Error2Radius")
    assert radius.text == said["position_a_error"]
    assert not {"source_id", "transient_id"} & said.keys()


@pytest.mark.parametrize("name", NIGHT)
def test_a_fainter_source_falls_and_does_not_rise(name: str) -> None:
    notice = json.loads(_build(NIGHT[name]()).notice)
    if notice["flux_change"] == "fainter":
        assert notice["rise_time_max_s"] is None
        assert notice["fall_time_max_s"] > 0
    else:
        assert notice["fall_time_max_s"] is None


@pytest.mark.parametrize("name", NIGHT)
def test_an_avro_packet_answers_as_the_notice_does(name: str) -> None:
    alert = _build(NIGHT[name]())
    found, notice = answer_from_avro(alert.avro_packet), answer_from_notice(alert.notice)
    case = NIGHT[name]()
    # It has measurements where the notice has bands, and history of its own.
    n_measured = sum(band.point is not None for band in case.context.bands)
    assert found.n_bands == n_measured
    assert replace(found, n_bands=notice.n_bands, previous=notice.previous) == notice
    if case.event.flux_expected_jy_beam is not None:
        assert found.previous == notice.previous == case.event.flux_expected_jy_beam
    if case.event.kind != "storm":
        assert found.previous is not None
        assert found.flux_jy_beam is not None
        is_brighter = abs(found.flux_jy_beam) > abs(found.previous)
        assert is_brighter == (case.change == "brighter")
