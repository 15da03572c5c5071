"""Dead letters as text."""

from collections.abc import Mapping, Sequence

from livetrap.terminal.printable import to_printable

__all__ = ["render"]


def render(found: Sequence[Mapping[str, str | int]]) -> str:
    """Return one line a dead letter."""
    if not found:
        return "no dead letters"
    names = ("position", "time", "service", "reason", "error")
    return "\n".join(to_printable("  ".join(str(item[name]) for name in names)) for item in found)
