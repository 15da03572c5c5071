"""Which programs a stack has."""

import os
from pathlib import Path

import pytest

from livetrap.stack.plan import UpOptions, make_plan
from livetrap.stack.programs import environment_of, prepare
from runtime.settings import load_settings


def names_of(folder: Path) -> list[str]:
    """Return the programs of a stack that uses servers of others."""
    options = UpOptions(data_dir=folder, kafka="broker:9092", postgres="postgresql://a@b/c")
    prepared = prepare(options, make_plan(options), report=lambda _: None)
    return [each.name for each in prepared.programs]


def test_images_are_archived_only_where_there_is_a_place_for_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in [each for each in os.environ if each.startswith("LIVETRAP_")]:
        monkeypatch.delenv(name)
    without = names_of(tmp_path)
    monkeypatch.setenv("LIVETRAP_ARCHIVE__URL", str(tmp_path / "images"))
    assert names_of(tmp_path) == [*without, "archive-images"]
    assert "archive-images" not in without


def test_relative_paths_mean_to_a_program_what_they_mean_to_the_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in [each for each in os.environ if each.startswith("LIVETRAP_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LIVETRAP_ALERT__RULES", "rules.toml")
    monkeypatch.setenv("LIVETRAP_CACHE_DIR", "cache")
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    options = UpOptions(data_dir=data_dir, kafka="broker:9092", postgres="postgresql://a@b/c")
    plan = make_plan(options)
    prepared = prepare(options, plan, report=lambda _: None)
    for name, value in environment_of(plan, prepared, data_dir).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(data_dir)
    assert load_settings().alert.rules == tmp_path / "rules.toml"
    assert os.environ["LIVETRAP_CACHE_DIR"] == str(tmp_path / "cache")


def test_a_stack_starts_in_a_folder_that_is_deleted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    options = UpOptions(data_dir=tmp_path, kafka="broker:9092", postgres="postgresql://a@b/c")
    plan = make_plan(options)
    prepared = prepare(options, plan, report=lambda _: None)
    monkeypatch.delenv("LIVETRAP_WORK_DIR", raising=False)
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert "LIVETRAP_WORK_DIR" not in environment_of(plan, prepared, tmp_path)
