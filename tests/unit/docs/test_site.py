"""The site says what the code is: every table has its place, every cell its text."""

import pytest
from lxml import etree

from data_model.diagram import SUBJECTS, draw, references_of
from data_model.snapshot import SNAPSHOT, Schema
from literate import Cell, read_cells, separated
from offline import find_external


def committed_schema() -> Schema:
    return Schema.from_json(SNAPSHOT.read_text(encoding="utf-8"))


def test_every_table_has_one_place_in_the_diagram() -> None:
    placed = [name for names in SUBJECTS.values() for name in names]
    assert sorted(placed) == [table.name for table in committed_schema().tables]


def test_the_diagram_draws_every_table_and_only_known_references() -> None:
    schema = committed_schema()
    root = etree.fromstring(draw(schema).encode())
    boxes = root.findall(".//{*}rect[@class='lt-table']")
    assert len(boxes) == len(schema.tables)
    references = references_of(schema)
    assert references["image", "band_id"] == ("band", True)
    assert references["detection", "image_key"] == ("image", False)
    drawn = [path for path in root.iter("{*}path") if "lt-reference" in path.get("class", "")]
    assert 0 < len(drawn) <= len(references)


def test_every_column_has_a_meaning() -> None:
    silent = [
        f"{table.name}.{column.name}"
        for table in committed_schema().tables
        for column in table.columns
        if not column.comment
    ]
    assert silent == []


def test_a_script_is_cells_of_text_and_code() -> None:
    script = '"""Hidden."""\n# %% [markdown]\n# # Title\n#\n# Text.\n\n# %%\nprint(1)\n'
    assert read_cells(script) == [
        Cell(is_code=False, text="# Title\n\nText."),
        Cell(is_code=True, text="print(1)"),
    ]


def test_a_separated_script_still_is_the_script() -> None:
    script = "x = 1\n# %% [markdown]\n# Text.\n# %%\ny = x\n# %%\nz = y\n"
    marked = separated(script, ".py")
    assert marked.count("\\x1e") == 2
    assert [line for line in marked.splitlines() if line and "\\x1e" not in line] == (
        script.splitlines()
    )


@pytest.mark.parametrize(
    ("page", "n_external"),
    [
        ('<script src="_static/x.js"></script><a href="https://example.org">a link</a>', 0),
        ('<link rel="stylesheet" href="https://fonts.example.org/css">', 1),
        ('<img alt="x" src="//example.org/x.png"><script src=\'http://example.org/x.js\'>', 2),
    ],
)
def test_what_a_page_loads_from_elsewhere_is_found(page: str, n_external: int) -> None:
    assert len(find_external(page)) == n_external
