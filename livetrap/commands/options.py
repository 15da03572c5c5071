"""Options that several commands share, and how a command finds the stack that runs."""

import os
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["DataDir", "JsonOutput", "chosen_data_dir", "use_running_stack"]

DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        help="Folder of this installation (default: LIVETRAP_DATA_DIR or the user's data folder)",
    ),
]
JsonOutput = Annotated[bool, typer.Option("--json", help="Print JSON for scripts")]


def chosen_data_dir(asked: Path | None) -> Path:
    """Return the data folder of this command."""
    from livetrap.stack.paths import default_data_dir  # noqa: PLC0415

    return asked.expanduser().absolute() if asked else default_data_dir()


def use_running_stack(data_dir: Path | None) -> None:
    """Lead this process's settings to the stack that runs in the data folder, if one does.

    Parameters
    ----------
    data_dir : Path, optional
        The ``--data-dir`` of the command. Without it, servers that the environment or the
        configuration file name win.
    """
    from livetrap.stack.state import read_running  # noqa: PLC0415
    from runtime.settings import names_in_config_file  # noqa: PLC0415

    state = read_running(chosen_data_dir(data_dir))
    if state is None:
        return
    chosen = set() if data_dir is not None else names_in_config_file() | set(os.environ)
    for name, value in state.environment().items():
        if name not in chosen:
            os.environ[name] = value
