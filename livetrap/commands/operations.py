"""Commands for operators: service, migrate, settings, ledger, dead-letters."""

import importlib
import json
import sys
from enum import StrEnum
from typing import Annotated

import typer

from livetrap.commands.options import DataDir, JsonOutput, use_running_stack

__all__ = ["dead_letters", "ledger", "migrate", "service", "settings"]


class ServiceName(StrEnum):
    """What `livetrap service` can run."""

    INGEST = "ingest"
    EXTRACT = "extract"
    ASSOCIATE = "associate"
    ALERT = "alert"
    API = "api"


dead_letters = typer.Typer(
    name="dead-letters",
    no_args_is_help=True,
    help="What could not be processed, why, and another try for it.",
)
Position = Annotated[str, typer.Argument(metavar="POSITION", help="As `list` shows it: 3:42")]


def service(
    name: Annotated[ServiceName, typer.Argument(help="Which one")],
) -> None:
    """Run one service in the foreground until SIGTERM; what Kubernetes does.

    Example: `LIVETRAP_KAFKA__BOOTSTRAP_SERVERS=broker:9092 livetrap service extract`
    """
    module = "api.app" if name is ServiceName.API else f"services.{name.value}.app"
    importlib.import_module(module).main()


def migrate(*, data_dir: DataDir = None) -> None:
    """Bring the database schema up to date; safe to run again, and twice at once.

    Example: `LIVETRAP_POSTGRES__URL=postgresql://me:secret@db/livetrap livetrap migrate`
    """
    from livetrap.operator.migrations import migrate as apply_migrations  # noqa: PLC0415
    from runtime.settings import load_settings  # noqa: PLC0415

    use_running_stack(data_dir)
    applied = apply_migrations(load_settings().postgres.url.get_secret_value())
    for migration in applied:
        print(f"applied {migration}")
    if not applied:
        print("the schema is up to date")


def settings(*, data_dir: DataDir = None, as_json: JsonOutput = False) -> None:
    """Print every effective setting with its unit and where it came from; secrets stay hidden.

    Examples: `livetrap settings` · `livetrap settings --config site.toml`
    """
    from livetrap.operator.effective_settings import describe_settings, render_settings  # noqa: PLC0415

    use_running_stack(data_dir)
    found = describe_settings()
    print(json.dumps(found, indent=2) if as_json else render_settings(found))


def ledger(*, data_dir: DataDir = None, as_json: JsonOutput = False) -> None:
    """Account for every image: processed, rejected, duplicate, late.

    Examples: `livetrap ledger` · `livetrap ledger --json`
    """
    from livetrap.operator.ledger import fetch_ledger, render_ledger  # noqa: PLC0415
    from runtime.settings import load_settings  # noqa: PLC0415

    use_running_stack(data_dir)
    found = fetch_ledger(load_settings())
    print(json.dumps(found, indent=2) if as_json else render_ledger(found))


@dead_letters.command("list")
def list_dead_letters(
    *,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, newest first")] = 50,
    data_dir: DataDir = None,
    as_json: JsonOutput = False,
) -> None:
    """List what failed: position, when, which service, why.

    Example: `livetrap dead-letters list --limit 10`
    """
    from livetrap.operator.dead_letters import describe, open_kafka, read_all, render  # noqa: PLC0415

    use_running_stack(data_dir)
    messages = read_all(open_kafka())[-limit:][::-1]
    found = [describe(letter) for letter in messages]
    print(json.dumps(found, indent=2) if as_json else render(found))


@dead_letters.command("show")
def show_dead_letter(
    position: Position,
    *,
    body: Annotated[bool, typer.Option("--body", help="Write the original bytes out")] = False,
    data_dir: DataDir = None,
) -> None:
    """Show one dead letter: its headers, or with `--body` its original bytes.

    Examples: `livetrap dead-letters show 3:42` · `livetrap dead-letters show 3:42 --body > a.fits`
    """
    from livetrap.operator.dead_letters import describe, find_one, open_kafka  # noqa: PLC0415

    use_running_stack(data_dir)
    letter = find_one(open_kafka(), position)
    if body:
        sys.stdout.buffer.write(letter.value)
    else:
        print(json.dumps({**describe(letter), "headers": letter.headers}, indent=2))


@dead_letters.command("redrive")
def redrive_dead_letters(
    positions: Annotated[
        list[str] | None, typer.Argument(metavar="[POSITION...]", help="As `list` shows them")
    ] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="Every dead letter")] = False,
    data_dir: DataDir = None,
) -> None:
    """Send dead letters back to the topic they came from, after the cause was mended.

    Examples: `livetrap dead-letters redrive 3:42` · `livetrap dead-letters redrive --all`
    """
    from livetrap.operator.dead_letters import find_one, open_kafka, read_all, redrive  # noqa: PLC0415
    from runtime.errors import SettingsError  # noqa: PLC0415

    if every == bool(positions):
        raise SettingsError("say which: POSITION... as `dead-letters list` shows, or --all")
    use_running_stack(data_dir)
    kafka = open_kafka()
    messages = read_all(kafka) if every else [find_one(kafka, item) for item in positions or []]
    print(f"sent back {redrive(kafka, messages)}")
