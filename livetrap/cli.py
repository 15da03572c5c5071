"""The command line's table of contents, and what an error means for the exit code."""

import os
import sys
from typing import Annotated

import typer

from livetrap.commands import alerts, catalogues, images, operations, rules, stack, streams
from runtime.errors import PipelineError, SettingsError

__all__ = ["app", "run"]

_DONE, _FAILED, _WRONG_USAGE = 0, 1, 2

app = typer.Typer(
    name="livetrap",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="""Radio transients from a stream of images, within a second.

    Start with `livetrap demo` (a simulated sky), or `livetrap up` and
    `livetrap ingest *.fits`.""",
)
app.command()(stack.up)
app.command()(stack.down)
app.command()(stack.status)
app.command()(stack.demo)
app.command(hidden=True)(stack.fetch)
app.command()(images.ingest)
app.command(context_settings=images.PASS_ALL, add_help_option=False)(images.simulate)
app.command()(images.extract)
app.command()(operations.service)
app.command()(operations.migrate)
app.command()(operations.settings)
app.command()(operations.ledger)
app.add_typer(operations.dead_letters)
app.add_typer(streams.streams)
app.add_typer(alerts.alerts)
app.add_typer(rules.rules)
app.add_typer(catalogues.catalogues)


@app.callback()
def _root(
    config: Annotated[
        str | None,
        typer.Option(help="TOML file of settings (default: LIVETRAP_CONFIG)", metavar="FILE"),
    ] = None,
) -> None:
    path = config or os.environ.get("LIVETRAP_CONFIG")
    if path:
        # The programs of a stack run in another folder.
        os.environ["LIVETRAP_CONFIG"] = os.path.abspath(path)  # noqa: PTH100  (kept as typed)


def run(arguments: list[str]) -> int:
    """Run one command.

    Parameters
    ----------
    arguments : list of str
        The command line without the program's name.

    Returns
    -------
    int
        Exit code: 0 done, 2 wrong usage or settings, 1 anything else.
    """
    try:
        result = app(_config_first(arguments), standalone_mode=False)
    except BrokenPipeError:
        # The reader (head, less) has seen enough; keep Python from complaining at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _FAILED
    except typer.TyperException as error:
        # Without a message it was the help text, which is printed already.
        if error.format_message():
            print(f"livetrap: {_with_hint(error)}", file=sys.stderr)
        return error.exit_code
    except (PipelineError, KeyboardInterrupt, typer.Abort) as error:
        print(f"livetrap: {' '.join(str(error).split()) or 'interrupted'}", file=sys.stderr)
        return _WRONG_USAGE if isinstance(error, SettingsError) else _FAILED
    return result if isinstance(result, int) else _DONE


def _with_hint(error: typer.TyperException) -> str:
    """Return what is wrong with the command line, and where help is."""
    command = getattr(getattr(error, "ctx", None), "command_path", "livetrap")
    return f"{error.format_message().rstrip('.')} (see `{command} --help`)"


def _config_first(arguments: list[str]) -> list[str]:
    """Let ``--config FILE`` stand anywhere on the command line."""
    for position, word in enumerate(arguments):
        if word == "--":
            break
        if word.startswith("--config="):
            return [word, *arguments[:position], *arguments[position + 1 :]]
        if word == "--config" and position + 1 < len(arguments):
            pair = arguments[position : position + 2]
            return [*pair, *arguments[:position], *arguments[position + 2 :]]
    return arguments
