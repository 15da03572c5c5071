"""An observer who has one packet of an alert, or its notice, and nothing else."""

import io
import json
import math
import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import fastavro
from lxml import etree

from schemas.registry import find_version
from tests.support.voevent import read_packet

__all__ = ["Answers", "answer_from_avro", "answer_from_notice", "answer_from_packet"]


@dataclass(frozen=True)
class Answers:
    """What an observer needs, from one packet alone."""

    change: str
    factor: float | None
    flux_jy_beam: float | None
    previous: float | None
    ra: float
    dec: float
    field_deg: float
    rate_arcsec_s: float | None
    direction_deg: float | None
    observed: datetime
    age_s: float
    is_target: bool
    snr: float | None
    false_alarms_per_day: float | None
    importance: float
    certainty: str
    contact: str
    light_curve: str | None
    n_bands: int


# What a flux is compared with, by the names of parameters.
_BEFORE = {"expected": "expected_flux", "mean": "mean_flux_jy_beam", "limit": "previous_limit"}


def _to_time(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def answer_from_packet(packet: bytes) -> Answers:
    """Answer from a VOEvent alone, by standard places and the names of the parameters."""
    root = read_packet(packet)
    said = {str(each.get("name")): str(each.get("value")) for each in root.iter("Param")}
    place = root.find("WhereWhen/ObsDataLocation/ObservationLocation/AstroCoords")
    assert place is not None
    observed = _to_time(_text_of(place, "Time/TimeInstant/ISOTime"))
    alerted, why = _to_time(_text_of(root, "Who/Date")), root.find("Why")
    assert why is not None
    is_fresh = said["AlertTense"] == "current" and said["AlertType"] != "retraction"
    return Answers(
        change=said["flux_change"],
        factor=_number(said.get("flux_factor")),
        flux_jy_beam=_number(said.get("peak_flux")),
        previous=_number(said.get(_BEFORE.get(said.get("flux_change_against", ""), ""))),
        ra=float(_text_of(place, "Position2D/Value2/C1")),
        dec=float(_text_of(place, "Position2D/Value2/C2")),
        field_deg=float(_text_of(place, "Position2D/Error2Radius")),
        rate_arcsec_s=_number(said.get("angular_rate")),
        direction_deg=_number(said.get("direction")),
        observed=observed,
        age_s=(alerted - observed).total_seconds(),
        is_target=root.get("role") == "observation" and is_fresh,
        snr=_number(said.get("snr")),
        false_alarms_per_day=_number(said.get("false_alarms_per_day")),
        importance=float(str(why.get("importance"))),
        certainty=said["certainty"],
        contact=_text_of(root, "Who/Author/contactEmail"),
        light_curve=said.get("light_curve_url"),
        n_bands=len(root.findall("What/Table[@name='bands']/Data/TR")),
    )


def _text_of(element: etree._Element, path: str) -> str:
    found = element.findtext(path)
    assert found, path
    return str(found)


def _number(text: str | None) -> float | None:
    return None if text is None else float(text)


def answer_from_notice(notice: bytes) -> Answers:
    """Answer from a notice alone, by GCN's core fields where there is one."""
    said = json.loads(notice)
    observed = _to_time(said["trigger_time"])
    is_fresh = said["alert_tense"] == "current" and said["alert_type"] != "retraction"
    before = {
        "expected": said["expected_flux_jy"],
        "mean": said["mean_flux_jy_beam"],
        "limit": said["limit_previous_jy_beam"],
    }
    return Answers(
        change=said["flux_change"],
        factor=said["flux_factor"],
        flux_jy_beam=said["peak_flux_jy"],
        previous=before.get(said["flux_change_against"]),
        ra=said["ra"],
        dec=said["dec"],
        field_deg=said["ra_dec_error"],
        rate_arcsec_s=said["rate_arcsec_s"],
        direction_deg=said["direction_deg"],
        observed=observed,
        age_s=(_to_time(said["alert_datetime"]) - observed).total_seconds(),
        is_target=said["role"] == "observation" and is_fresh,
        snr=said.get("image_snr"),
        false_alarms_per_day=said["false_alarms_per_day"],
        importance=said["importance"],
        certainty=said["certainty"],
        contact=said["contact_email"],
        light_curve=said.get("light_curve_url"),
        n_bands=len(said["bands"]),
    )


def answer_from_avro(packet: bytes) -> Answers:
    """Answer from an Avro packet alone, read by fastavro and the published schema."""
    (schema_id,) = struct.unpack_from(">I", packet, 1)
    version = find_version(schema_id)
    assert version is not None
    said = fastavro.schemaless_reader(io.BytesIO(packet[5:]), version.load(), None)
    assert isinstance(said, dict)
    trigger = said["trigger"]
    start, half_s = trigger["time_start"], trigger["exposure_s"] / 2
    is_fresh = said["alert_tense"] == "current" and said["alert_type"] != "retraction"
    return Answers(
        change=said["flux_change"],
        factor=said["flux_factor"],
        flux_jy_beam=_measured(trigger["flux_peak_jy_beam"]),
        previous=_previous_of(said),
        ra=said["source"]["ra"],
        dec=said["source"]["dec"],
        field_deg=said["position_a_error"],
        rate_arcsec_s=said["rate_arcsec_s"],
        direction_deg=said["direction_deg"],
        observed=start + timedelta(seconds=half_s),
        age_s=(said["time_alert"] - start).total_seconds() - half_s,
        is_target=said["role"] == "observation" and is_fresh,
        snr=_measured(trigger["snr"]),
        false_alarms_per_day=said["false_alarms_per_day"],
        importance=said["importance"],
        certainty=said["certainty"],
        contact=said["contact_email"],
        light_curve=said["light_curve_url"],
        n_bands=len(said["timestep"]),
    )


def _measured(value: float) -> float | None:
    return None if math.isnan(value) else value


def _previous_of(said: dict[str, Any]) -> float | None:
    """Return what was expected, the mean of what was measured before in the band, or the limit."""
    if said["flux_change_against"] == "expected":
        expected: float = said["flux_expected_jy_beam"]
        return expected
    trigger = said["trigger"]
    same = [
        each["flux_peak_jy_beam"]
        for each in said["previous"]
        if (each["freq_eff_hz"], each["stokes"]) == (trigger["freq_eff_hz"], trigger["stokes"])
    ]
    if said["flux_change_against"] == "mean" and same:
        return float(f"{sum(same) / len(same):.6g}")
    limit: float | None = said["limit_previous_jy_beam"]
    return limit
