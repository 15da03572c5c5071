"""The page of the command line, from the typer application."""

import re

import typer
from typer.cli import get_docs_for_click

from livetrap.cli import app
from livetrap.simulator.cli import simulate

__all__ = ["commands_page"]


def commands_page() -> str:
    """Return the page: the help of every command.

    Returns
    -------
    str
        Markdown.
    """
    text = _help(app, "livetrap")
    # `simulate` passes its arguments on to an application of its own.
    own = typer.Typer(add_completion=False)
    own.command(name="simulate")(simulate)
    own_text = re.sub(r"^# ", "## ", _help(own, "livetrap simulate"))
    text = re.sub(r"(?s)## `livetrap simulate`.*?(?=\n## )", lambda _: own_text.rstrip(), text)
    return re.sub(r"(?s)\A# `livetrap`\n", "", text)


def _help(application: typer.Typer, name: str) -> str:
    command = typer.main.get_command(application)
    context = typer.Context(command, info_name=name)
    return get_docs_for_click(obj=command, ctx=context, name=name)
