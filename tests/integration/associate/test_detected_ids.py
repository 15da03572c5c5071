"""What is remembered of the last timestep is what the database has, or it is read again."""

from datetime import timedelta

import asyncpg
import numpy as np

from runtime.settings import Settings
from services.associate.storage import Catalogue
from services.associate.storage.detected_ids import DetectedIds, KnownDetections
from tests.support.association import Associator, associator
from tests.support.records import image

HERE, THERE, BETWEEN = (123.0, 10.0), (124.0, 10.5), (123.5, 10.2)
TOLERANCE = timedelta(seconds=Settings().associate.timestep_tolerance_s)


async def load_detected(
    case: Associator, connection: asyncpg.Connection, remembered: DetectedIds
) -> set[int]:
    """Return what the last timestep detected, by what is remembered."""
    catalogue = Catalogue(connection, detected_ids=remembered)
    stream = await catalogue.lock_stream(case.stream)
    assert stream is not None
    return set((await catalogue._load_detected_ids(stream, TOLERANCE)).tolist())


async def stored_ids(case: Associator, step: int) -> set[int]:
    """Return the sources that the image of a step detected."""
    rows = await case.rows(
        "select source_id from detection join stream on stream.id = stream_id "
        "where name = $1 and time_start = $2 and extraction_type = 'blind'",
        case.stream,
        image(step, []).metadata.time_start,
    )
    return {row["source_id"] for row in rows}


async def learn(
    case: Associator, connection: asyncpg.Connection, remembered: DetectedIds, ids: list[int]
) -> None:
    """Remember other sources than the database has under the key of the last timestep."""
    (row,) = await case.rows(
        "select timestep.id, stream_id, time_start from timestep "
        "join stream on stream.id = stream_id where name = $1 order by timestep.id desc limit 1",
        case.stream,
    )
    known = KnownDetections((row["id"],), [(row["time_start"], np.array(ids, np.int64))])
    remembered.learn(row["stream_id"], known, server_pid=connection.get_server_pid())


async def test_the_last_timestep_alone_is_remembered(postgres_url: str) -> None:
    remembered = DetectedIds()
    async with associator(postgres_url) as case, case.pool.acquire() as connection:
        await case.feed(image(0, [HERE, THERE]))
        assert await load_detected(case, connection, remembered) == await stored_ids(case, 0)
        await learn(case, connection, remembered, [-1])
        assert await load_detected(case, connection, remembered) == {-1}
        await case.feed(image(1, [HERE]))
        assert await load_detected(case, connection, remembered) == await stored_ids(case, 1)


async def test_a_late_image_of_the_same_time_is_read(postgres_url: str) -> None:
    remembered = DetectedIds()
    async with associator(postgres_url) as case, case.pool.acquire() as connection:
        await case.feed(image(0, [HERE, THERE]))
        await learn(case, connection, remembered, [-1])
        await case.feed(image(0, [BETWEEN], freq_eff_hz=60e6))
        assert await load_detected(case, connection, remembered) == await stored_ids(case, 0)


async def test_another_connection_remembers_nothing(postgres_url: str) -> None:
    remembered = DetectedIds()
    async with associator(postgres_url) as case, case.pool.acquire() as connection:
        await case.feed(image(0, [HERE, THERE]))
        (row,) = await case.rows("select id from stream where name = $1", case.stream)
        await learn(case, connection, remembered, [-1])
        pid = connection.get_server_pid()
        assert remembered.of_stream(row["id"], server_pid=pid).timestep_ids
        assert not remembered.of_stream(row["id"], server_pid=pid + 1).timestep_ids


async def test_who_takes_partitions_anew_remembers_nothing(postgres_url: str) -> None:
    """A database that was restored behind a pooler has the same connection and other rows."""
    async with associator(postgres_url) as case:
        await case.feed(image(0, [HERE, THERE]))
        (row,) = await case.rows("select id from stream where name = $1", case.stream)
        known = case.handler._store._detected_ids
        pid = known._server_pid
        assert known.of_stream(row["id"], server_pid=pid).timestep_ids
        await case.handler.take_partitions(case.handler.partitions())
        known = case.handler._store._detected_ids
        assert not known.of_stream(row["id"], server_pid=pid).timestep_ids
