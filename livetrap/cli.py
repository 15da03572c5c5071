"""The list of commands, and the exit code of each error."""

import errno
import os
import sys
from collections.abc import Callable
from functools import lru_cache
from typing import Annotated

import typer

from livetrap.commands import (
    alerts,
    catalogues,
    dead_letters,
    images,
    monitors,
    operations,
    rules,
    stack,
    streams,
    subscriptions,
    tokens,
)
from runtime.errors import PipelineError, SettingsError

__all__ = ["app", "run"]

_REMEDIES = {
    errno.ENOSPC: "free some of the disk, or choose another folder with --data-dir",
    errno.EDQUOT: "the disk quota of this account is used up",
    errno.EROFS: "the disk is read-only; choose another folder with --data-dir",
    errno.EACCES: "this account may not do that; choose another folder or change its owner",
    errno.EPERM: "this account may not do that; choose another folder or change its owner",
    errno.ENOENT: "check the path",
    errno.EISDIR: "check the path",
    errno.ENOTDIR: "check the path",
    errno.EMFILE: "too many open files; raise the limit with `ulimit -n`",
}
_DONE, _FAILED, _WRONG_USAGE = 0, 1, 2
_START, _IMAGES, _ALERTS, _OPERATE = "Start and stop", "Images", "Alerts", "Operate"

app = typer.Typer(
    name="livetrap",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="""Find transients in a stream of radio images and send alerts within a second.

    For example:

        livetrap demo           # a simulated sky with all services, until Ctrl-C
        livetrap up --detach    # the services, to stay
        livetrap ingest *.fits  # your images""",
)
app.command(rich_help_panel=_START)(stack.up)
app.command(rich_help_panel=_START)(stack.down)
app.command(rich_help_panel=_START)(stack.status)
app.command(rich_help_panel=_START)(stack.prune)
app.command(rich_help_panel=_START)(stack.demo)
app.command(hidden=True)(stack.fetch)
app.command(rich_help_panel=_IMAGES)(images.ingest)
app.command(context_settings=images.PASS_ALL, add_help_option=False, rich_help_panel=_IMAGES)(
    images.simulate
)
app.command(rich_help_panel=_IMAGES)(images.extract)
app.add_typer(streams.streams, rich_help_panel=_IMAGES)
app.command(rich_help_panel=_IMAGES)(streams.replay)
app.add_typer(monitors.monitors, rich_help_panel=_IMAGES)
app.add_typer(alerts.alerts, rich_help_panel=_ALERTS)
app.add_typer(rules.rules, rich_help_panel=_ALERTS)
app.add_typer(catalogues.catalogues, rich_help_panel=_ALERTS)
app.add_typer(subscriptions.subscriptions, rich_help_panel=_ALERTS)
app.command(rich_help_panel=_OPERATE)(operations.ledger)
app.add_typer(dead_letters.dead_letters, rich_help_panel=_OPERATE)
app.add_typer(tokens.tokens, rich_help_panel=_OPERATE)
app.command(rich_help_panel=_OPERATE)(operations.settings)
app.command(rich_help_panel=_OPERATE)(operations.migrate)
app.command(rich_help_panel=_OPERATE)(operations.service)


def _print_version(is_wanted: bool) -> None:  # noqa: FBT001  (the form of typer's callbacks)
    if is_wanted:
        from importlib.metadata import version  # noqa: PLC0415  (start-up time of --help)

        print(f"livetrap {version('livetrap')}")
        raise typer.Exit


@app.callback()
def _root(
    *,
    config: Annotated[
        str | None,
        typer.Option(help="TOML file of settings (default: LIVETRAP_CONFIG)", metavar="FILE"),
    ] = None,
    _version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    from runtime.logging import log_to_stderr  # noqa: PLC0415  (start-up time of --help)

    log_to_stderr()
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
        result = _command()(_config_first(arguments), prog_name="livetrap", standalone_mode=False)
    except BrokenPipeError:
        # The reader (head, less) has closed the pipe; without this Python warns at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _FAILED
    except typer.TyperException as error:
        # Without a message the help text was wanted, and is printed already.
        if error.format_message():
            print(f"livetrap: {_with_hint(error)}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"livetrap: {_describe_os_error(error)}", file=sys.stderr)
        return _FAILED
    except (PipelineError, KeyboardInterrupt, typer.Abort) as error:
        print(f"livetrap: {' '.join(str(error).split()) or 'interrupted'}", file=sys.stderr)
        return _WRONG_USAGE if isinstance(error, SettingsError) else _FAILED
    return result if isinstance(result, int) else _DONE


@lru_cache(maxsize=1)
def _command() -> Callable[..., object]:
    """Return all commands; to build them takes as long as many of them do."""
    return typer.main.get_command(app)


def _describe_os_error(error: OSError) -> str:
    """Return what the system refused, where, and how to mend it."""
    what = error.strerror or repr(error)
    where = f" ({os.fsdecode(error.filename)})" if isinstance(error.filename, str | bytes) else ""
    return f"{what}{where}; {_REMEDIES.get(error.errno or 0, 'look at the logs of the stack')}"


def _with_hint(error: typer.TyperException) -> str:
    """Return the mistake in the command line, and the command that prints the help."""
    command = getattr(getattr(error, "ctx", None), "command_path", "livetrap")
    message = " ".join(error.format_message().split())
    return f"{message.rstrip('.')} (see `{command} --help`)"


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
