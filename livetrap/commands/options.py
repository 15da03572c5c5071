"""Options that several commands share, and how a command finds the stack that runs."""

import os
from pathlib import Path
from typing import Annotated

import typer

from runtime.errors import SettingsError

__all__ = ["DataDir", "JsonOutput", "chosen_data_dir", "require_one", "use_running_stack"]

DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        help="Folder of this installation (default: LIVETRAP_DATA_DIR or the user's data folder)",
    ),
]
JsonOutput = Annotated[bool, typer.Option("--json", help="Print JSON for scripts")]


def chosen_data_dir(option: Path | None) -> Path:
    """Return the data folder of this command."""
    from livetrap.stack.paths import default_data_dir  # noqa: PLC0415  (start-up time of --help)

    return option.expanduser().absolute() if option else default_data_dir()


def use_running_stack(data_dir: Path | None) -> frozenset[str]:
    """Point this process's settings to the stack that runs in the data folder, if one does.

    Parameters
    ----------
    data_dir : Path, optional
        The ``--data-dir`` of the command. Without it, servers that the environment or the
        configuration file name win.

    Returns
    -------
    frozenset of str
        Names of the settings that come from the stack.
    """
    from livetrap.stack.state import read_running  # noqa: PLC0415  (start-up time of --help)
    from runtime.settings import names_in_config_file  # noqa: PLC0415

    state = read_running(chosen_data_dir(data_dir))
    if state is None:
        return frozenset()
    chosen = set() if data_dir is not None else {*names_in_config_file(), *os.environ}
    if "LIVETRAP_KAFKA__BOOTSTRAP_SERVERS" in chosen:
        chosen.add("LIVETRAP_KAFKA__CLUSTER_ID")  # of the stack's own broker, not of that one
    used = {name: value for name, value in state.environment().items() if name not in chosen}
    os.environ.update(used)
    return frozenset(used)


def require_one(first: str | None, second: str | None, *, names: str) -> None:
    """Refuse a command line that has none or both of two alternatives.

    Raises
    ------
    SettingsError
        With the names of the alternatives.
    """
    if (first is None) == (second is None):
        raise SettingsError(f"give one of {names}")
