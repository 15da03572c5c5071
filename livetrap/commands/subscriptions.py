"""Commands about subscriptions with a filter of their own: list, add, try, delete, replay."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from livetrap.commands.options import DataDir, JsonOutput, use_running_stack
from livetrap.terminal.printable import to_printable

__all__ = ["subscriptions"]

subscriptions = typer.Typer(
    name="subscriptions",
    no_args_is_help=True,
    help="List, add, try, delete and replay subscriptions with a filter of their own.",
)
_Name = Annotated[
    str, typer.Argument(metavar="NAME", help="As `livetrap subscriptions list` shows")
]
_Rule = Annotated[str, typer.Option(help="Expression of the rule language; default: all alerts")]
_Cone = Annotated[
    tuple[float, float, float] | None,
    typer.Option(metavar="RA DEC RADIUS", help=r"Circle on the sky, ICRS \[deg]"),
]
_Moc = Annotated[Path | None, typer.Option(help="File with a coverage map (IVOA MOC, ASCII)")]
_Schedule = Annotated[
    str, typer.Option(help="Hours of the week, UTC, such as `mon-fri 20:00-06:00`")
]
_Token = Annotated[
    str | None,
    typer.Option(
        envvar="LIVETRAP_TOKEN",
        help="As `livetrap tokens create` prints it (default: that of the settings)",
    ),
]


@subscriptions.command("list")
def list_all(
    *, token: _Token = None, data_dir: DataDir = None, as_json: JsonOutput = False
) -> None:
    """List your subscriptions, and how their delivery goes.

    For example:

        livetrap subscriptions list
    """
    from livetrap.operator.subscriptions import SubscriptionClient, render  # noqa: PLC0415

    use_running_stack(data_dir)
    found = SubscriptionClient.of_settings(token).list_all()
    print(json.dumps(found, indent=2) if as_json else render(found))


@subscriptions.command("add")
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Small letters, digits and -")],
    channel: Annotated[
        str, typer.Argument(metavar="CHANNEL", help="webhook, chat, email, digest, kafka or sse")
    ],
    target: Annotated[
        str, typer.Argument(metavar="TARGET", help="Address of a webhook, or recipient")
    ] = "",
    *,
    rule: _Rule = "",
    cone: _Cone = None,
    moc: _Moc = None,
    schedule: _Schedule = "",
    secret: Annotated[
        str | None, typer.Option(help="Signs what a webhook gets; 16 characters or more")
    ] = None,
    stamps: Annotated[bool, typer.Option("--stamps", help="A webhook gets pictures, too")] = False,
    token: _Token = None,
    data_dir: DataDir = None,
) -> None:
    """Deliver the alerts that are wanted, from now on.

    For example:

        livetrap subscriptions add north kafka --rule 'snr > 12' --cone 0 90 30
        livetrap subscriptions add oncall email on.call@example.org --schedule '18:00-08:00'
    """
    from livetrap.operator.subscriptions import SubscriptionClient, to_wanted  # noqa: PLC0415

    use_running_stack(data_dir)
    made = SubscriptionClient.of_settings(token).add(
        {
            "name": name, "channel": channel, "target": target, "secret": secret,
            "stamps": stamps,
            **to_wanted(rule=rule, cone=cone, moc=moc, schedule=schedule),
        }
    )  # fmt: skip
    _print_warnings(made["warnings"])
    print(f"{made['name']} gets the alerts from now on")


@subscriptions.command("dry-run")
def dry_run(
    *,
    rule: _Rule = "",
    cone: _Cone = None,
    moc: _Moc = None,
    schedule: _Schedule = "",
    days: Annotated[float, typer.Option(min=0.001, max=365, help=r"Up to now \[d]")] = 7.0,
    token: _Token = None,
    data_dir: DataDir = None,
    as_json: JsonOutput = False,
) -> None:
    """Count what a subscription would have got; nothing is stored or sent.

    For example:

        livetrap subscriptions dry-run --rule "kind == 'new_source' and snr > 12" --days 30
    """
    from livetrap.operator.subscriptions import SubscriptionClient, to_wanted  # noqa: PLC0415

    use_running_stack(data_dir)
    wanted = to_wanted(rule=rule, cone=cone, moc=moc, schedule=schedule)
    found = SubscriptionClient.of_settings(token).dry_run(wanted | {"days": days})
    if as_json:
        print(json.dumps(found, indent=2))
        return
    _print_warnings(found["warnings"])
    rest = "" if found["is_complete"] else ", the newest of them"
    print(f"{found['n_wanted']} of {found['n_alerts']} alerts in {found['days']:g} d{rest}")
    for kind, count in sorted(found["n_wanted_by_kind"].items()):
        print(f"  {kind:<16}{count:>6}")


@subscriptions.command("delete")
def delete(name: _Name, *, token: _Token = None, data_dir: DataDir = None) -> None:
    """Deliver to a subscription no more.

    For example:

        livetrap subscriptions delete north
    """
    from livetrap.operator.subscriptions import SubscriptionClient  # noqa: PLC0415

    use_running_stack(data_dir)
    SubscriptionClient.of_settings(token).delete(name)
    print(f"deleted {name}")


@subscriptions.command("replay")
def replay(
    name: _Name,
    *,
    since: Annotated[str, typer.Option(help="First time of an alert, UTC, ISO 8601")],
    until: Annotated[str, typer.Option(help="Alerts before this time")],
    speed: Annotated[
        float, typer.Option(min=1e-6, max=1e6, help=r"How much faster than they were \[-]")
    ] = 1.0,
    token: _Token = None,
    data_dir: DataDir = None,
) -> None:
    """Send a past night to one subscription again, as tests.

    For example:

        livetrap subscriptions replay north --since 2026-03-01 --until 2026-03-02 --speed 60
    """
    from livetrap.operator.subscriptions import SubscriptionClient  # noqa: PLC0415

    use_running_stack(data_dir)
    made = SubscriptionClient.of_settings(token).replay(
        {"subscription": name, "since": since, "until": until, "speed": speed}
    )
    print(f"replay {made['id']} to {name} begins; its alerts have role test")


def _print_warnings(warnings: list[str]) -> None:
    for each in warnings:
        print(f"warning: {to_printable(each)}", file=sys.stderr)
