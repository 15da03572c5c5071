"""Tutorials: scripts whose comments are text and whose code is code.

A script is a sequence of cells. ``# %% [markdown]`` begins a text, its lines commented out;
``# %%`` begins code. What stands before the first cell (a shebang, a docstring) is not shown.
"""

import json
from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "SEPARATOR",
    "Cell",
    "is_tutorial",
    "output_path",
    "read_cells",
    "separated",
    "to_markdown",
]

SEPARATOR = "\x1e"  # ASCII record separator: no program prints it
_LANGUAGES = {".py": "python", ".sh": "bash"}
_MARKERS = {".py": r'print("\x1e", end="", flush=True)', ".sh": r"printf '\036'"}


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a script.

    Parameters
    ----------
    is_code : bool
        Code, or text.
    text : str
        Without its marker; of a text, without the comment signs.
    """

    is_code: bool
    text: str


def is_tutorial(path: Path) -> bool:
    """Return whether a file in the folder of the tutorials is one."""
    return path.suffix in _LANGUAGES


def read_cells(script: str) -> list[Cell]:
    """Return the cells of a script in order.

    Parameters
    ----------
    script : str
        Its text.

    Returns
    -------
    list of Cell
        Without what stands before the first marker.
    """
    cells = []
    for part in ("\n" + script).split("\n# %%")[1:]:
        first, _, rest = part.partition("\n")
        if first.strip() == "[markdown]":
            lines = [line.removeprefix("#").removeprefix(" ") for line in rest.splitlines()]
            cells.append(Cell(is_code=False, text="\n".join(lines).strip()))
        else:
            cells.append(Cell(is_code=True, text=rest.strip("\n")))
    return cells


def separated(script: str, suffix: str) -> str:
    """Return a script that prints `SEPARATOR` after each cell of code.

    Parameters
    ----------
    script : str
        Its text.
    suffix : str
        ``.py`` or ``.sh``.

    Returns
    -------
    str
        A script whose output can be told apart by cells.
    """
    head, *parts = ("\n" + script).split("\n# %%")
    marked = [
        part if part.startswith(" [markdown]") else f"{part}\n{_MARKERS[suffix]}\n"
        for part in parts
    ]
    return "\n# %%".join([head.lstrip("\n"), *marked])


def output_path(script: Path) -> Path:
    """Return where the output of a script's last recorded run is kept, a JSON list by cell."""
    return script.parent / "output" / f"{script.stem}.json"


def to_markdown(script: Path) -> str:
    """Return a script as a page: its texts, its code, and under it what it printed when recorded.

    Parameters
    ----------
    script : Path
        The script.

    Returns
    -------
    str
        Markdown.
    """
    recorded = output_path(script)
    outputs = json.loads(recorded.read_text(encoding="utf-8")) if recorded.exists() else []
    parts = []
    for cell in read_cells(script.read_text(encoding="utf-8")):
        if not cell.is_code:
            parts.append(cell.text)
            continue
        parts.append(f"```{_LANGUAGES[script.suffix]}\n{cell.text}\n```")
        if outputs and (printed := outputs.pop(0).strip("\n")):
            parts.append(f"```{{code-block}} text\n:class: output\n{printed}\n```")
    return "\n\n".join(parts) + "\n"
