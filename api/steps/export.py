"""Tables that are encoded while their rows arrive, so that memory does not grow with them."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from api.steps.lightcurve_tables import LightCurveTable

__all__ = ["encode_table"]


async def encode_table(
    table: LightCurveTable,
    chunks: AsyncGenerator[Sequence[Mapping[str, Any]], None],
    *,
    convert: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None = None,
) -> AsyncGenerator[bytes, None]:
    """Return a table in pieces of one chunk of rows; a thread converts and encodes each.

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
    async with aclosing(chunks):
        async for rows in chunks:
            yield piece + await asyncio.to_thread(encode, rows)
            piece = b""
    yield piece + table.footer()
