"""Rules that would end or stop whoever reads them: each is refused, by words."""

from pathlib import Path
from typing import Any

import pytest

from rules import truth
from rules.doubts import check_rules, find_doubts
from rules.expression import RuleError, parse
from rules.predicate import is_true
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


@pytest.mark.parametrize("value", ["{}", "{}.5"])
@pytest.mark.parametrize("form", ["{} and {}", "({} or eta > 3) and {}"])
def test_a_file_of_rules_is_looked_through_for_doubts_with_bounded_work(
    form: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    n_evaluated = 0

    def count(*given: Any) -> bool:
        nonlocal n_evaluated
        n_evaluated += 1
        return is_true(*given)

    monkeypatch.setattr(truth, "is_true", count)
    text = ""
    for rule in range(80):
        when = "eta > 1"
        for n in range(30):
            when = form.format(f"snr != {value.format(30 * rule + n)}", when)
        text += f'[[rule]]\nname = "r{rule}"\nwhen = "{when}"\n'
    rules = parse_rules(text, "x")
    check_rules(rules)
    find_doubts(rules)
    assert n_evaluated < 1_500_000  # a microsecond each; without a bound, 30 s
