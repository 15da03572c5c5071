"""Tests that the documentation names exist."""

import re
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[3]
_NAMED = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")
_PAGES = sorted(
    page for page in (_ROOT / "docs").rglob("*.md") if _NAMED.search(page.read_text("utf-8"))
)


@pytest.mark.parametrize("page", _PAGES, ids=lambda page: str(page.relative_to(_ROOT)))
def test_every_test_that_is_named_exists(page: Path) -> None:
    missing = []
    for path, name in _NAMED.findall(page.read_text("utf-8")):
        file = _ROOT / path
        if not file.exists() or (name and f"def {name}(" not in file.read_text("utf-8")):
            missing.append(f"{path}::{name}")
    assert missing == []


def test_some_pages_name_tests() -> None:
    assert {"deployment.md", "pages.md", "transients.md"} <= {page.name for page in _PAGES}
