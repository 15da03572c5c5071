"""Markdown tables."""

from collections.abc import Iterable, Sequence

__all__ = ["code", "table"]


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; bars and line breaks in a cell are made harmless.

    Parameters
    ----------
    header : sequence of str
        Titles of the columns.
    rows : iterable of sequence of str
        Cells, Markdown.

    Returns
    -------
    str
        Lines that end with a line break.
    """
    lines = [_line(header), _line(["---"] * len(header)), *(_line(row) for row in rows)]
    return "\n".join(lines) + "\n"


def code(value: object) -> str:
    """Return a value as code, or nothing for an empty one."""
    text = str(value)
    return f"`{text}`" if text else ""


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(" ".join(cell.replace("|", "\\|").split()) for cell in cells) + " |"
