"""Every reason code is in one enum and in docs/contracts.md, and is used."""

import ast
import re
from enum import StrEnum
from functools import cache
from pathlib import Path

import pytest

from schemas.reasons import ArchiveReason, ForcedReason, ImageReason, MessageReason, StampReason

ROOT = Path(__file__).parents[3]
ROOMS = ("sky", "schemas", "runtime", "services", "api", "livetrap")
KINDS = (ImageReason, MessageReason, ForcedReason, StampReason, ArchiveReason)
ALL = {code for enum in KINDS for code in enum}
ENUMS = {enum.__name__: enum for enum in KINDS}
REJECTIONS = {"HeaderError", "RejectedMessageError", "RejectedImageError"}
# Raised by `sky.fits` and caught by `sky.fits_containers`, which then unpacks the file.
INTERNAL = {"tile_compressed"}


@cache
def nodes() -> list[ast.Call | ast.Attribute]:
    """Return the calls and attributes of all files that name an enum or a rejection."""
    texts = [
        path.read_text(encoding="utf-8")
        for room in ROOMS
        for path in sorted((ROOT / room).rglob("*.py"))
    ]
    return [
        node
        for text in texts
        if any(name in text for name in REJECTIONS | ENUMS.keys())
        for node in ast.walk(ast.parse(text))
        if isinstance(node, (ast.Call, ast.Attribute))
    ]


def literal_codes() -> set[str]:
    """Return the codes that are raised as plain strings."""
    return {
        node.args[0].value
        for node in nodes()
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in REJECTIONS
        and node.args
        and isinstance(node.args[0], ast.Constant)
    }


def enum_codes() -> set[str]:
    """Return the codes that are named as members of an enum."""
    return {
        ENUMS[node.value.id][node.attr].value
        for node in nodes()
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id in ENUMS
        and node.attr in ENUMS[node.value.id].__members__
    }


def codes_in_docs(heading: str) -> list[str]:
    """Return the codes in the first column of the table under a heading of docs/contracts.md."""
    text = (ROOT / "docs" / "contracts.md").read_text(encoding="utf-8")
    section = text.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return re.findall(r"`([a-z0-9_]+)`", " ".join(rows))


def test_a_code_that_is_raised_is_in_an_enum() -> None:
    assert literal_codes() - INTERNAL <= ALL


def test_a_code_in_an_enum_is_raised() -> None:
    assert literal_codes() | enum_codes() >= ALL


def test_a_code_has_one_meaning() -> None:
    assert len(ALL) == sum(map(len, KINDS))


@pytest.mark.parametrize(
    ("heading", "enum"),
    [
        ("Why an image is rejected", ImageReason),
        ("Why a message becomes a dead letter", MessageReason),
        ("Why a position has no forced flux", ForcedReason),
        ("Why there is no stamp", StampReason),
        ("Why the archive has no image", ArchiveReason),
    ],
)
def test_the_contract_lists_every_code_once(heading: str, enum: type[StrEnum]) -> None:
    assert sorted(codes_in_docs(heading)) == sorted(enum)
