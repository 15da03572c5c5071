"""A flame graph as a small SVG file that reads on a light and on a dark page."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import escape

__all__ = ["Node", "draw"]

_WIDTH, _ROW, _TOP = 1000, 17, 22
_LEAST_PX = 2.0
_LETTER_PX = 6.2
_MOST_ROWS = 26
# Colours of boxes have one lightness, so that dark text reads on each, on any page.
_STYLE = """
text{font:11px sans-serif;fill:#1b1b1b}
.t{fill:#333}rect{stroke:#fff;stroke-width:.6}
.a{fill:#ffd29c}.b{fill:#ffc078}.c{fill:#9cd0ff}
@media(prefers-color-scheme:dark){.t{fill:#ddd}rect{stroke:#222}}
"""


@dataclass(slots=True)
class Node:
    """A function in the stacks of samples.

    Attributes
    ----------
    name : str
        Of the function.
    total : float
        Samples, or time, in it and in what it calls.
    children : dict of str to Node
        What it calls.
    """

    name: str
    total: float = 0.0
    children: dict[str, "Node"] = field(default_factory=dict)

    def add(self, names: Sequence[str], count: float) -> None:
        """Count a stack below this function, the outermost first."""
        node = self
        node.total += count
        for name in names:
            node = node.children.setdefault(name, Node(name))
            node.total += count

    def attach(self, child: "Node") -> None:
        """Count a whole tree below this function."""
        self.children[child.name] = child
        self.total += child.total

    def scaled(self, factor: float) -> "Node":
        """Return the same tree in another unit."""
        children = {name: each.scaled(factor) for name, each in self.children.items()}
        return Node(self.name, self.total * factor, children)


def draw(tree: Node, title: str, path: Path) -> None:
    """Write the tree as SVG: a row a level, widths by time; a box tells its milliseconds."""
    boxes = list(_boxes(tree, 0.0, 0, _WIDTH / max(tree.total, 1e-9)))
    height = _TOP + _ROW * (1 + max((row for _, _, row, _ in boxes), default=0))
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img">'
    parts = [
        head,
        f"<title>{escape(title)}</title><style>{_STYLE.strip()}</style>",
        f'<text class="t" x="2" y="14">{escape(title)}</text>',
        *(_to_svg(*each) for each in boxes),
        "</svg>\n",
    ]
    path.write_text("\n".join(parts), encoding="utf-8")


def _boxes(
    node: Node, x: float, row: int, px_a_unit: float
) -> Iterator[tuple[Node, float, int, float]]:
    """Yield each child that is wide enough, with its place, row and width."""
    for child in sorted(node.children.values(), key=lambda each: each.name):
        width = child.total * px_a_unit
        if width >= _LEAST_PX and row < _MOST_ROWS:
            yield child, x, row, width
            yield from _boxes(child, x, row + 1, px_a_unit)
        x += width


def _to_svg(node: Node, x: float, row: int, width: float) -> str:
    y = _TOP + _ROW * row
    kind = "c" if node.name.startswith("thread ") else "ab"[row % 2]
    label = node.name[: int((width - 6) / _LETTER_PX)] if width > 30 else ""
    text = f'<text x="{x + 3:.1f}" y="{y + 12}">{escape(label)}</text>' if label else ""
    return (
        f'<g><title>{escape(node.name)}: {node.total:.2f} ms</title><rect class="{kind}" '
        f'x="{x:.1f}" y="{y}" width="{width:.1f}" height="{_ROW - 1}"/>{text}</g>'
    )
