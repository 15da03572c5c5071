"""The database of a test module, as commands reach it."""

from pathlib import Path

import pytest


@pytest.fixture
def reach_the_database(postgres_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let `livetrap` ask this database, not a running stack."""
    monkeypatch.setenv("LIVETRAP_POSTGRES__URL", postgres_url)
    monkeypatch.setenv("LIVETRAP_DATA_DIR", str(tmp_path / "no-stack"))
