"""The schema that is published for notices."""

import json
from importlib.resources import files

import jsonschema_rs

from services.alert.steps.facts import name_alert
from services.alert.steps.notice import build_notice
from tests.support.vtp_events import DECISION, START, source_event

SCHEMA = json.loads((files("schemas") / "json" / "radio_transient.schema.json").read_bytes())


def test_the_schema_is_valid_and_describes_every_field() -> None:
    jsonschema_rs.meta.validate(SCHEMA)
    assert set(SCHEMA["properties"]) - set(SCHEMA["required"]) == {
        "spectral_band", "image_snr", "flux_density", "flux_density_error",
        "flux_density_spectral_point", "data_archive_page",
    }  # fmt: skip
    event = source_event()
    name = name_alert(event, "org.test", 0)
    notice = json.loads(build_notice(event, name, DECISION, START, link="https://a/b"))
    assert list(notice) == list(SCHEMA["properties"])
    assert all(each["description"] for each in SCHEMA["properties"].values())
