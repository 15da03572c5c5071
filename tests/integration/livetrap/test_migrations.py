"""Migrations on a real PostgreSQL."""

from concurrent.futures import ThreadPoolExecutor

import asyncpg
import pytest

from livetrap.operator.migrations import load_migrations, migrate
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


async def _apply(connection: asyncpg.Connection, n: int) -> None:
    """Apply the first migrations, as an older version did."""
    await connection.execute(
        "create table schema_migration (name text primary key, sha256 text not null, "
        "time_applied timestamptz not null default now())"
    )
    for migration in load_migrations()[:n]:
        await connection.execute(migration.text)
        await connection.execute(
            "insert into schema_migration values ($1, $2)", migration.name, migration.sha256
        )


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
    connection = await asyncpg.connect(url)
    try:
        await _apply(connection, 1)
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


_DELIVERED = """
insert into alert (
    ivorn, trig_id, revision, event_id, alert_type, role, stream, kind, ra, dec, snr,
    flux_peak_jy_beam, time_start, time_alert, voevent, notice, time_published, time_broadcast
)
select
    n::text, n::text, 0, n::text, 'initial', 'test', 's', 'new_source', 1, 1, 9, 1, now(), now(),
    '', '{}', now(), now()
from generate_series(1, 5) as n;
insert into subscriber (channel, name, since_alert_id) values
('webhook', 'some', 1), ('webhook', 'none', 1), ('vtp', 'some', 1);
insert into delivery
select n, channel, 'some', now(), case when n < 4 then now() end
from generate_series(2, 4) as n cross join (values ('webhook'), ('vtp')) as made (channel);
"""


async def test_a_webhook_of_the_fifth_schema_gets_nothing_again(postgres_url: str):
    url = await _new_database(postgres_url, "fifth_schema")
    connection = await asyncpg.connect(url)
    try:
        await _apply(connection, 5)
        await connection.execute(_DELIVERED)
        with ThreadPoolExecutor(1) as pool:
            pool.submit(migrate, url).result()
        rows = await connection.fetch(
            "select channel, name, since_alert_id from subscriber order by channel, name"
        )
        assert [tuple(row) for row in rows] == [
            ("vtp", "some", 1), ("webhook", "none", 1), ("webhook", "some", 3),
        ]  # fmt: skip
    finally:
        await connection.close()


def test_an_absent_database_server_is_said_to_be_away():
    with pytest.raises(TransientError, match="PostgreSQL is away"):
        migrate("postgresql://livetrap@127.0.0.1:1/livetrap")
