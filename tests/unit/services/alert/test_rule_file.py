"""Rules change without a restart, and a wrong file changes nothing."""

import os
from pathlib import Path

import pytest

from runtime.errors import SettingsError
from services.alert.app.rules import RuleFile


def write(path: Path, name: str, when: str = "snr > 1") -> None:
    """Replace the file as an editor does."""
    fresh = path.with_suffix(".new")
    fresh.write_text(f'[[rule]]\nname = "{name}"\nwhen = "{when}"\n')
    os.replace(fresh, path)  # noqa: PTH105


def names(rules: RuleFile) -> list[str]:
    return [rule.name for rule in rules.current().rules]


def test_a_change_counts_from_the_next_event_on(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    write(path, "one")
    rules = RuleFile(path)
    assert names(rules) == ["one"]
    write(path, "two")
    assert names(rules) == ["two"]
    write(path, "broken", "snr >")
    assert names(rules) == ["two"]
    path.unlink()
    assert names(rules) == ["two"]
    write(path, "three")
    assert names(rules) == ["three"]


def test_a_file_that_is_wrong_from_the_start_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError):
        RuleFile(tmp_path / "none.toml")


def test_without_a_file_the_default_rules_hold() -> None:
    assert "certain new source" in names(RuleFile(None))
