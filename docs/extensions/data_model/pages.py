"""The tables of the data model as Markdown, from the committed snapshot."""

from data_model.diagram import SUBJECTS, draw
from data_model.snapshot import SNAPSHOT, Column, Function, Schema, Table
from reference.tables import code, table

__all__ = ["data_model_pages"]


def data_model_pages() -> dict[str, str]:
    """Return the diagram and the tables.

    Returns
    -------
    dict
        Text by file name.
    """
    schema = Schema.from_json(SNAPSHOT.read_text(encoding="utf-8"))
    tables = {each.name: each for each in schema.tables}
    parts = []
    for subject, names in SUBJECTS.items():
        parts += [f"## {subject}\n", *(_section(tables[name]) for name in names)]
    parts += ["## Functions\n", _functions(schema.functions)]
    return {"data-model.svg": draw(schema), "tables.md": "\n".join(parts)}


def _section(each: Table) -> str:
    rows = [
        [code(column.name), _type(column), _key(column), column.comment] for column in each.columns
    ]
    unique = [f"Unique: {', '.join(code(name) for name in group)}." for group in each.unique]
    notes = "\n".join(unique) + "\n\n" if unique else ""
    lines = table(["column", "type", "key", "meaning [unit]"], rows)
    return f"### {each.name}\n\n{each.comment}.\n\n{notes}{lines}"


def _type(column: Column) -> str:
    short = column.type.replace("timestamp with time zone", "timestamptz")
    short = short.replace("double precision", "float8")
    return code(short) + (", optional" if column.is_nullable else "")


def _key(column: Column) -> str:
    target = column.references.replace("_", "-")
    parts = ["primary"] if column.is_key else []
    parts += [f"[{column.references}](#{target})"] if target else []
    return ", ".join(parts)


def _functions(functions: list[Function]) -> str:
    rows = [
        [code(f"{each.name}({each.arguments})"), code(each.result), each.comment]
        for each in functions
    ]
    return table(["function", "result", "meaning"], rows)
