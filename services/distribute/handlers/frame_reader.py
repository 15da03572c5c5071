"""Documents from a VTP subscriber, read no faster than its address may send."""

import asyncio
import struct
from typing import cast

from services.distribute.errors import TransportError
from services.distribute.steps.read_budget import ReadBudget
from services.distribute.steps.transport import MAX_FRAME_BYTES

__all__ = ["FrameReader"]

# A document must be complete this long after its first byte, waiting for the budget aside.
_FRAME_TIMEOUT_S = 10.0
_READ_BYTES = 16_384
_BYTES_PER_UNIT = 1024
_HEADER_BYTES = 4


class FrameReader:
    """Reads documents behind their length; while the budget is spent, the kernel keeps the rest.

    The socket is read only while a document is waited for, so a peer can neither fill the memory
    nor wake the event loop for every byte that it sends.

    Parameters
    ----------
    reader : asyncio.StreamReader
        What the peer sends.
    writer : asyncio.StreamWriter
        Of the same connection.
    budget : ReadBudget
        What all connections together may cost.
    host : str
        Address of the peer.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        budget: ReadBudget,
        host: str,
    ) -> None:
        self._reader = reader
        # One that is read from and written to.
        self._transport = cast("asyncio.Transport", writer.transport)
        self._budget = budget
        self._host = host
        self._buffer = bytearray()
        self._waited_s = 0.0

    async def read(self) -> bytes:
        """Return the next document.

        Raises
        ------
        TransportError
            If it is too long, which its length tells before it is read, or takes too long.
        EOFError
            If the peer closed the connection.
        """
        while (document := self._take()) is None:
            await self._fill()
        self._waited_s = 0.0
        await self._spend(1)
        return document

    def refund(self, document: bytes) -> None:
        """Give back what a document cost: it was welcome."""
        self._budget.refund(self._host, 2 + len(document) / _BYTES_PER_UNIT)

    def _take(self) -> bytes | None:
        """Return the first document of the buffer, or None until it is complete."""
        if len(self._buffer) < _HEADER_BYTES:
            return None
        (length,) = struct.unpack_from("!I", self._buffer)
        if length > MAX_FRAME_BYTES:
            raise TransportError("oversize")
        end = _HEADER_BYTES + length
        if len(self._buffer) < end:
            return None
        document = bytes(self._buffer[_HEADER_BYTES:end])
        del self._buffer[:end]
        return document

    async def _fill(self) -> None:
        loop = asyncio.get_running_loop()
        started_s = loop.time()
        # Between documents a peer may be silent; in the middle of one it may not.
        left_s = _FRAME_TIMEOUT_S - self._waited_s if self._buffer else None
        self._transport.resume_reading()
        try:
            async with asyncio.timeout(left_s):
                data = await self._reader.read(_READ_BYTES)
        except TimeoutError as error:
            raise TransportError("stalled") from error
        finally:
            self._transport.pause_reading()
        if not data:
            raise EOFError
        self._waited_s += loop.time() - started_s if self._buffer else 0.0
        self._buffer += data
        await self._spend(1 + len(data) / _BYTES_PER_UNIT)

    async def _spend(self, units: float) -> None:
        loop = asyncio.get_running_loop()
        if delay_s := self._budget.spend(self._host, units, loop.time()):
            await asyncio.sleep(delay_s)
