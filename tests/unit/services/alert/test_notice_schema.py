"""The schema that is published for notices."""

import json
from dataclasses import replace
from importlib.resources import files

import jsonschema_rs

from runtime.settings import AlertSettings
from services.alert.steps.context_rows import describe_context
from services.alert.steps.facts import name_alert
from services.alert.steps.notice import build_notice
from tests.support.alert_contexts import first_alert, full_context
from tests.support.vtp_events import DECISION, START, source_event

SCHEMA = json.loads((files("schemas") / "json" / "radio_transient.schema.json").read_bytes())


def test_the_schema_is_valid_and_describes_every_field() -> None:
    jsonschema_rs.meta.validate(SCHEMA)
    assert set(SCHEMA["properties"]) - set(SCHEMA["required"]) == {
        "spectral_band", "image_snr", "flux_density", "flux_density_error",
        "flux_density_spectral_point", "data_archive_page", "light_curve_url", "image_url",
        "stamp_now_url", "stamp_before_url", "stamp_difference_url", "stamps_png",
        "event_name", "contact_name", "contact_email", "limiting_flux_density",
        "far", "headline_band", "first_alert_time", "first_alert_freq_mhz",
        "first_alert_flux_jy_beam", "first_alert_flux_err_jy_beam", "first_band_flux_jy_beam",
        "first_band_flux_err_jy_beam", "first_band_factor",
    }  # fmt: skip
    event = source_event()
    name = replace(name_alert(event, "org.test", 0), event_name="LT 2026A J0813+4536")
    settings = AlertSettings(
        public_url="https://livetrap.example.org", contact_name="A", contact_email="a@example.org"
    )
    context = replace(full_context(), first_alert=first_alert())
    tables = describe_context(event, context, settings)
    notice = json.loads(build_notice(event, name, settings, DECISION, START, tables=tables))
    jsonschema_rs.validate(SCHEMA, notice)
    # What a webhook adds to it.
    assert [*notice, "stamps_png"] == list(SCHEMA["properties"])
    assert all(each["description"] for each in SCHEMA["properties"].values())
