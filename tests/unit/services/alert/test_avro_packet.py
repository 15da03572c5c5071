"""The Avro packet, read by fastavro and the published schema alone."""

import io
import json
import math
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import fastavro
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.settings import AlertSettings
from services.alert.models import EventContext
from services.alert.steps.alert import build_alert
from tests.support.alert_contexts import full_context, point_at
from tests.support.examples import examples
from tests.support.vtp_events import DECISION, START, source_event

AVRO = Path(__file__).parents[4] / "schemas" / "avro"
SETTINGS = AlertSettings(authority="org.test")
floats = st.floats()


def read(packet: bytes) -> dict[str, Any]:
    """Return a packet as a consumer reads it that knows the registry and nothing else."""
    magic, schema_id = struct.unpack_from(">bI", packet)
    assert magic == 0
    (entry,) = [
        each
        for each in json.loads((AVRO / "registry.json").read_bytes())
        if each["schema_id"] == schema_id
    ]
    schema = fastavro.parse_schema(json.loads((AVRO / entry["file"]).read_bytes()))
    body = io.BytesIO(packet[5:])
    record = fastavro.schemaless_reader(body, schema, None)
    assert not body.read()
    assert isinstance(record, dict)
    return record


def packet_of(context: EventContext, **changes: Any) -> dict[str, Any]:
    event = source_event(**changes)
    alert = build_alert(
        event, SETTINGS, DECISION, START, revision=2, context=context, event_name="LT 2026A",
    )  # fmt: skip
    return read(alert.avro_packet)


def test_it_has_the_source_its_history_its_limits_and_its_neighbours() -> None:
    context = full_context()
    dark = replace(context.bands[1], point=None, limit_jy_beam=0.16)
    context = replace(context, bands=(context.bands[0], dark))
    found = packet_of(context, time_limit_previous=START, position_systematic_err_deg=0.0005)
    assert found["ivorn"].endswith(".2")
    assert (found["event_name"], found["role"]) == ("LT 2026A", "observation")
    assert found["source"]["ra"] == 123.4
    assert found["source"]["systematic_err_deg"] == pytest.approx(0.005)
    assert (found["trigger"]["flux_peak_jy_beam"], found["trigger"]["time_start"]) == (0.5, START)
    assert [each["freq_eff_hz"] for each in found["timestep"]] == [140e6]
    assert [each["flux_peak_jy_beam"] for each in found["previous"]] == [0.02]
    assert [each["limit_jy_beam"] for each in found["limits"]] == [0.16, 0.1]
    assert [each["catalogue"] for each in found["matches"]] == ["nvss"]
    assert found["false_alarms_per_day"] == 0.02
    assert found["stamps"] == []


def test_it_says_how_likely_an_artefact_is_and_how_an_object_moves() -> None:
    motion = {"rate_arcsec_s": 12.5, "rate_err_arcsec_s": 0.3, "direction_deg": 47.0}
    found = packet_of(EventContext(), p_false=0.25, **motion)
    assert {name: found[name] for name in motion} == motion
    assert found["p_false"] == 0.25
    still = packet_of(EventContext())
    assert [still[name] for name in ("p_false", *motion)] == [None] * 4


def test_it_has_the_stamps_that_exist() -> None:
    assert packet_of(full_context())["stamps"] == []
    stamps = (("before", b"SIMPLE  = 1"), ("now", b"SIMPLE  = 2"))
    found = packet_of(replace(full_context(), stamps=stamps))["stamps"]
    assert [(each["name"], each["fits"]) for each in found] == list(stamps)


def test_a_history_of_200_looks_stays_below_half_of_a_megabyte() -> None:
    previous = tuple(point_at(-step, image_key=step) for step in range(1, 201))
    alert = build_alert(
        source_event(), SETTINGS, DECISION, START, revision=0,
        context=replace(full_context(), previous=previous),
    )  # fmt: skip
    assert len(read(alert.avro_packet)["previous"]) == 200
    assert len(alert.avro_packet) < 100_000


@settings(max_examples=examples(100))
@given(flux=floats, error=floats, snr=floats, rms=floats)
def test_any_measurement_is_read_as_it_was_written(
    flux: float, error: float, snr: float, rms: float
) -> None:
    values = {
        "flux_peak_jy_beam": flux, "flux_peak_err_jy_beam": error, "snr": snr,
        "rms_local_jy_beam": rms,
    }  # fmt: skip
    context = replace(full_context(), previous=(point_at(-1, **values),))
    (found,) = packet_of(context, **values)["previous"]
    for name, value in values.items():
        assert found[name] == value or (math.isnan(found[name]) and math.isnan(value))
