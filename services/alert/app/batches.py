"""Take together what waits: many events cost hardly more than one."""

import asyncio
from collections.abc import AsyncIterator
from typing import TypeVar

__all__ = ["in_batches"]

T = TypeVar("T")


async def in_batches(source: AsyncIterator[T], *, most: int) -> AsyncIterator[list[T]]:
    """Yield what has come meanwhile, in order; a lone item does not wait for company.

    Parameters
    ----------
    source : async iterator
        Read ahead by at most `most` items while a batch is worked on.
    most : int
        Items of a batch at most [-].
    """
    waiting: asyncio.Queue[T] = asyncio.Queue(most)

    async def read_ahead() -> None:
        async for item in source:
            await waiting.put(item)

    reading = asyncio.create_task(read_ahead())
    try:
        while (first := await _next(waiting, reading)) is not None:
            batch = [first]
            while len(batch) < most and not waiting.empty():
                batch.append(waiting.get_nowait())
            yield batch
    finally:
        reading.cancel()


async def _next(waiting: "asyncio.Queue[T]", reading: "asyncio.Task[None]") -> T | None:
    """Return the next item, None behind the last one; an error of the source is ours."""
    if waiting.empty():
        getting = asyncio.create_task(waiting.get())
        await asyncio.wait({getting, reading}, return_when=asyncio.FIRST_COMPLETED)
        if getting.done():
            return getting.result()
        getting.cancel()
    if waiting.empty():
        reading.result()
        return None
    return waiting.get_nowait()
