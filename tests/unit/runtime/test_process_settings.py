"""A process reads the sections that are its own, and no other."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

from runtime import settings as settings_module
from runtime.errors import SettingsError
from runtime.settings import (
    AlertProcessSettings,
    ApiProcessSettings,
    ArchiveProcessSettings,
    AssociateProcessSettings,
    DistributeProcessSettings,
    ExtractProcessSettings,
    IngestProcessSettings,
    Settings,
    load_settings,
)

ROOT = Path(settings_module.__file__).parents[2]
PROCESSES: dict[str, type[BaseModel]] = {
    "services/ingest": IngestProcessSettings,
    "services/extract": ExtractProcessSettings,
    "services/associate": AssociateProcessSettings,
    "services/alert": AlertProcessSettings,
    "services/distribute": DistributeProcessSettings,
    "services/archive": ArchiveProcessSettings,
    "api": ApiProcessSettings,
}
SHARED = {"kafka", "postgres", "metrics", "logging"}
OWN = {
    "services/ingest": {"ingest": "IngestSettings"},
    "services/extract": {"extract": "ExtractSettings", "ingest": "ImageLimits"},
    "services/associate": {"associate": "AssociateSettings"},
    "services/alert": {"alert": "AlertSettings"},
    "services/distribute": {
        "distribute": "DistributeSettings",
        "vtp": "VtpSettings",
        "alert": "Authority",
    },
    "services/archive": {"archive": "ArchiveSettings", "ingest": "ImageLimits"},
    "api": {"api": "ApiSettings", "archive": "ArchiveSettings", "extract": "RmsBounds"},
}


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in [each for each in os.environ if each.startswith("LIVETRAP_")]:
        monkeypatch.delenv(name)


def models_of(model: type[BaseModel]) -> Iterator[str]:
    """Give the names of a model and of all models in its fields."""
    yield model.__name__
    for field in model.model_fields.values():
        for kind in (field.annotation, *get_args(field.annotation)):
            for inner in (kind, *get_args(kind)):
                if isinstance(inner, type) and issubclass(inner, BaseModel):
                    yield from models_of(inner)


def sources(folder: str) -> Iterator[tuple[Path, ast.Module]]:
    """Give the files of a folder; nothing of those without the word is looked for."""
    for path in sorted((ROOT / folder).rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        yield path, ast.parse(text if "settings" in text else "")


def imported_names(tree: ast.Module) -> set[str]:
    return {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("runtime.settings")
        for alias in node.names
    }


def sections_read(tree: ast.Module) -> set[str]:
    """Return the sections of ``settings.<section>`` and ``self._settings.<section>``."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in Settings.model_fields:
            owner = node.value
            name = owner.id if isinstance(owner, ast.Name) else getattr(owner, "attr", "")
            if name.lstrip("_") == "settings":
                found.add(node.attr)
    return found


@pytest.mark.parametrize("folder", PROCESSES)
def test_a_process_has_its_own_sections_and_shared_ones(folder: str) -> None:
    sections = {
        name: getattr(field.annotation, "__name__", "")
        for name, field in PROCESSES[folder].model_fields.items()
        if name not in SHARED
    }
    assert sections == OWN[folder]


def test_a_shared_part_of_a_section_is_all_that_another_process_reads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LIVETRAP_INGEST__MAX_IMAGE_BYTES", "5000000")
    monkeypatch.setenv("LIVETRAP_INGEST__STREAM", "night1")
    limits = load_settings(ExtractProcessSettings).ingest
    assert limits.model_dump() == {
        "max_image_bytes": 5_000_000, "max_future_s": 86400.0, "cubes": "split"
    }  # fmt: skip
    assert load_settings(IngestProcessSettings).ingest.stream == "night1"


@pytest.mark.parametrize("folder", PROCESSES)
def test_no_source_file_touches_a_section_of_another_process(folder: str) -> None:
    kind = PROCESSES[folder]
    allowed = {*models_of(kind), "load_settings"}
    n_files = 0
    for path, tree in sources(folder):
        n_files += 1
        assert imported_names(tree) <= allowed, path
        assert sections_read(tree) <= set(kind.model_fields), path
    assert n_files > 3


def test_the_search_finds_imports_and_attributes() -> None:
    tree = ast.parse(
        "from runtime.settings import VtpSettings\nx = self._settings.vtp.port\ny = settings.api\n"
    )
    assert imported_names(tree) == {"VtpSettings"}
    assert sections_read(tree) == {"vtp", "api"}


def test_the_sections_of_all_processes_are_the_settings() -> None:
    sections = {name for kind in PROCESSES.values() for name in kind.model_fields}
    assert sections == set(Settings.model_fields)


def test_a_bad_value_of_another_process_does_not_matter(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "site.toml"
    file.write_text("[vtp]\nport = 'many'\n[extract]\nmargin_px = 20\n")
    monkeypatch.setenv("LIVETRAP_CONFIG", str(file))
    monkeypatch.setenv("LIVETRAP_ALERT__ROLE", "nonsense")
    assert load_settings(ExtractProcessSettings).extract.margin_px == 20
    with pytest.raises(SettingsError, match=r"LIVETRAP_(ALERT__ROLE|VTP__PORT)"):
        load_settings(AlertProcessSettings)


def test_a_misspelt_name_is_refused_by_every_process(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "site.toml"
    file.write_text("[vtp]\nprot = 8099\n")
    monkeypatch.setenv("LIVETRAP_CONFIG", str(file))
    with pytest.raises(
        SettingsError,
        match="LIVETRAP_VTP__PROT in the configuration file; did you mean LIVETRAP_VTP__PORT",
    ):
        load_settings(ExtractProcessSettings)
