"""The statements of the version before the newest migration still fit the schema (ADR 0050)."""

import io
import subprocess
import tarfile
from pathlib import Path

import asyncpg
import pytest

from livetrap.database.migrations import load_migrations

ROOT = Path(__file__).parents[3]
PACKAGES = ("api", "livetrap", "runtime", "services")


def git(*arguments: str) -> bytes:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"no history: {done.stderr.decode().strip()}")
    return done.stdout


@pytest.fixture(scope="module")
def statements() -> dict[str, str]:
    """Statements by path, of the commit before that which added the newest migration."""
    newest = f"schemas/sql/{load_migrations()[-1].name}"
    added = git("log", "--diff-filter=A", "-1", "--format=%H", "--", newest).decode().strip()
    if not added:
        pytest.skip(f"{newest} is not committed")
    packed = git("archive", f"{added}^", *PACKAGES)
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        members = [each for each in archive if "/queries/" in each.name and each.isfile()]
        files = {each.name: archive.extractfile(each) for each in members}
        return {name: file.read().decode() for name, file in files.items() if file is not None}


async def test_every_statement_of_the_version_before_fits(
    postgres_url: str, statements: dict[str, str]
) -> None:
    assert len(statements) > 100
    connection = await asyncpg.connect(postgres_url)
    misfits = {}
    try:
        for name, text in statements.items():
            try:
                await connection.prepare(text)
            except asyncpg.PostgresError as error:
                misfits[name] = str(error)
        assert misfits == {}
        with pytest.raises(asyncpg.PostgresError, match="does not exist"):
            await connection.prepare("select gone from source")
    finally:
        await connection.close()
