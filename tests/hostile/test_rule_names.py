"""Rules with a name that does not exist: a veto that is always open, a rule that never holds."""

from pathlib import Path

import pytest

from livetrap.cli import run
from rules.rule_set import parse_rules
from runtime.errors import SettingsError
from services.alert.app.rules import RuleFile
from services.alert.models import KnownNames

NAMES = KnownNames(
    frozenset({"nvss", "first"}), frozenset({"lofar", "askap"}), frozenset({"LOFAR", "ASKAP"})
)
NONE: frozenset[str] = frozenset()
GOOD = "not matches('nvss', 60) and stream == 'lofar'"


def rules(when: str) -> str:
    return f'[[rule]]\nname = "n"\nwhen = """{when}"""\n'


def check(when: str, names: KnownNames = NAMES) -> None:
    rule_set = parse_rules(rules(when), "x")
    rule_set.check_names(
        catalogues=names.catalogues, streams=names.streams, telescopes=names.telescopes
    )


@pytest.mark.parametrize(
    ("when", "words"),
    [
        ("not matches('nvs', 60)", "no reference catalogue 'nvs'; there is first, nvss"),
        ("snr > 3 and (is_edge or not (matches('nvss', 1) and matches('x', 1)))", "catalogue 'x'"),
        ("stream == 'lofer'", "no stream 'lofer'; there is askap, lofar"),
        ("'lofer' != stream", "stream 'lofer'"),
        ("stream in ['lofar', 'mwa']", "stream 'mwa'"),
        ("not (snr > 1 or stream not in ['mwa'])", "stream 'mwa'"),
        ("telescope == 'lofar'", "no telescope 'lofar'; there is ASKAP, LOFAR"),
        ("not (snr > 1 and telescope in ['LOFAR', 'MWA'])", "telescope 'MWA'"),
    ],
)
def test_a_name_that_does_not_exist_is_refused(when: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        check(when)


def test_names_that_exist_pass_and_before_the_first_image_any_stream() -> None:
    check(GOOD)
    check("telescope != 'LOFAR'")
    check("stream == 'soon' or telescope == 'SOON'", KnownNames(NONE, NONE, NONE))


@pytest.mark.parametrize(
    ("when", "words"),
    [
        ("kind == 'new_sourse'", "kind is never 'new_sourse'; it is new_source or variable"),
        ("kind in ['variable', 'update']", "kind is never 'update'"),
        ("'retracted' != change", "change is never 'retracted'"),
        ("certainty == 'sure'", "certain or possible"),
        ("not extraction_type == 'blnd'", "extraction_type is never 'blnd'; it is blind or"),
        ("stokes == 'i'", "stokes is never 'i'; it is I or Q or U or V"),
        ("stokes not in ['V', 'stokes v']", "stokes is never 'stokes v'"),
        ("trigger == 'windows:8'", "never 'windows:8'; it is new or single or window:N"),
        ("trigger == 'window:'", "trigger is never 'window:'"),
        ("trigger == 'window:0'", "trigger is never 'window:0'"),
        ("not (trigger != 'window:08')", "trigger is never 'window:08'"),
        ("trigger in ['new', 'window:٨']", "trigger is never 'window:٨'"),
        ("trigger in ['window:N', 'new']", "trigger is never 'window:N'"),
        ("has_flag('near_bright')", "the only functions are"),
        ("is_edgy", "no known quantity"),
    ],
)
def test_a_value_that_a_quantity_never_has_is_refused(
    when: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(rules(when))
    assert run(["rules", "check", str(path)]) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("when", ["snr > 8 and p_false > 1", "is_edge and not is_edge"])
@pytest.mark.parametrize("command", ["check", "dry-run"])
def test_a_rule_that_no_event_can_make_true_is_refused(
    when: str, command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(rules(when))
    assert run(["rules", command, str(path)]) == 2
    assert "rule 'n': no event can make it true: " in capsys.readouterr().err


def test_a_part_of_a_rule_that_does_nothing_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(rules("snr > 8 and not p_false > 1"))
    assert run(["rules", "check", str(path)]) == 0
    assert "warning: rule 'n': `not p_false > 1.0` is always true" in capsys.readouterr().err


def test_a_rule_that_is_never_true_does_not_keep_the_service_from_its_start(
    tmp_path: Path,
) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(rules("p_false > 1"))
    assert [each.name for each in RuleFile(path).current().rules] == ["n"]


@pytest.mark.parametrize("when", ["stokes in ['V', 'RR']", "trigger == 'window:8'"])
def test_a_value_that_a_quantity_can_have_passes(when: str) -> None:
    check(when)


def rewrite(path: Path, when: str) -> None:
    path.with_suffix(".new").write_text(rules(when))
    path.with_suffix(".new").replace(path)


def test_the_service_keeps_the_rules_before(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(rules(GOOD))
    file = RuleFile(path)
    file.know(NAMES)
    file.check_catalogues()
    before = file.current()
    never = ("p_false > 1", "kind == trigger", "snr > 5 and snr < 3")
    for when in ("not matches('nvs', 60)", "stream == 'mwa'", "kind == 'x'", *never):
        rewrite(path, when)
        assert file.is_changed
        assert file.current() is before
        assert not file.is_changed
    rewrite(path, "matches('first', 5)")
    assert file.current() is not before


def test_the_service_does_not_start_with_a_catalogue_that_does_not_exist(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(rules("stream == 'soon' and not matches('nvs', 60)"))
    file = RuleFile(path)
    file.know(NAMES)
    with pytest.raises(SettingsError, match="'nvs'"):
        file.check_catalogues()
