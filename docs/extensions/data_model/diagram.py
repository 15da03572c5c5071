"""The entity-relationship diagram as SVG: a column of boxes a subject, a curve a reference.

The tables of the operation refer to nothing else; they stand below, side by side. References to
`stream` from other columns are left out: nearly every table has one.
"""

from dataclasses import dataclass
from html import escape

from data_model.snapshot import Column, Schema, Table

__all__ = ["SUBJECTS", "draw", "references_of"]

# Which table belongs to what; a test holds that each has its place. Order is that of the drawing.
SUBJECTS: dict[str, tuple[str, ...]] = {
    "Observation": (
        "stream",
        "band",
        "expected_channel",
        "timestep",
        "image",
        "sky_coverage",
        "retained_partition",
        "archived_image",
    ),
    "Catalogue": (
        "source",
        "source_band",
        "source_statistics",
        "archived_source",
        "detection",
        "shared_detection",
        "null_detection",
        "look_back",
        "forced_gap",
        "waiting_timestep",
        "waiting_request",
        "tracking",
        "monitor",
        "source_tag",
        "source_classification",
        "source_comment",
    ),
    "Transients and alerts": (
        "transient",
        "stamp",
        "stamp_file",
        "source_event",
        "alert",
        "event_name",
        "process_lease",
        "delivery",
        "subscriber",
        "suppressed_event",
        "submission",
        "subscription",
        "replay",
        "unused_topic",
    ),
    "Operation": (
        "outbox",
        "consumed_offset",
        "schema_migration",
        "image_ledger",
        "ledger_total",
        "statistics_refresh",
        "reference_catalogue",
        "reference_source",
        "api_token",
        "tap_job",
        "tap_chunk",
        "audit",
    ),
}

_N_COLUMNS = 3
_BOX_WIDTH, _MARGIN_X, _GAP_X, _GAP_Y = 210, 64, 92, 22
_TITLE_HEIGHT, _ROW_HEIGHT, _HEADER_HEIGHT = 26, 18, 40
_IMAGE_KEYS = "image_key"


@dataclass(frozen=True, slots=True)
class _Box:
    table: Table
    column: int
    x: int
    y: int
    rows: list[Column]

    @property
    def height(self) -> int:
        return _TITLE_HEIGHT + _ROW_HEIGHT * (len(self.rows) + 1) + 6

    def row_y(self, name: str) -> int:
        """Return the middle of the row of a column."""
        position = [column.name for column in self.rows].index(name)
        return self.y + _TITLE_HEIGHT + _ROW_HEIGHT * position + 11


def references_of(schema: Schema) -> dict[tuple[str, str], tuple[str, bool]]:
    """Return what each column refers to.

    Parameters
    ----------
    schema : Schema
        The schema.

    Returns
    -------
    dict
        By table and column: the table referred to, and whether the database checks it.
    """
    names = {table.name for table in schema.tables}
    found = {}
    for table in schema.tables:
        for column in table.columns:
            if column.references:
                found[table.name, column.name] = (column.references, True)
            elif target := _implied(table, column, names):
                found[table.name, column.name] = (target, False)
    return found


def _implied(table: Table, column: Column, names: set[str]) -> str:
    """Return the table that an unchecked column refers to by its name."""
    if column.type not in {"integer", "bigint"}:
        return ""
    if column.name.endswith(_IMAGE_KEYS) and table.name != "image":
        return "image"
    target = column.name.removesuffix("_id")
    return target if target in names and target != column.name else ""


def draw(schema: Schema) -> str:
    """Return the diagram; its colours are those of the page.

    Parameters
    ----------
    schema : Schema
        The schema.

    Returns
    -------
    str
        An SVG element.
    """
    boxes, titles = _place(schema)
    width = 2 * _MARGIN_X + _N_COLUMNS * _BOX_WIDTH + (_N_COLUMNS - 1) * _GAP_X
    height = max(box.y + box.height for box in boxes.values()) + 10
    curves = [
        _curve(boxes[table], column, boxes[target], is_checked=is_checked)
        for (table, column), (target, is_checked) in references_of(schema).items()
        if target != "stream" or boxes[table].column == boxes[target].column
    ]
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        'class="livetrap-diagram livetrap-er" aria-label="Tables and their references">'
    )
    drawn = [_draw_box(box) for box in boxes.values()]
    return "\n".join([head, *titles, *curves, *drawn, "</svg>", ""])


def _place(schema: Schema) -> tuple[dict[str, _Box], list[str]]:
    """Stack the tables of each subject in its column; those of the last one fill all columns."""
    tables = {table.name: table for table in schema.tables}
    references = references_of(schema)
    boxes: dict[str, _Box] = {}
    *stacked, (last, spread) = SUBJECTS.items()
    titles = [
        _title(name, _x(column) + _BOX_WIDTH // 2, 24) for column, (name, _) in enumerate(stacked)
    ]
    ends = [_HEADER_HEIGHT] * _N_COLUMNS

    def stack(name: str, column: int) -> None:
        rows = _shown(tables[name], references)
        boxes[name] = _Box(tables[name], column, _x(column), ends[column], rows)
        ends[column] += boxes[name].height + _GAP_Y

    for column, (_, names) in enumerate(stacked):
        for name in names:
            stack(name, column)
    below = max(ends) + 2 * _GAP_Y
    titles.append(_title(last, _x(1) + _BOX_WIDTH // 2, below))
    ends[:] = [below + _GAP_Y] * _N_COLUMNS
    for position, name in enumerate(spread):
        stack(name, position * _N_COLUMNS // len(spread))
    return boxes, titles


def _shown(table: Table, references: dict[tuple[str, str], tuple[str, bool]]) -> list[Column]:
    """Return the columns that identify a row or refer to another."""
    unique = {name for group in table.unique for name in group}
    return [
        column
        for column in table.columns
        if column.is_key or column.name in unique or (table.name, column.name) in references
    ]


def _x(column: int) -> int:
    return _MARGIN_X + column * (_BOX_WIDTH + _GAP_X)


def _title(name: str, x: int, y: int) -> str:
    return f'<text class="lt-subject" x="{x}" y="{y}">{escape(name)}</text>'


def _draw_box(box: _Box) -> str:
    others = len(box.table.columns) - len(box.rows)
    rest = f"and {others} more" if others else "no other columns"
    rows = [
        f'<text class="{"lt-key" if column.is_key else "lt-column"}" x="{box.x + 10}" '
        f'y="{box.row_y(column.name) + 4}">{escape(column.name)}</text>'
        for column in box.rows
    ]
    frame = (
        f'<rect class="lt-table" x="{box.x}" y="{box.y}" width="{_BOX_WIDTH}" '
        f'height="{box.height}" rx="6"/>'
    )
    return "\n".join(
        [
            f'<a href="#{box.table.name.replace("_", "-")}"><g>',
            f"<title>{escape(box.table.comment)}</title>",
            frame,
            f'<path class="lt-head" d="M{box.x} {box.y + _TITLE_HEIGHT}h{_BOX_WIDTH}"/>',
            f'<text class="lt-name" x="{box.x + 10}" y="{box.y + 18}">{box.table.name}</text>',
            *rows,
            f'<text class="lt-rest" x="{box.x + 10}" y="{box.y + box.height - 9}">{rest}</text>',
            "</g></a>",
        ]
    )


def _curve(start: _Box, column: str, end: _Box, *, is_checked: bool) -> str:
    """Draw from a column to the title of the table that it refers to."""
    y1, y2 = start.row_y(column), end.y + 13
    kind = "lt-reference" if is_checked else "lt-reference lt-unchecked"
    if start.column == end.column:
        x = start.x
        bow = min(22 + abs(y1 - y2) // 8, _MARGIN_X + 10)
        return f'<path class="{kind}" d="M{x} {y1}C{x - bow} {y1} {x - bow} {y2} {x} {y2}"/>'
    forward = start.column < end.column
    x1, x2 = (start.x + _BOX_WIDTH, end.x) if forward else (start.x, end.x + _BOX_WIDTH)
    bend = 45 if forward else -45
    return f'<path class="{kind}" d="M{x1} {y1}C{x1 + bend} {y1} {x2 - bend} {y2} {x2} {y2}"/>'
