"""The plans of statements whose number of rows depends on their values."""

from datetime import timedelta

import numpy as np

from services.associate.models.contradictions import JudgementTimes
from services.associate.storage import Catalogue
from sky.geometry import probe_zones
from tests.support.association import associator
from tests.support.records import image

N_SERVER_DECIDES = 5


async def test_null_detections_never_have_a_generic_plan(postgres_url: str) -> None:
    async with associator(postgres_url) as case:
        await case.feed(image(0, [(123.0, 10.0), (123.5, 10.2)]))
        await case.feed(image(1, [(123.0, 10.0)]))
        stream_id = (await case.sources())[0]["stream_id"]
        field = probe_zones(np.array([123.0]), np.array([10.0]), 9.0)
        waits = JudgementTimes(timedelta(seconds=0.5), timedelta(seconds=60))
        async with case.pool.acquire() as connection, connection.transaction():
            catalogue = Catalogue(connection)
            for n_detected in range(3 * N_SERVER_DECIDES):
                found = await catalogue.load_null_detections(
                    stream_id, -np.arange(1, n_detected + 1), waits, field
                )
                assert found.id.size == 2
            [plans] = await connection.fetch(
                "select generic_plans as n_generic, custom_plans as n_custom "
                "from pg_prepared_statements "
                "where statement like '-- Return known sources that a timestep does not%'"
            )
            mode = await connection.fetchval("show plan_cache_mode")
        assert plans["n_generic"] == 0
        assert plans["n_custom"] >= 3 * N_SERVER_DECIDES
        assert mode == "auto"
