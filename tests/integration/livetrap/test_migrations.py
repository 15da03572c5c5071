"""Migrations on a real PostgreSQL."""

from concurrent.futures import ThreadPoolExecutor

import asyncpg
import pytest

from livetrap.database.migrations import load_migrations, migrate
from runtime.errors import FatalError, TransientError
from runtime.sql import load_statement


async def _new_database(postgres_url: str, name: str) -> str:
    connection = await asyncpg.connect(postgres_url)
    await connection.execute(f"drop database if exists {name}")
    await connection.execute(f"create database {name}")
    await connection.close()
    return postgres_url.rsplit("/", 1)[0] + "/" + name


async def test_two_at_once_apply_every_file_exactly_once(postgres_url: str):
    url = await _new_database(postgres_url, "two_at_once")
    with ThreadPoolExecutor(2) as pool:
        applied = [name for done in pool.map(migrate, [url, url]) for name in done]
    assert applied == [migration.name for migration in load_migrations()]


async def test_a_changed_old_file_is_refused(postgres_url: str):
    url = await _new_database(postgres_url, "changed_file")
    with ThreadPoolExecutor(1) as pool:
        pool.submit(migrate, url).result()
        connection = await asyncpg.connect(url)
        await connection.execute("update schema_migration set sha256 = 'other'")
        await connection.close()
        with pytest.raises(FatalError, match="was changed after this database applied it"):
            pool.submit(migrate, url).result()


_OLD_FILES = ("0001_first_slice.sql", "0002_catalogue_growth.sql", "0007_told_position.sql")


async def test_a_database_of_an_unreleased_version_is_refused_in_one_line(postgres_url: str):
    url = await _new_database(postgres_url, "unreleased")
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(
            load_statement("livetrap.database", "create_schema_migration").text
        )
        for name in _OLD_FILES:
            await connection.execute("insert into schema_migration values ($1, 'x')", name)
        with (
            ThreadPoolExecutor(1) as pool,
            pytest.raises(
                FatalError, match=r"^this database was created .*create an empty"
            ) as refused,
        ):
            pool.submit(migrate, url).result()
        assert "0001_first_slice.sql, now 0001_schema.sql" in str(refused.value)
        assert "\n" not in str(refused.value)
        assert await connection.fetchval("select to_regclass('stream')") is None
    finally:
        await connection.close()


def test_an_unavailable_database_is_named():
    with pytest.raises(TransientError, match="PostgreSQL is unavailable"):
        migrate("postgresql://livetrap@127.0.0.1:1/livetrap")


async def test_events_of_older_storms_get_the_identity_of_their_storm(postgres_url: str):
    url = await _new_database(postgres_url, "older_storms")
    with ThreadPoolExecutor(1) as pool:
        pool.submit(migrate, url).result()
    (change,) = (each for each in load_migrations() if each.name.startswith("0089"))
    event = '{"time_start": "2026-03-01T23:59:30.5Z"}'
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(
            "alter table suppressed_event drop column storm, drop column time_decided"
        )
        for event_id, image_id, reason, is_released in (
            ("a", "1f", "image 1f brought 60 candidates, more than 50", False),
            ("b", "1f", "image 1f brought more than 50 candidates", True),
            ("c", "2e", "2026-03-01T23:59Z brought more than 300 candidates", False),
            ("d", "3d", "image 3d shows side lobes of a bright source as new sources; ...", False),
        ):
            await connection.execute(
                "insert into suppressed_event "
                "(event_id, trig_id, stream, image_id, reason, event, time_released) values "
                "($1, $1, 'night', $2, $3, $4, case when $5 then now() end)",
                event_id, image_id, reason, event, is_released,
            )  # fmt: skip
        await connection.execute(change.text)
        rows = await connection.fetch(
            "select storm, time_decided is not null from suppressed_event order by event_id"
        )
    finally:
        await connection.close()
    assert [tuple(row) for row in rows] == [
        ("1f", True), ("1f", True), ("2026-03-01T23:59Z", False),
        ("night.2026-03-01.side_lobes", False),
    ]  # fmt: skip
