"""Every query of the API, prepared by PostgreSQL."""

from pathlib import Path

import asyncpg
import pytest

from runtime.sql import load_statement

QUERIES = Path(__file__).parents[3] / "api" / "queries"


@pytest.mark.parametrize("query", sorted(path.stem for path in QUERIES.glob("*.sql")))
async def test_every_query_fits_the_schema(postgres_url: str, query: str) -> None:
    connection = await asyncpg.connect(postgres_url)
    try:
        prepared = await connection.prepare(load_statement("api", query).text)
        assert prepared.get_attributes()
    finally:
        await connection.close()


async def test_a_function_of_each_row_keeps_its_plan(postgres_url: str) -> None:
    connection = await asyncpg.connect(postgres_url)
    try:
        planned_each_time = await connection.fetch(
            "select proname from pg_proc where proname = any($1) "
            "and proconfig is distinct from array['plan_cache_mode=force_generic_plan']",
            ["source_variability", "source_spectral_index", "nearest_source_arcsec"],
        )
        assert not planned_each_time
    finally:
        await connection.close()
