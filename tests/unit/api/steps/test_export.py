"""Tables are encoded in pieces, beside the event loop."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

import pytest

from api.steps.export import encode_table, read_ahead
from api.steps.lightcurve_tables import CsvTable


async def give() -> AsyncGenerator[Sequence[Mapping[str, Any]], None]:
    yield [{"n": 1}, {"n": 2}]
    yield [{"n": 3}]


async def test_rows_are_converted_and_encoded_in_another_thread() -> None:
    threads = set()

    def convert(row: Mapping[str, Any]) -> Mapping[str, Any]:
        threads.add(threading.current_thread())
        return {"line": f"{row['n']}!"}

    table = CsvTable()
    pieces = [piece async for piece in encode_table(table, give(), convert=convert)]
    assert b"".join(pieces) == table.header() + b"1!\n2!\n3!\n"
    assert threading.current_thread() not in threads


async def test_the_next_chunk_is_read_while_the_reader_has_one() -> None:
    asked = asyncio.Event()

    async def chunks() -> AsyncGenerator[int, None]:
        yield 1
        asked.set()
        yield 2

    async with aclosing(read_ahead(chunks())) as ahead:
        assert await anext(ahead) == 1
        await asked.wait()  # for ever, were it read when the reader asks
        assert [chunk async for chunk in ahead] == [2]


async def test_a_reader_that_leaves_ends_what_is_read_ahead() -> None:
    is_closed = asyncio.Event()
    is_waiting = asyncio.Event()

    async def chunks() -> AsyncGenerator[int, None]:
        try:
            yield 1
            is_waiting.set()
            await asyncio.Event().wait()
        finally:
            is_closed.set()

    async with aclosing(read_ahead(chunks())) as ahead:
        await anext(ahead)
        await is_waiting.wait()
    assert is_closed.is_set()


async def test_an_error_of_a_chunk_read_ahead_comes_after_the_chunk_before() -> None:
    async def chunks() -> AsyncGenerator[int, None]:
        yield 1
        raise ValueError("lost")

    ahead = read_ahead(chunks())
    assert await anext(ahead) == 1
    with pytest.raises(ValueError, match="lost"):
        await anext(ahead)
