"""Partitions of detections: months of a stream with few of them share one."""

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import asyncpg
import pytest

from services.associate.storage import store as store_module
from tests.support.association import Associator, associator
from tests.support.records import image

PLACES = [(123.0, 10.0), (123.5, 10.5)]
# Days from the first of January on: each is in another month of a year and a half.
STEPS = tuple(range(0, 540, 45))


async def partitions(case: Associator) -> list[tuple[str, datetime, datetime]]:
    rows = await case.rows(
        "select part.* from stream cross join lateral detection_partitions(stream.id) as part "
        "where stream.name = $1 order by part.time_min",
        case.stream,
    )
    return [(row["name"], row["time_min"], row["time_end"]) for row in rows]


async def count(case: Associator) -> int:
    [row] = await case.rows(
        "select count(*) as n from detection join stream on stream.id = stream_id "
        "where stream.name = $1",
        case.stream,
    )
    return int(row["n"])


async def count_all(case: Associator) -> int:
    [row] = await case.rows("select count(*) as n from detection")
    return int(row["n"])


async def test_months_with_few_measurements_share_a_partition(postgres_url: str) -> None:
    async with associator(postgres_url) as case:
        for step in STEPS:
            await case.feed(image(step, PLACES))
        [(_, time_min, time_end)] = await partitions(case)
        assert time_min == datetime(2012, 1, 1, tzinfo=UTC)
        assert time_end > datetime(2013, 4, 1, tzinfo=UTC)
        assert [row["n_datapoints"] for row in await case.sources()] == [len(STEPS)] * 2
        # A late image of a month in between has its place there.
        await case.feed(image(100, PLACES))
        assert len(await partitions(case)) == 1
        assert await count(case) == 2 * len(STEPS) + 2


async def test_a_month_with_many_measurements_has_its_own(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with associator(postgres_url) as case:
        for step in STEPS[:4]:
            await case.feed(image(step, PLACES))
        monkeypatch.setattr(store_module, "_SMALL_BYTES", 0)
        for step in STEPS[4:]:
            await case.feed(image(step, PLACES))
        found = await partitions(case)
        # The months of the first four images together, and one for each further image.
        assert len(found) == 1 + len(STEPS) - 4
        assert all(time_end - time_min < timedelta(days=32) for _, time_min, time_end in found[1:])
        assert all(before[2] <= after[1] for before, after in pairwise(found))
        assert await count(case) == 2 * len(STEPS)


async def test_a_reader_does_not_hold_up_a_new_month(postgres_url: str) -> None:
    async with associator(postgres_url) as case:
        await case.feed(image(STEPS[0], PLACES))
        reader = await asyncpg.connect(postgres_url)
        async with reader.transaction():
            await reader.fetch("select * from detection limit 1")
            await case.feed(image(STEPS[1], PLACES))
        await reader.close()
        assert len(await partitions(case)) == 2
        assert await count(case) == 4


async def test_readers_of_everything_and_new_months_of_many_streams_go_side_by_side(
    postgres_url: str,
) -> None:
    """Neither ends as the victim of a deadlock, and nothing is missing."""
    is_over = False

    async def read() -> int:
        reader = await asyncpg.connect(postgres_url)
        n_read = 0
        while not is_over:
            await reader.fetch("select source_id, count(*) from detection group by 1")
            n_read += 1
        await reader.close()
        return n_read

    async def run_stream() -> Any:
        async with associator(postgres_url) as case:
            for step in STEPS:
                await case.feed(image(step, PLACES))
            return await count(case), len(await partitions(case))

    readers = [asyncio.create_task(read()) for _ in range(2)]
    results = await asyncio.gather(*(run_stream() for _ in range(4)))
    is_over = True
    assert min(await asyncio.gather(*readers)) > 0
    assert [n_rows for n_rows, _ in results] == [2 * len(STEPS)] * 4


async def test_expired_months_go_from_a_partition_that_has_later_ones(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "_MOST_DELETED", 7)
    async with associator(postgres_url, detection_retention_days=40) as case:
        for step in STEPS:
            await case.feed(image(step, PLACES))
        [(name, *_)] = await partitions(case)
        # Every stream of the database is looked at, and few rows go at a time.
        n_left = [await count_all(case)]
        while len(n_left) < 2 or n_left[-1] < n_left[-2]:
            case.handler.expiry._next_s = 0.0
            await case.handler.expiry.drop_expired()
            n_left.append(await count_all(case))
        assert max(before - after for before, after in pairwise(n_left[1:])) <= 7
        # The last image, and the one before, whose month ended within the forty days.
        assert await count(case) == 4
        assert [each[0] for each in await partitions(case)] == [name]
        # Once nothing of it is young enough it goes as a whole.
        monkeypatch.setattr(store_module, "_SMALL_BYTES", 0)
        await case.feed(image(STEPS[-1] + 90, PLACES))
        case.handler.expiry._next_s = 0.0
        await case.handler.expiry.drop_expired()
        assert name not in {each[0] for each in await partitions(case)}
        assert await count(case) == 2
