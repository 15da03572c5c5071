"""The Avro page, from the schemas and their examples."""

import json
from importlib.resources import files
from typing import Any

from reference.tables import code, table

__all__ = ["avro_page"]


def avro_page() -> str:
    """Return the page: each record with its fields and its example.

    Returns
    -------
    str
        Markdown.
    """
    folder = files("schemas") / "avro"
    names = sorted(item.name[:-5] for item in folder.iterdir() if item.name.endswith(".avsc"))
    parts: list[str] = []
    for name in names:
        schema = json.loads((folder / f"{name}.avsc").read_text(encoding="utf-8"))
        example = json.loads((folder / f"{name}.example.json").read_text(encoding="utf-8"))
        parts += _record(schema, level=2)
        text = json.dumps(example, indent=2, ensure_ascii=False)
        block = f":::{{code-block}} json\n{text}\n:::"
        parts.append(f"```{{dropdown}} Example of {name}\n{block}\n```\n")
    return "\n".join(parts)


def _record(schema: dict[str, Any], *, level: int) -> list[str]:
    inner: list[dict[str, Any]] = []
    rows = [
        [code(field["name"]), _type(field["type"], inner), field.get("doc", "")]
        for field in schema["fields"]
    ]
    parts = [f"{'#' * level} {schema['name']}\n", schema.get("doc", "") + "\n"]
    parts.append(table(["field", "type", "meaning [unit]"], rows))
    for record in inner:
        parts += _record(record, level=level + 1)
    return parts


def _type(kind: Any, inner: list[dict[str, Any]]) -> str:
    """Return a type in words; records found on the way are added to `inner`."""
    if isinstance(kind, str):
        return code(kind)
    if isinstance(kind, list):
        options = [_type(option, inner) for option in kind if option != "null"]
        return " or ".join(options) + (", optional" if "null" in kind else "")
    match kind["type"]:
        case "record":
            inner.append(kind)
            return f"record {code(kind['name'])}"
        case "array":
            return f"array of {_type(kind['items'], inner)}"
        case "enum":
            return ", ".join(code(symbol) for symbol in kind["symbols"])
        case other:
            return code(kind.get("logicalType", other))
