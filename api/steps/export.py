"""Tables that are encoded while their rows arrive, so that memory does not grow with them."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from api.steps.lightcurve_tables import LightCurveTable

__all__ = ["encode_table"]


async def encode_table(
    table: LightCurveTable, chunks: AsyncGenerator[Sequence[Mapping[str, Any]], None]
) -> AsyncGenerator[bytes, None]:
    """Return a table in pieces of one chunk of rows; a thread encodes each.

    Parameters
    ----------
    table : LightCurveTable
        Format.
    chunks : async generator of sequences of mappings
        Rows; closed at the end.

    Yields
    ------
    bytes
        The header with the first rows, further rows, and the footer.
    """
    piece = table.header()
    async with aclosing(chunks):
        async for rows in chunks:
            yield piece + await asyncio.to_thread(table.rows, rows)
            piece = b""
    yield piece + table.footer()
