"""Which programs a stack has."""

import os
from pathlib import Path

import pytest

from livetrap.stack.plan import UpOptions, make_plan
from livetrap.stack.programs import prepare


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
