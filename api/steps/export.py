"""Tables that are encoded while their rows arrive, so that memory does not grow with them."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any, TypeVar

from api.steps.lightcurve_tables import LightCurveTable

__all__ = ["encode_table", "read_ahead"]

T = TypeVar("T")


async def read_ahead(chunks: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
    """Yield chunks; the next one is read while the reader has one.

    Parameters
    ----------
    chunks : async generator
        Closed at the end.

    Yields
    ------
    object
        Each chunk.
    """
    async with aclosing(chunks):
        coming = asyncio.ensure_future(_take(chunks))
        try:
            while chunk := await coming:
                coming = asyncio.ensure_future(_take(chunks))
                yield chunk[0]
        finally:
            # It runs in the generator: what is not awaited here could not be closed.
            coming.cancel()
            await asyncio.wait([coming])


async def _take(chunks: AsyncGenerator[T, None]) -> tuple[T] | None:
    """Return the next chunk, None if there is none."""
    async for chunk in chunks:
        return (chunk,)
    return None


async def encode_table(
    table: LightCurveTable,
    chunks: AsyncGenerator[Sequence[Mapping[str, Any]], None],
    *,
    convert: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None = None,
) -> AsyncGenerator[bytes, None]:
    """Return a table in pieces of one chunk of rows; a thread converts and encodes each.

    PostgreSQL prepares the next chunk meanwhile.

    Parameters
    ----------
    table : LightCurveTable
        Format.
    chunks : async generator of sequences of mappings
        Rows; closed at the end.
    convert : callable, optional
        Makes a row of the table of one of the chunks.

    Yields
    ------
    bytes
        The header with the first rows, further rows, and the footer.
    """

    def encode(rows: Sequence[Mapping[str, Any]]) -> bytes:
        return table.rows(rows if convert is None else [convert(row) for row in rows])

    piece = table.header()
    async with aclosing(read_ahead(chunks)) as coming:
        async for rows in coming:
            yield piece + await asyncio.to_thread(encode, rows)
            piece = b""
    yield piece + table.footer()
