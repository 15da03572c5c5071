"""What waits is taken together, in order; an error of the source is the reader's."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from services.alert.app.batches import in_batches


async def source(n: int, *, pause_s: float = 0.0) -> AsyncIterator[int]:
    for number in range(n):
        yield number
        await asyncio.sleep(pause_s)


async def test_what_has_come_meanwhile_is_one_batch() -> None:
    batches = []
    async for batch in in_batches(source(50), most=20):
        batches.append(batch)
        await asyncio.sleep(0.02)  # the work, during which more come
    assert [number for batch in batches for number in batch] == list(range(50))
    assert len(batches) <= 5
    assert max(len(batch) for batch in batches) <= 20


async def test_it_reads_no_further_ahead_than_a_batch() -> None:
    n_read = 0

    async def counted() -> AsyncIterator[int]:
        nonlocal n_read
        for number in range(1000):
            n_read += 1
            yield number

    batches = in_batches(counted(), most=5)
    await anext(batches)
    await asyncio.sleep(0.02)
    assert n_read <= 12
    await batches.aclose()  # type: ignore[attr-defined]


async def test_a_lone_item_comes_at_once() -> None:
    async with asyncio.timeout(5):
        assert await anext(in_batches(source(2, pause_s=60.0), most=9)) == [0]


async def test_an_error_of_the_source_comes_behind_what_was_read() -> None:
    async def failing() -> AsyncIterator[int]:
        yield 1
        raise OSError("gone")

    batches = in_batches(failing(), most=3)
    assert await anext(batches) == [1]
    with pytest.raises(OSError, match="gone"):
        await anext(batches)
