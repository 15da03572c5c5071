"""Messages as files: what others parse does not change unnoticed.

``pytest --update-golden`` writes the files under ``tests/data/golden`` anew; read their diff
before you commit it.
"""

import difflib
import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

__all__ = ["Golden", "to_json_text", "to_xml_text"]

FOLDER = Path(__file__).parent.parent / "data" / "golden"
_DIGITS = 9


@dataclass(frozen=True, slots=True)
class Golden:
    """Compares texts with the golden files, or writes them."""

    update: bool

    def check(self, name: str, text: str) -> None:
        """Fail with a diff if `text` is not what the file says."""
        path = FOLDER / name
        if self.update:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            return
        if not path.exists():
            pytest.fail(f"{name} is missing; pytest --update-golden writes it", pytrace=False)
        known = path.read_text(encoding="utf-8")
        if text != known:
            lines = difflib.unified_diff(
                known.splitlines(), text.splitlines(), f"golden/{name}", "now", lineterm=""
            )
            pytest.fail(
                f"{name} changed; if it should, pytest --update-golden writes it\n"
                + "\n".join(lines),
                pytrace=False,
            )


def to_json_text(value: Any, *, masked: Collection[str] = ()) -> str:
    """Return indented JSON; `masked` are keys whose values differ from run to run.

    Floats keep nine digits: the last ones are the machine's.
    """
    return json.dumps(_plain(value, frozenset(masked)), indent=1, ensure_ascii=False) + "\n"


def to_xml_text(packet: bytes) -> str:
    """Return indented XML."""
    root = etree.fromstring(packet, etree.XMLParser(remove_blank_text=True))
    etree.indent(root, " ")
    return etree.tostring(root, encoding="unicode") + "\n"


def _plain(value: Any, masked: frozenset[str]) -> Any:
    if isinstance(value, dict):
        return {
            key: "<masked>" if key in masked and each is not None else _plain(each, masked)
            for key, each in value.items()
        }
    if isinstance(value, list | tuple):
        return [_plain(each, masked) for each in value]
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}")
    if isinstance(value, datetime):
        return value.isoformat()
    return value
