"""The announcement of a storm says nothing of the candidate that happened to be first."""

from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from runtime.settings import AlertSettings
from schemas.messages import SourceEvent
from services.alert.errors import SuppressedError
from services.alert.steps.alert import build_alert
from services.alert.steps.storm import STORM, describe_storm
from tests.support.voevent import read_packet
from tests.support.vtp_events import START, source_event

ERROR = SuppressedError("image", "the image has 51 candidates, more than 50")
FIELD = (121.0, 44.0)
# What all candidates of an image have in common.
OF_THE_IMAGE = {
    "stream", "image_id", "time_start", "exposure_s", "freq_eff_hz", "freq_bw_hz", "stokes",
    "telescope", "times",
}  # fmt: skip
OF_A_CANDIDATE = [each.name for each in fields(SourceEvent) if each.name not in OF_THE_IMAGE]


def other(value: Any) -> Any:
    """Return another value of the same type."""
    if isinstance(value, bool | int | float):
        return type(value)(value + 1)
    if isinstance(value, str):
        return f"{value}x"
    if isinstance(value, tuple):
        return (*value, "x")
    return {None: 1.5}.get(value, datetime(2026, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize("name", OF_A_CANDIDATE)
def test_it_is_the_same_whatever_the_first_candidate_was(name: str) -> None:
    one = source_event()
    storms = [
        describe_storm(each, ERROR, field=FIELD)
        for each in (one, replace(one, **{name: other(getattr(one, name))}))
    ]
    packets = [build_alert(each, AlertSettings(), STORM, START, revision=0) for each in storms]
    assert packets[0].voevent == packets[1].voevent
    assert packets[0].notice == packets[1].notice
    assert packets[0].avro_packet == packets[1].avro_packet


def test_it_has_no_beam_and_no_number_of_bands_that_detect_it() -> None:
    storm = describe_storm(source_event(n_bands=3), ERROR, field=FIELD)
    packet = build_alert(storm, AlertSettings(), STORM, START, revision=0).voevent
    said = {str(each.get("name")): each.get("value") for each in read_packet(packet).iter("Param")}
    assert not {"bmaj", "bmin", "bpa"} & said.keys()
    assert said["n_bands"] == "0"
