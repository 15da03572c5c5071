"""Every notice fulfils the schema that is published for it, whatever the event holds."""

import json
from datetime import datetime
from importlib.resources import files

import jsonschema
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from runtime.errors import RejectedMessageError
from schemas.messages import SourceEvent
from services.alert.steps.facts import name_alert
from services.alert.steps.notice import build_notice
from services.alert.steps.rule import check_event
from tests.support.vtp_events import DECISION, START, source_event
from tests.unit.services.alert.test_voevent import anything, times

SCHEMA = json.loads((files("schemas") / "json" / "radio_transient.schema.json").read_bytes())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def test_the_schema_is_one_and_tells_every_field() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["required"] == list(SCHEMA["properties"])
    event = source_event()
    notice = json.loads(build_notice(event, name_alert(event, "org.test", 0), DECISION, START))
    assert list(notice) == SCHEMA["required"]
    assert all(each["description"] for each in SCHEMA["properties"].values())


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(event=anything(), revision=st.integers(0, 10**6), time_alert=times)
def test_every_notice_is_valid(event: SourceEvent, revision: int, time_alert: datetime) -> None:
    try:
        check_event(event)
    except RejectedMessageError:
        reject()
    name = name_alert(event, "org.test", revision)
    VALIDATOR.validate(json.loads(build_notice(event, name, DECISION, time_alert)))
