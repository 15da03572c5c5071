"""Migrations on a real PostgreSQL."""

from concurrent.futures import ThreadPoolExecutor

import asyncpg
import pytest

from livetrap.migrations import load_migrations, migrate
from runtime.errors import FatalError, TransientError

_FIRST_ROWS = """
insert into stream (name) values ('one'), ('other');
insert into image (
    image_id, stream_id, verdict, reasons, n_sources, source_cluster_id, source_topic,
    source_partition, source_offset, time_associated
)
select n::text, least(n, 2), 'accepted', '{}', 1, 'c', 't', 0, n, now()
from generate_series(1, 3) as n;
select ensure_detection_partition('2026-01-05'), ensure_detection_partition('2026-02-05');
insert into detection
select
    id, 0, case when id = 3 then '2026-02-05' else '2026-01-05' end::timestamptz, 1, 1, 'I',
    'blind', null, 10, 10, 1, 1, 1, 1, id / 100.0, 1, 10, 1, 1, 1, 0, 0
from image;
"""


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


async def test_measurements_of_the_first_schema_move_to_their_streams(postgres_url: str):
    url = await _new_database(postgres_url, "first_schema")
    first, *_ = load_migrations()
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(first.text)
        await connection.execute(
            "create table schema_migration (name text primary key, sha256 text not null, "
            "time_applied timestamptz not null default now())"
        )
        await connection.execute(
            "insert into schema_migration values ($1, $2)", first.name, first.sha256
        )
        await connection.execute(_FIRST_ROWS)
        with ThreadPoolExecutor(1) as pool:
            pool.submit(migrate, url).result()
        rows = await connection.fetch(
            "select stream_id, tableoid::regclass::text as place, flux_int_jy from detection "
            "order by flux_int_jy"
        )
        assert [tuple(row) for row in rows] == [
            (1, "detection_s1_2026_01", 0.01),
            (2, "detection_s2_2026_01", 0.02),
            (2, "detection_s2_2026_02", 0.03),
        ]
    finally:
        await connection.close()


def test_an_absent_database_server_is_said_to_be_away():
    with pytest.raises(TransientError, match="PostgreSQL is away"):
        migrate("postgresql://livetrap@127.0.0.1:1/livetrap")
