"""The page's types are those of the API, its source is safe, and its size is bounded."""

import gzip
import re
from importlib import import_module
from pathlib import Path

import pytest

from api.handlers.web_page import PAGES

WEB = Path("api/web")
SOURCES = sorted(path for path in (WEB / "src").rglob("*") if path.suffix in (".ts", ".tsx"))
TYPES = "".join((WEB / "src" / name).read_text() for name in ("types.ts", "operation_types.ts"))
MIRRORS = re.findall(
    r"/\*\* (api\.models\.\S+) \*/\nexport interface \w+(?:<T>)? \{(.*?)\n\}", TYPES, re.DOTALL
)
FIRST_PAGE_BYTES = 60_000
ANY_PAGE_BYTES = 250_000


@pytest.mark.parametrize(("model", "body"), MIRRORS, ids=[model for model, _ in MIRRORS])
def test_an_interface_has_fields_of_its_model_alone(model: str, body: str) -> None:
    module, name = model.rsplit(".", 1)
    fields = getattr(import_module(module), name).model_fields
    for field, kind in re.findall(r"^  (\w+): (.*);$", body, re.MULTILINE):
        assert field in fields, f"{model} has no field {field}"
        takes_none = type(None) in getattr(fields[field].annotation, "__args__", ())
        assert takes_none <= ("null" in kind), f"{model}.{field} can be null"


def test_every_interface_names_its_model() -> None:
    assert len(MIRRORS) == len(re.findall(r"^export interface", TYPES, re.MULTILINE)) > 20


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_what_comes_from_outside_is_text(path: Path) -> None:
    forbidden = (
        r"innerHTML|outerHTML|insertAdjacentHTML|dangerouslySetInnerHTML|document\.write"
        r"|\beval\(|new Function"
    )
    assert not re.search(forbidden, path.read_text())
    assert len(path.read_text().splitlines()) <= 400


def test_pages_are_small_and_nothing_comes_from_another_host() -> None:
    files = [WEB / "built" / name for name in ("index.html", "app.css", "app.js")]
    assert sum(len(gzip.compress(path.read_bytes())) for path in files) <= FIRST_PAGE_BYTES
    every = [path for path in (WEB / "built").iterdir() if path.suffix != ".txt"]
    assert sum(len(gzip.compress(path.read_bytes())) for path in every) <= ANY_PAGE_BYTES
    for path in (WEB / "built").glob("*.html"):
        assert "//" not in path.read_text().replace("<!doctype html>", "")
    assert "http" not in (WEB / "built" / "app.css").read_text()


def test_what_is_shipped_has_its_licence() -> None:
    text = (WEB / "built" / "LICENSES.txt").read_text()
    assert "preact" in text
    assert "MIT" in text


def test_server_and_browser_know_the_same_pages() -> None:
    listed = re.search(r"PAGES = \[(.*?)\]", (WEB / "src" / "address.tsx").read_text())
    assert listed
    names = set(re.findall(r'"([\w-]+)"', listed[1])) - {"now"}
    assert set(PAGES) == names
