"""Commands about dead letters: list, show, redrive."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from livetrap.commands.options import DataDir, JsonOutput, use_running_stack
from livetrap.terminal.printable import to_printable
from runtime.errors import SettingsError

if TYPE_CHECKING:
    from runtime.kafka import InMessage
    from runtime.settings import KafkaSettings

__all__ = ["dead_letters"]

dead_letters = typer.Typer(
    name="dead-letters",
    no_args_is_help=True,
    help="List, show and redrive messages that could not be processed.",
)
Position = Annotated[
    str, typer.Argument(metavar="POSITION", help="As `livetrap dead-letters list` shows: 3:42")
]


@dead_letters.command("list")
def list_dead_letters(
    *,
    limit: Annotated[int, typer.Option(min=1, help="Largest number of dead letters")] = 50,
    data_dir: DataDir = None,
    as_json: JsonOutput = False,
) -> None:
    """List dead letters, newest first: position, time, service, reason, error.

    Kafka keeps them as long as images: 24 hours and 1 GiB a partition unless settings say else.

    For example:

        livetrap dead-letters list --limit 10
    """
    from livetrap.operator.dead_letters import render  # noqa: PLC0415
    from runtime.dead_letter_topic import describe, read_newest  # noqa: PLC0415

    newest = read_newest(_kafka_of(data_dir), limit=limit)[::-1]
    found = [describe(letter) for letter in newest]
    print(json.dumps(found, indent=2) if as_json else render(found))


@dead_letters.command("show")
def show_dead_letter(
    position: Position,
    *,
    body: Annotated[bool, typer.Option("--body", help="Write the original bytes instead")] = False,
    data_dir: DataDir = None,
) -> None:
    """Show the headers of a dead letter, or with `--body` its original bytes.

    For example:

        livetrap dead-letters show 3:42
        livetrap dead-letters show 3:42 --body > image.fits
    """
    from runtime.dead_letter_topic import describe  # noqa: PLC0415

    letter = _find(_kafka_of(data_dir), position)
    if body:
        sys.stdout.buffer.write(letter.value)
    else:
        print(json.dumps({**describe(letter), "headers": letter.headers}, indent=2))


@dead_letters.command("redrive")
def redrive_dead_letters(
    positions: Annotated[
        list[str] | None,
        typer.Argument(metavar="POSITION", help="As `livetrap dead-letters list` shows"),
    ] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="Every dead letter that there is")] = False,
    data_dir: DataDir = None,
) -> None:
    """Send dead letters back to the topics they came from, once the cause is removed.

    They stay in the list: `--all` sends those again that were sent before, too, and what was
    processed then is a duplicate. One that lacks a part of its message (too large, or lost by
    retention) is named and left out; the exit code is 1 then.

    For example:

        livetrap dead-letters redrive 3:42
        livetrap dead-letters redrive --all
    """
    from runtime.dead_letter_topic import read_newest, redrive  # noqa: PLC0415

    if every == bool(positions):
        raise SettingsError("give one of POSITION... and --all")
    kafka = _kafka_of(data_dir)
    chosen = read_newest(kafka) if every else [_find(kafka, item) for item in positions or []]
    done = redrive(kafka, chosen)
    for line in done.refused:
        print(to_printable(f"livetrap: not sent: {line}"), file=sys.stderr)
    print(f"sent {done.n_sent} back" + (f", {len(done.refused)} not" if done.refused else ""))
    if done.refused:
        raise typer.Exit(1)


def _find(kafka: "KafkaSettings", position: str) -> "InMessage":
    from runtime.dead_letter_topic import find_one  # noqa: PLC0415  (start-up time of --help)

    letter = find_one(kafka, position)
    if letter is None:
        raise SettingsError(
            f"no dead letter at {position}; `livetrap dead-letters list` lists them"
        )
    return letter


def _kafka_of(data_dir: Path | None) -> "KafkaSettings":
    """Return where the broker is; warnings of its client go to standard error."""
    from runtime.logging import configure_logging  # noqa: PLC0415  (start-up time of --help)
    from runtime.settings import load_settings  # noqa: PLC0415

    use_running_stack(data_dir)
    settings = load_settings()
    configure_logging("livetrap", level=settings.logging.level)
    return settings.kafka
