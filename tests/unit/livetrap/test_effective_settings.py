"""`livetrap settings` writes a setting as it is given: what it shows can be set."""

import os

import pytest

from livetrap.operator.effective_settings import describe_settings
from runtime.settings import Settings, load_settings


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [each for each in os.environ if each.startswith("LIVETRAP_")]:
        monkeypatch.delenv(name)


def test_what_has_no_value_is_shown_as_off_and_can_be_set_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LIVETRAP_ALERT__STORM_RELEASE_S", "off")
    lines = {each["name"]: each for each in describe_settings(of_stack=frozenset())}
    assert lines["LIVETRAP_ALERT__STORM_RELEASE_S"]["value"] == "off"
    assert lines["LIVETRAP_ALERT__STORM_RELEASE_S"]["origin"] == "environment"
    settings = load_settings()
    without = {
        f"LIVETRAP_{section}__{name}".upper()
        for section in Settings.model_fields
        for name, value in getattr(settings, section)
        if value is None
    }
    assert {name for name, each in lines.items() if each["value"] == "off"} == without
    assert len(without) > 20
    for name in without:
        monkeypatch.setenv(name, "off")
    assert load_settings() == settings
