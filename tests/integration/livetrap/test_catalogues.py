"""A reference catalogue that rules or subscriptions name stays where it is."""

from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from tests.support.life_cycle import livetrap
from tests.support.loaded_catalogue import loaded_catalogue


@pytest.fixture
async def catalogue(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[str]:
    """Name of a catalogue of one source."""
    monkeypatch.setenv("LIVETRAP_POSTGRES__URL", postgres_url)
    monkeypatch.setenv("LIVETRAP_DATA_DIR", str(tmp_path / "no-stack"))
    async with loaded_catalogue(tmp_path, [(123.4, 45.6)]) as name:
        yield name


async def test_a_catalogue_that_a_rule_vetoes_by_is_not_deleted(
    catalogue: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    path = tmp_path / "rules.toml"
    text = f"[[rule]]\nname = 'unknown'\nwhen = \"snr > 5 and not matches('{catalogue}', 60)\"\n"
    path.write_text(text)
    monkeypatch.setenv("LIVETRAP_ALERT__RULES", str(path))
    assert await livetrap("catalogues", "delete", catalogue) == 2
    assert "named by rule 'unknown'" in capsys.readouterr().err
    assert await livetrap("rules", "check", str(path)) == 0
    path.write_text("[[rule]]\nname = 'all'\nwhen = 'snr > 5'\n")


async def test_a_catalogue_that_a_subscription_names_is_not_deleted(
    catalogue: str, postgres_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    connection = await asyncpg.connect(postgres_url)
    rules = {f"s-{catalogue}": f"matches('{catalogue}', 5)", f"x-{catalogue}": "matches("}
    await connection.executemany(
        "insert into subscription (name, owner, rule, channel, target) "
        "values ($1, 'me', $2, 'sse', '')",
        rules.items(),
    )
    assert await livetrap("catalogues", "delete", catalogue) == 2
    assert f"named by subscription 's-{catalogue}';" in capsys.readouterr().err
    await connection.execute("delete from subscription where name = any($1)", list(rules))
    await connection.close()
