"""Commands about alerts: list, show, retract; rules; reference catalogues."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from livetrap.commands.options import DataDir, JsonOutput, use_running_stack

__all__ = ["alerts", "catalogues", "rules"]

alerts = typer.Typer(
    name="alerts", no_args_is_help=True, help="What was sent: list, show, take back."
)
rules = typer.Typer(
    name="rules",
    no_args_is_help=True,
    help="Which events become alerts: check a file of rules, try it on the past.",
)
catalogues = typer.Typer(
    name="catalogues",
    no_args_is_help=True,
    help="Catalogues of known sources for matches(...) in rules: load, list, delete.",
)
RuleFile = Annotated[
    Path | None,
    typer.Argument(metavar="FILE", help="TOML; none: the rules that come with LiveTrap"),
]


@alerts.command("list")
def list_alerts(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Ivorn or TrigID; none: all")
    ] = None,
    *,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, newest first")] = 50,
    data_dir: DataDir = None,
    as_json: JsonOutput = False,
) -> None:
    """List alerts, newest first.

    Examples: `livetrap alerts list` · `livetrap alerts list ttdeiybnjo4mbfmb --json`
    """
    from livetrap.alerts import list_alerts as fetch  # noqa: PLC0415
    from livetrap.alerts import render_alerts  # noqa: PLC0415
    from runtime.settings import load_settings  # noqa: PLC0415

    use_running_stack(data_dir)
    found = fetch(load_settings(), family=name, limit=limit)
    print(json.dumps(found, indent=2, default=str) if as_json else render_alerts(found))


@alerts.command("show")
def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Ivorn, or TrigID for the last")],
    *,
    data_dir: DataDir = None,
) -> None:
    """Print the VOEvent that was sent.

    Example: `livetrap alerts show ttdeiybnjo4mbfmb`
    """
    from livetrap.alerts import get_packet  # noqa: PLC0415
    from runtime.settings import load_settings  # noqa: PLC0415

    use_running_stack(data_dir)
    sys.stdout.write(get_packet(load_settings(), name).decode())


@alerts.command("deliveries")
def deliveries(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Ivorn, number, or TrigID for the last")
    ],
    *,
    data_dir: DataDir = None,
    as_json: JsonOutput = False,
) -> None:
    """List who was handed an alert and who has acknowledged it, with their addresses.

    Example: `livetrap alerts deliveries ttdeiybnjo4mbfmb`
    """
    from livetrap.alerts import list_deliveries, render_deliveries  # noqa: PLC0415
    from runtime.settings import load_settings  # noqa: PLC0415

    use_running_stack(data_dir)
    found = list_deliveries(load_settings(), name)
    print(json.dumps(found, indent=2, default=str) if as_json else render_deliveries(found))


@alerts.command("retract")
def retract(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Ivorn, TrigID, or transient's number")
    ] = None,
    *,
    image: Annotated[
        str | None, typer.Option(metavar="SHA256", help="All that this image founded instead")
    ] = None,
    reason: Annotated[str, typer.Option(help="Why; subscribers read it")],
    data_dir: DataDir = None,
) -> None:
    """Tell every subscriber that an alert was wrong. Nothing brings it back.

    Examples: `livetrap alerts retract ttdeiybnjo4mbfmb --reason "side lobe of Cyg A"` ·
    `livetrap alerts retract --image 618b90... --reason "bad calibration"`
    """
    from livetrap.alerts import retract as take_back  # noqa: PLC0415
    from runtime.errors import SettingsError  # noqa: PLC0415
    from runtime.settings import load_settings  # noqa: PLC0415

    if (name is None) == (image is None):
        raise SettingsError("give one of NAME and --image")
    use_running_stack(data_dir)
    for family in take_back(load_settings(), name=name, image_id=image, reason=reason):
        print(f"retracted {family}")


@alerts.command("held")
def held(
    *,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, oldest first")] = 100,
    data_dir: DataDir = None,
    as_json: JsonOutput = False,
) -> None:
    """List candidates that are held because their image or minute brought too many.

    Example: `livetrap alerts held`
    """
    from livetrap.alerts import list_held  # noqa: PLC0415
    from runtime.settings import load_settings  # noqa: PLC0415

    use_running_stack(data_dir)
    found = list_held(load_settings(), limit=limit)
    if as_json:
        print(json.dumps(found, indent=2, default=str))
        return
    for row in found:
        print(f"{row['event_id']}  {row['stream']}  S/N {float(row['snr']):.1f}  {row['because']}")
    if not found:
        print("nothing is held")


@alerts.command("release")
def release(
    name: Annotated[
        str | None, typer.Argument(metavar="EVENT", help="As `held` shows it, or TrigID")
    ] = None,
    *,
    image: Annotated[
        str | None, typer.Option(metavar="SHA256", help="All of this image instead")
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Let held candidates become alerts.

    Examples: `livetrap alerts release 3a6192...` · `livetrap alerts release --image 618b90...`
    """
    from livetrap.alerts import release as let_out  # noqa: PLC0415
    from runtime.errors import SettingsError  # noqa: PLC0415
    from runtime.settings import load_settings  # noqa: PLC0415

    if (name is None) == (image is None):
        raise SettingsError("give one of EVENT and --image")
    use_running_stack(data_dir)
    for event in let_out(load_settings(), name=name, image_id=image):
        print(f"released {event}")


@alerts.command("subscribers")
def subscribers(*, data_dir: DataDir = None, as_json: JsonOutput = False) -> None:
    """List who gets alerts by name: VTP, webhooks, the digest; and how they fare.

    Example: `livetrap alerts subscribers`
    """
    from livetrap.subscribers import list_subscribers  # noqa: PLC0415
    from runtime.settings import load_settings  # noqa: PLC0415

    use_running_stack(data_dir)
    found = list_subscribers(load_settings())
    if as_json:
        print(json.dumps(found, indent=2, default=str))
        return
    for row in found:
        why = f"  disabled: {row['disabled_because']}" if row["disabled_because"] else ""
        print(f"{row['channel']:<8}{row['name']:<48}{row['n_acknowledged']:>8} alerts{why}")
    if not found:
        print("no subscribers")


@alerts.command("enable")
def enable(
    channel: Annotated[str, typer.Argument(metavar="CHANNEL", help="webhook or email")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="As `subscribers` shows it")],
    *,
    data_dir: DataDir = None,
) -> None:
    """Serve a webhook or the digest again that failed too often.

    Example: `livetrap alerts enable webhook robot-1`
    """
    from livetrap.subscribers import enable_subscriber  # noqa: PLC0415
    from runtime.settings import load_settings  # noqa: PLC0415

    use_running_stack(data_dir)
    enable_subscriber(load_settings(), channel, name)
    print(f"enabled {channel} {name}")


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

    from livetrap.dry_run import dry_run as judge  # noqa: PLC0415
    from livetrap.dry_run import parse_duration, render_report  # noqa: PLC0415
    from rules.rulebook import load_rules  # noqa: PLC0415
    from runtime.settings import load_settings  # noqa: PLC0415

    book, ago = load_rules(path), parse_duration(since)
    use_running_stack(data_dir)
    judged = judge(load_settings(), book, ago)
    if as_json:
        print(json.dumps([asdict(each) for each in judged], indent=2))
    else:
        print(render_report(judged, n_examples=examples))


@catalogues.command("load")
def load(
    path: Annotated[
        Path, typer.Argument(metavar="FILE", exists=True, help="VOTable, FITS table or CSV")
    ],
    *,
    name: Annotated[str | None, typer.Option(help="Default: the file's name")] = None,
    ra: Annotated[str | None, typer.Option(help="Column of the right ascension")] = None,
    dec: Annotated[str | None, typer.Option(help="Column of the declination")] = None,
    data_dir: DataDir = None,
) -> None:
    """Load the positions of a catalogue; one of the same name is replaced.

    Example: `livetrap catalogues load nvss.vot --name nvss`
    """
    from livetrap.reference_catalogues import load_catalogue, read_positions  # noqa: PLC0415
    from runtime.settings import load_settings  # noqa: PLC0415

    positions = read_positions(path, ra=ra, dec=dec)
    use_running_stack(data_dir)
    chosen = name or path.stem
    n_sources = load_catalogue(load_settings(), chosen, positions)
    print(f"loaded {n_sources} sources; in a rule: matches('{chosen}', 15)")


@catalogues.command("list")
def list_all(*, data_dir: DataDir = None, as_json: JsonOutput = False) -> None:
    """List the catalogues.

    Example: `livetrap catalogues list`
    """
    from livetrap.reference_catalogues import list_catalogues  # noqa: PLC0415
    from runtime.settings import load_settings  # noqa: PLC0415

    use_running_stack(data_dir)
    found = list_catalogues(load_settings())
    if as_json:
        print(json.dumps(found, indent=2, default=str))
        return
    for row in found:
        print(f"{row['name']:<24}{row['n_sources']:>10} sources  {row['time_loaded']:%Y-%m-%d}")
    if not found:
        print("no catalogues")


@catalogues.command("delete")
def delete(
    name: Annotated[str, typer.Argument(metavar="NAME", help="As `list` shows it")],
    *,
    data_dir: DataDir = None,
) -> None:
    """Forget a catalogue; rules that ask for it find nothing there.

    Example: `livetrap catalogues delete nvss`
    """
    from livetrap.reference_catalogues import delete_catalogue  # noqa: PLC0415
    from runtime.settings import load_settings  # noqa: PLC0415

    use_running_stack(data_dir)
    delete_catalogue(load_settings(), name)
    print(f"deleted {name}")
