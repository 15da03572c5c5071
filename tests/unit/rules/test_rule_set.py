"""A file of rules."""

from pathlib import Path

import pytest

from rules.quantities import facts_of
from rules.rule_set import load_rules, parse_rules
from runtime.errors import SettingsError
from tests.support.vtp_events import source_event

GOOD = "[[rule]]\nname = 'bright'\nwhen = 'snr > 30'\n"


def test_the_first_rule_that_is_true_applies() -> None:
    rules = parse_rules(GOOD + "[[rule]]\nname = 'any'\nwhen = 'snr > 0'\nimportance = 1\n", "x")
    found = [rules.find(facts_of(source_event(snr=snr))) for snr in (40.0, 20.0, -1.0)]
    assert [rule and rule.name for rule in found] == ["bright", "any", None]


def test_the_catalogues_that_rules_name_are_known() -> None:
    rules = parse_rules("[[rule]]\nname = 'n'\nwhen = \"not matches('nvss', 15)\"\n", "x")
    assert [match.key for match in rules.matches] == ["matches nvss 15.0"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "tables [[rule]]"),
        ("rule = 1", "tables [[rule]]"),
        ("[[rules]]\nname = 'a'", "tables [[rule]]"),
        ("[[rule]", "not TOML"),
        (GOOD + GOOD, "two rules are called 'bright'"),
        (GOOD + "imprtance = 1", "the keys of a rule are"),
        (GOOD + "importance = 2", "0 to 1"),
        (GOOD + "importance = true", "must be a number"),
        (GOOD + "importance = nan", "0 to 1"),
        (GOOD + "role = 'prediction'", "observation or test or injection"),
        ("[[rule]]\nname = 'a'\nwhen = 'snr >'", "rule 1 (a): not an expression"),
        ("[[rule]]\nname = 'a'", "`when`"),
        ("[[rule]]\nwhen = 'snr > 1'", "`name`"),
    ],
)
def test_an_invalid_file_is_refused_with_a_message(text: str, message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_rules(text, "rules.toml")
    assert message in str(caught.value)
    assert "rules.toml" in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot read the rules"):
        load_rules(tmp_path / "none.toml")
