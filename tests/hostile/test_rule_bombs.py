"""Rules that would end or stop whoever reads them: each is refused, by words."""

from pathlib import Path

import pytest

from rules.expression import RuleError, parse
from rules.rule_set import load_rules, parse_rules
from rules.wanted import WantedError, parse_wanted
from runtime.errors import SettingsError

SIGNS = "-" * 2900
BOMBS = {
    "signs of a circle": f"within({SIGNS}1, 0, 1)",
    "signs of a radius": f"matches('nvss', {SIGNS}1)",
    "signs of a comparison": f"snr > {SIGNS}1",
    "negations": "not " * 900 + "is_edge",
    "parentheses": "(" * 1900 + "snr > 1" + ")" * 1900,
    "calls": "within(" * 180,
    "sums": "snr > " + "1+" * 1900 + "1",
    "attributes": "snr" + ".a" * 1900,
    "a long number": "snr > " + "9" * 3900,
    "half a character": r"stream == '\ud800'",
    "a null character": r"stream == '\x00'",
}


@pytest.mark.parametrize("text", ["a = " + "[" * 9000, "a = " + "{ a = " * 3000, "a." * 9000])
def test_a_file_of_rules_is_refused_that_is_nested_without_end(text: str) -> None:
    with pytest.raises(SettingsError):
        parse_rules(text, "x")


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
def test_a_rule_is_refused_that_nobody_can_evaluate(bomb: str, tmp_path: Path) -> None:
    with pytest.raises(RuleError):
        parse(bomb)
    with pytest.raises(WantedError, match="rule: "):
        parse_wanted(bomb)
    path = tmp_path / "rules.toml"
    path.write_text(f"[[rule]]\nname = 'n'\nwhen = '''{bomb} '''\n")
    with pytest.raises(SettingsError):
        load_rules(path)
