"""What is remembered of waiting looks follows the database, and nothing that was undone."""

import asyncpg
import numpy as np

from services.associate.storage import Catalogue
from services.associate.storage.waiting_source_cache import WaitingSourceCache
from tests.support.association import Associator, associator
from tests.support.forced_results import measure, store
from tests.support.records import image

HERE, THERE = (123.0, 10.0), (124.0, 10.5)
_STORED = (
    "select distinct unnest(source_ids) as id from waiting_timestep "
    "join stream on stream.id = stream_id where name = $1"
)


async def load_waiting(
    case: Associator, connection: asyncpg.Connection, remembered: WaitingSourceCache
) -> tuple[int, set[int]]:
    """Return how many timesteps wait, and which of all sources, by what is remembered."""
    catalogue = Catalogue(connection, waiting_sources=remembered)
    stream = await catalogue.lock_stream(case.stream)
    assert stream is not None
    ids = np.array([row["id"] for row in await case.sources()])
    n_timesteps, waiting_ids = (await catalogue.load_waiting(stream.id)).find(ids)
    return n_timesteps, set(waiting_ids.tolist())


async def test_what_is_remembered_follows_requests_and_answers(postgres_url: str) -> None:
    remembered = WaitingSourceCache()
    async with associator(postgres_url) as case, case.pool.acquire() as connection:
        for step, places in enumerate(([HERE, THERE], [HERE], [HERE])):
            await case.feed(image(step, places))
            stored = {row["id"] for row in await case.rows(_STORED, case.stream)}
            async with connection.transaction():
                assert await load_waiting(case, connection, remembered) == (step, stored)
        for n_left, request in zip((1, 0), case.requests, strict=True):
            await store(case, measure(request, 0.001))
            stored = {row["id"] for row in await case.rows(_STORED, case.stream)}
            async with connection.transaction():
                assert await load_waiting(case, connection, remembered) == (n_left, stored)


async def test_a_row_that_was_undone_is_not_remembered(postgres_url: str) -> None:
    remembered = WaitingSourceCache()
    async with associator(postgres_url) as case, case.pool.acquire() as connection:
        await case.feed(image(0, [HERE, THERE]))
        await case.feed(image(1, [HERE]))
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute(
            "update waiting_timestep set source_ids = '{}' from stream "
            "where stream.id = stream_id and name = $1",
            case.stream,
        )
        assert await load_waiting(case, connection, remembered) == (1, set())
        await transaction.rollback()
        stored = {row["id"] for row in await case.rows(_STORED, case.stream)}
        async with connection.transaction():
            assert await load_waiting(case, connection, remembered) == (1, stored)
    assert stored
