"""A relative path in the settings means one folder, in whichever folder a process runs."""

import json
import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from runtime.settings import Settings, load_settings
from runtime.settings.paths import with_whole_paths

# Beside a path, what it needs to be accepted.
NEEDED = {
    ("kafka", "ssl_ca_location"): {"security_protocol": "ssl"},
    ("kafka", "ssl_certificate_location"): {"security_protocol": "ssl", "ssl_key_location": "k"},
    ("kafka", "ssl_key_location"): {"security_protocol": "ssl", "ssl_certificate_location": "c"},
    ("distribute", "email", "ca_file"): {"host": "h", "sender": "a@b", "recipients": ["a@b"]},
}
RELATIVE = "folder/../file"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [each for each in os.environ if each.startswith("LIVETRAP_")]:
        monkeypatch.delenv(name)


def kinds_in(annotation: object) -> Iterator[type]:
    if isinstance(annotation, type):
        yield annotation
    for part in get_args(annotation):
        yield from kinds_in(part)


def paths_of(model: type[BaseModel]) -> Iterator[tuple[str, ...]]:
    """Give the place of each field that is a path, also in models inside a model."""
    for name, field in model.model_fields.items():
        for kind in kinds_in(field.annotation):
            if issubclass(kind, Path):
                yield (name,)
            elif issubclass(kind, BaseModel):
                yield from ((name, *rest) for rest in paths_of(kind))


PATHS = list(paths_of(Settings))


def section_with(path: tuple[str, ...], value: str) -> tuple[str, dict[str, Any]]:
    """Return a section's name and content, with a value at the place of a path."""
    section, *between, last = path
    content: dict[str, Any] = NEEDED.get(path, {}) | {last: value}
    for name in reversed(between):
        content = {name: content}
    return section, content


def loaded(path: tuple[str, ...]) -> Path:
    found: Any = load_settings()
    for name in path:
        found = getattr(found, name)
    assert isinstance(found, Path)
    return found


def put(monkeypatch: pytest.MonkeyPatch, path: tuple[str, ...], value: str) -> None:
    section, content = section_with(path, value)
    for name, each in content.items():
        text = each if isinstance(each, str) else json.dumps(each)
        monkeypatch.setenv(f"LIVETRAP_{section.upper()}__{name.upper()}", text)


def test_the_paths_are_found() -> None:
    assert {("alert", "rules"), ("kafka", "ssl_ca_location")} < set(PATHS)
    assert ("distribute", "email", "ca_file") in PATHS
    assert len(PATHS) >= 9


def text_fields(model: type[BaseModel]) -> Iterator[tuple[str, str]]:
    """Give name and description of each field that is a text, and not a path."""
    for name, field in model.model_fields.items():
        kinds = set(kinds_in(field.annotation))
        if kinds <= {str, type(None)}:
            yield name, field.description or ""
        for kind in kinds:
            if issubclass(kind, BaseModel):
                yield from text_fields(kind)


def test_what_names_a_file_is_a_path() -> None:
    """But the address of the archive, which refuses a relative folder."""
    words = {"file", "files", "folder", "pem", "path", "directory"}
    named = {
        name
        for name, text in text_fields(Settings)
        if words & set(re.findall(r"[a-z]+", text.lower()))
    }
    assert named == {"url"}


@pytest.mark.parametrize("path", PATHS, ids=".".join)
def test_a_variable_means_the_folder_of_the_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, path: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    put(monkeypatch, path, RELATIVE)
    assert loaded(path) == tmp_path / RELATIVE
    # A program of a stack runs in the data folder.
    monkeypatch.setenv("LIVETRAP_WORK_DIR", "/where/up/was/given")
    assert loaded(path) == Path("/where/up/was/given") / RELATIVE
    put(monkeypatch, path, "/whole")
    assert loaded(path) == Path("/whole")


@pytest.mark.parametrize("path", PATHS, ids=".".join)
@pytest.mark.parametrize("named", ["site/livetrap.toml", "{}/site/livetrap.toml"])
def test_a_path_in_a_file_means_the_folder_of_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, path: tuple[str, ...], named: str
) -> None:
    section, content = section_with(path, RELATIVE)
    file = tmp_path / "site" / "livetrap.toml"
    file.parent.mkdir()
    file.write_text(to_toml(section, content))
    assert tomllib.loads(file.read_text()) == {section: content}
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LIVETRAP_CONFIG", named.format(tmp_path))
    monkeypatch.setenv("LIVETRAP_WORK_DIR", "/elsewhere")
    assert loaded(path) == tmp_path / "site" / RELATIVE


def to_toml(section: str, content: dict[str, Any]) -> str:
    plain = {name: each for name, each in content.items() if not isinstance(each, dict)}
    lines = [f"[{section}]", *(f"{name} = {json.dumps(each)}" for name, each in plain.items())]
    for name, each in content.items():
        if isinstance(each, dict):
            lines.append(to_toml(f"{section}.{name}", each))
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("path", PATHS, ids=".".join)
def test_an_empty_variable_is_no_path(
    monkeypatch: pytest.MonkeyPatch, path: tuple[str, ...]
) -> None:
    section, *_, last = path
    if len(path) == 2:
        monkeypatch.setenv(f"LIVETRAP_{section.upper()}__{last.upper()}", "")
        assert getattr(getattr(load_settings(), section), last) is None


def test_paths_in_lists_and_beside_unknown_names_are_found() -> None:
    class Inner(BaseModel):
        file: Path | None = None
        text: str = "a"

    class Outer(BaseModel):
        many: tuple[Inner, ...] = ()
        files: tuple[Path, ...] = ()

    values = {
        "many": [{"file": "a", "text": "b"}, {"file": "/c", "wrong": "d"}, "e"],
        "files": ["f", "/g"],
        "unknown": "h",
    }
    assert with_whole_paths(Outer, values, Path("/top")) == {
        "many": [{"file": "/top/a", "text": "b"}, {"file": "/c", "wrong": "d"}, "e"],
        "files": ["/top/f", "/g"],
        "unknown": "h",
    }
