"""Commands about rules: check, show, quantities, dry-run."""

import json
import re
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from livetrap.commands.options import DataDir, JsonOutput, use_running_stack
from runtime.errors import SettingsError

if TYPE_CHECKING:
    from rules.rule_set import RuleSet

__all__ = ["parse_duration", "rules"]

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}

rules = typer.Typer(
    name="rules",
    no_args_is_help=True,
    help="Check and try rules: a file that decides which events become alerts.",
)
RuleFile = Annotated[
    Path | None,
    typer.Argument(metavar="FILE", help="TOML file (default: the rules that LiveTrap has)"),
]


@rules.command("check")
def check(path: RuleFile = None, *, data_dir: DataDir = None) -> None:
    """Print a file of rules in words, or the first mistake in it.

    A rule that no event can make true is a mistake; parts that are never or always true are told.
    Names of catalogues, streams and telescopes are looked up in the database, if it is available.

    For example:

        livetrap rules check rules.toml
    """
    from livetrap.operator.rule_names import check_names  # noqa: PLC0415
    from rules.explain import to_text  # noqa: PLC0415
    from rules.rule_set import load_rules  # noqa: PLC0415
    from runtime.settings import load_settings  # noqa: PLC0415

    rule_set = load_rules(path)
    _check(rule_set)
    use_running_stack(data_dir)
    if reason := check_names(load_settings(), rule_set):
        print(f"names of catalogues and streams were not checked: {reason}", file=sys.stderr)
    for rule in rule_set.rules:
        role = f", role {rule.role}" if rule.role else ""
        print(f"{rule.name} (importance {rule.importance:g}{role})\n    {to_text(rule.when)}")


@rules.command("show")
def show_rules() -> None:
    """Print the rules that LiveTrap has, as a file to start from.

    For example:

        livetrap rules show > rules.toml
    """
    from rules.rule_set import DEFAULT_RULES  # noqa: PLC0415

    print(DEFAULT_RULES.read_text(encoding="utf-8"), end="")


@rules.command("quantities")
def list_quantities() -> None:
    """List the quantities of an event that a rule can compare.

    For example:

        livetrap rules quantities
    """
    from rules.quantities import QUANTITIES  # noqa: PLC0415

    for name, quantity in QUANTITIES.items():
        print(f"{name:<24}{quantity.kind:<8}{quantity.doc}")
    print(
        "\nwithin(ra, dec, radius)     in a circle [deg]\n"
        "matches('name', radius)     near a source of a reference catalogue [arcsec]\n"
        "\nCompare with == != < <= > >= in, join with and, or, not."
    )


@rules.command("dry-run")
def dry_run(
    path: RuleFile = None,
    *,
    since: Annotated[str, typer.Option(help="Length of the period: 90m, 24h, 7d")] = "24h",
    examples: Annotated[int, typer.Option(min=0, help="Examples of each outcome")] = 3,
    data_dir: DataDir = None,
    as_json: JsonOutput = False,
) -> None:
    """Report which events of the past a file of rules would have sent, and why not the others.

    Storms are suppressed by the settings ALERT__MAX_PER_IMAGE and ALERT__MAX_PER_MINUTE.

    For example:

        livetrap rules dry-run rules.toml
        livetrap rules dry-run rules.toml --since 7d --examples 10
    """
    from dataclasses import asdict  # noqa: PLC0415

    from livetrap.operator.rule_names import check_names  # noqa: PLC0415
    from livetrap.rule_replay.dry_run import dry_run as replay_events  # noqa: PLC0415
    from livetrap.rule_replay.report import render_report  # noqa: PLC0415
    from rules.rule_set import load_rules  # noqa: PLC0415
    from runtime.settings import load_settings  # noqa: PLC0415

    rule_book, period = load_rules(path), parse_duration(since)
    _check(rule_book)
    use_running_stack(data_dir)
    check_names(load_settings(), rule_book)
    replayed = replay_events(load_settings(), rule_book, period)
    if as_json:
        print(json.dumps([asdict(each) for each in replayed], indent=2))
    else:
        print(render_report(replayed, n_examples=examples))


def _check(rule_set: "RuleSet") -> None:
    """Refuse rules of which one can never be true, and print what their author hardly meant."""
    from rules.doubts import check_rules, find_doubts  # noqa: PLC0415

    check_rules(rule_set)
    for doubt in find_doubts(rule_set):
        print(f"warning: {doubt}", file=sys.stderr)


def parse_duration(text: str) -> timedelta:
    """Return a duration such as ``24h``, ``90m`` or ``7d``.

    Raises
    ------
    SettingsError
        If the text is no number with a unit.
    """
    found = re.fullmatch(r"(\d{1,6})([smhdw])", text.strip())
    if found is None:
        raise SettingsError(f"--since {text}: give a number with s, m, h, d or w, such as 24h")
    return timedelta(seconds=int(found[1]) * _UNITS_S[found[2]])
