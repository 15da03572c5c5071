"""Texts of others on a terminal: what they wrote, and nothing that the terminal obeys."""

__all__ = ["to_printable"]


def to_printable(line: str) -> str:
    """Return a line in which each character that is not printable is an escape, as in Python."""
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in line
    )
