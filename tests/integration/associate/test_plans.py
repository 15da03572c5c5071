"""Plans of statements whose number of rows depends on their values: one serves them all."""

from collections.abc import AsyncIterator
from datetime import timedelta

import asyncpg
import numpy as np
import pytest

from runtime.sql import load_statement
from services.associate.models.contradictions import JudgementTimes
from services.associate.storage import Catalogue
from sky.geometry import probe_zones
from tests.support.association import Associator, associator
from tests.support.records import image

N_SERVER_DECIDES = 5
FIELD = probe_zones(np.array([123.0]), np.array([10.0]), 9.0)
WAITS = JudgementTimes(timedelta(seconds=0.5), timedelta(seconds=60))


@pytest.fixture(name="case")
async def _case(postgres_url: str) -> AsyncIterator[Associator]:
    """Give a stream with a null detection, and a source that its last timestep detected."""
    async with associator(postgres_url) as case:
        await case.feed(image(0, [(123.0, 10.0), (123.5, 10.2)]))
        await case.feed(image(1, [(123.0, 10.0)]))
        yield case


async def test_null_detections_are_those_of_the_field_and_of_the_timestep_before(
    case: Associator,
) -> None:
    ids = {round(row["ra"], 1): row["id"] for row in await case.sources()}
    async with case.pool.acquire() as connection, connection.transaction():
        catalogue = Catalogue(connection)
        stream = await catalogue.lock_stream(case.stream)
        assert stream is not None
        for n_detected in range(3 * N_SERVER_DECIDES):
            detected = -np.arange(1, n_detected + 1)
            found = await catalogue.load_null_detections(stream, detected, WAITS, FIELD)
            assert dict(zip(found.id, found.n_timesteps, strict=True)) == {
                ids[123.0]: 0, ids[123.5]: 1,
            }  # fmt: skip
            assert found.detected_again.size == 0
        both = np.array(list(ids.values()))
        found = await catalogue.load_null_detections(stream, both, WAITS, FIELD)
        assert found.id.size == 0
        assert found.detected_again.tolist() == [ids[123.5]]


async def test_the_generic_plan_of_null_detections_looks_every_row_up(case: Associator) -> None:
    async with case.pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        for table in ("source", "null_detection"):
            await _multiply(connection, table)
        await connection.execute("set local plan_cache_mode = force_generic_plan")
        text = load_statement("services.associate", "select_null_detections").text
        await connection.execute(f"prepare looked_at as {text}")
        plan = await connection.fetch(
            "explain execute looked_at (null, null, null, null, null, null)"
        )
        await connection.execute("deallocate looked_at")
        await transaction.rollback()
    lines = "\n".join(row[0] for row in plan)
    assert "using source_pkey on source" in lines
    assert "Seq Scan on source" not in lines
    assert "Seq Scan on null_detection" not in lines


@pytest.mark.parametrize(
    ("query", "table", "key", "n_parameters"),
    [("update_sources", "source", "id", 9), ("update_statistics", "source_band", "source_id", 16)],
)
async def test_known_rows_are_read_from_leaf_to_leaf_of_their_index(
    case: Associator, query: str, table: str, key: str, n_parameters: int
) -> None:
    async with case.pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await _multiply(connection, table)
        await connection.execute("set local plan_cache_mode = force_generic_plan")
        text = load_statement("services.associate", query).text
        await connection.execute(f"prepare written as {text}")
        values = ", ".join(["null"] * n_parameters)
        plan = await connection.fetch(f"explain execute written ({values})")
        await connection.execute("deallocate written")
        await transaction.rollback()
    lines = "\n".join(row[0] for row in plan)
    assert f"Index Scan using {table}_pkey on {table}" in lines
    assert f"{key} = ANY" in lines


async def _multiply(connection: asyncpg.Connection, table: str) -> None:
    """Copy a row 50 000 times under other keys and all over the sky, for this transaction."""
    await connection.execute("set local session_replication_role = replica")
    names = await connection.fetch(
        "select attname from pg_attribute where attrelid = $1::text::regclass and attnum > 0 "
        "and not attisdropped",
        table,
    )
    key = "id" if table == "source" else "source_id"
    spread = {
        key: f"{key} + 1000000 + copy",
        "zone": "(copy % 300)::smallint",
        "ra": "(ra + copy * 0.007)::numeric % 360",
    }
    columns = ", ".join(row["attname"] for row in names)
    values = ", ".join(spread.get(row["attname"], row["attname"]) for row in names)
    await connection.execute(
        # Names of this file, and of the schema.
        f"insert into {table} ({columns}) overriding system value "  # noqa: S608
        f"select {values} from (select * from {table} order by {key} limit 1) as one, "
        "generate_series(1, 50000) as copy"
    )
    await connection.execute(f"analyze {table}")


@pytest.mark.parametrize("table", ["source_band", "null_detection"])
async def test_no_row_of_a_hot_table_is_checked_against_another(
    case: Associator, table: str
) -> None:
    keys = await case.rows(
        "select conname from pg_constraint where contype = 'f' and conrelid = $1::text::regclass",
        table,
    )
    assert keys == []
