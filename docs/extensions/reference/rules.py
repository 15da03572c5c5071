"""The page of rules: quantities, from `rules.quantities`, and the rules of LiveTrap."""

from importlib.resources import files

from reference.tables import code, table
from rules.quantities import QUANTITIES

__all__ = ["rules_page"]


def rules_page() -> str:
    """Return the page: the quantities and the rules in effect when none are given.

    Returns
    -------
    str
        Markdown.
    """
    rows = [[code(name), each.kind, each.doc] for name, each in QUANTITIES.items()]
    default = (files("rules") / "default.toml").read_text(encoding="utf-8")
    quantities = table(["name", "kind", "meaning [unit]"], rows)
    return f"## Quantities\n\n{quantities}\n## The rules of LiveTrap\n\n```toml\n{default}```\n"
