"""Commands about rules: check, show, try on the past."""

import json
from pathlib import Path
from typing import Annotated

import typer

from livetrap.commands.options import DataDir, JsonOutput, use_running_stack

__all__ = ["rules"]

rules = typer.Typer(
    name="rules",
    no_args_is_help=True,
    help="Which events become alerts: check a file of rules, try it on the past.",
)
RuleFile = Annotated[
    Path | None,
    typer.Argument(metavar="FILE", help="TOML; none: the rules that come with LiveTrap"),
]


@rules.command("check")
def check(path: RuleFile = None) -> None:
    """Read a file of rules and say what it means, or what is wrong with it.

    Example: `livetrap rules check rules.toml`
    """
    from rules.explain import to_text  # noqa: PLC0415
    from rules.rulebook import load_rules  # noqa: PLC0415

    for rule in load_rules(path).rules:
        role = f", role {rule.role}" if rule.role else ""
        print(f"{rule.name} (importance {rule.importance:g}{role})\n    {to_text(rule.when)}")


@rules.command("show")
def show_rules() -> None:
    """Print the rules that come with LiveTrap, as a file to begin with.

    Example: `livetrap rules show > rules.toml`
    """
    from rules.rulebook import DEFAULT_RULES  # noqa: PLC0415

    print(DEFAULT_RULES.read_text(encoding="utf-8"), end="")


@rules.command("quantities")
def quantities() -> None:
    """List what a rule can ask about an event.

    Example: `livetrap rules quantities`
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
    since: Annotated[str, typer.Option(help="How far back: 90m, 24h, 7d")] = "24h",
    examples: Annotated[int, typer.Option(min=0, help="So many of each outcome")] = 3,
    data_dir: DataDir = None,
    as_json: JsonOutput = False,
) -> None:
    """Tell what a file of rules would have sent, and why it would not have sent the rest.

    Storms are held as the settings of this command say (`alert.max_per_image`, `max_per_minute`).

    Example: `livetrap rules dry-run rules.toml --since 24h`
    """
    from dataclasses import asdict  # noqa: PLC0415

    from livetrap.rule_replay.dry_run import dry_run as judge  # noqa: PLC0415
    from livetrap.rule_replay.dry_run import parse_duration, render_report  # noqa: PLC0415
    from rules.rulebook import load_rules  # noqa: PLC0415
    from runtime.settings import load_settings  # noqa: PLC0415

    book, ago = load_rules(path), parse_duration(since)
    use_running_stack(data_dir)
    judged = judge(load_settings(), book, ago)
    if as_json:
        print(json.dumps([asdict(each) for each in judged], indent=2))
    else:
        print(render_report(judged, n_examples=examples))
