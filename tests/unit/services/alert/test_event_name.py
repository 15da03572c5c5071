"""Names of events: five letters of an identity, and a template."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.settings import AlertSettings
from services.alert.steps.event_name import format_event_name, to_letters
from tests.support.vtp_events import source_event


@given(trig_id=st.text())
def test_five_letters_follow_from_an_identity(trig_id: str) -> None:
    letters = to_letters(trig_id)
    assert re.fullmatch("[A-Z]{5}", letters)
    assert letters == to_letters(trig_id)


def test_identities_have_letters_of_their_own() -> None:
    assert len({to_letters(f"{number}") for number in range(1000)}) > 990


def test_a_family_has_a_name() -> None:
    template = "LT {year}{letters} {position}"
    first, second = (
        format_event_name(template, source_event(ra=123.06, dec=50.2, trig_id=each))
        for each in ("jrjoyktgwf263uji", "kpzxgbqdlvtnljkq")
    )
    assert re.fullmatch(r"LT 2026[A-Z]{5} J0812\+5012", first)
    assert second != first
    assert format_event_name("{position}", source_event(ra=359.999, dec=-0.5)) == "J2359-0030"


@pytest.mark.parametrize("template", ["{nothing}", "{year", "{0}", "{year.__class__}"])
def test_a_template_that_cannot_be_filled_is_refused(template: str) -> None:
    with pytest.raises(ValueError, match="event_name"):
        AlertSettings(event_name=template)
