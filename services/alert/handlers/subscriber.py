"""One VTP subscriber: what it hears, what it says, and when it is cut off."""

import asyncio
import struct
from concurrent.futures import Executor

from runtime.settings import VtpSettings
from services.alert.metrics import VTP_PACKETS
from services.alert.steps.transport import (
    MAX_FRAME_BYTES,
    Filters,
    TransportError,
    build_transport,
    compile_filters,
    frame,
    matches,
    parse_peer_message,
)

__all__ = ["Subscriber"]

_HEARTBEATS_UNTIL_SILENT = 3
_FILTER_TIMEOUT_S = 5.0
_WRITE_BUFFER_BYTES = 1 << 16


class Subscriber:
    """A connection with its own queue: whatever it does, nobody waits for it.

    Parameters
    ----------
    reader, writer : asyncio streams
        The connection; aborted when `run` returns.
    settings : VtpSettings
        Heartbeat and queue length.
    local_ivo : str
        Our name.
    executor : Executor
        Where filters are evaluated.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        settings: VtpSettings,
        local_ivo: str,
        executor: Executor,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._settings = settings
        self._local_ivo = local_ivo
        self._executor = executor
        self._queue: asyncio.Queue[tuple[bytes, bool]] = asyncio.Queue(settings.queue_length)
        self._overflowed = asyncio.Event()
        self._filters: Filters = ()
        self._last_heard_s = asyncio.get_running_loop().time()
        writer.transport.set_write_buffer_limits(high=_WRITE_BUFFER_BYTES)

    def offer(self, packet: bytes) -> None:
        """Queue a VOEvent; a subscriber whose queue is full is cut off, not waited for."""
        self._put(packet, is_event=True)

    def _put(self, document: bytes, *, is_event: bool) -> None:
        try:
            self._queue.put_nowait((document, is_event))
        except asyncio.QueueFull:
            self._overflowed.set()

    async def run(self) -> str:
        """Serve until the connection ends; return why it did, a stable code."""
        self._put(build_transport("authenticate", self._local_ivo), is_event=False)
        tasks = [
            asyncio.create_task(part)
            for part in (self._listen(), self._speak(), self._beat(), self._watch_queue())
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._writer.transport.abort()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return next(iter(done)).result()

    async def _watch_queue(self) -> str:
        await self._overflowed.wait()
        return "slow"

    async def _listen(self) -> str:
        try:
            while True:
                (length,) = struct.unpack("!I", await self._reader.readexactly(4))
                if length > MAX_FRAME_BYTES:
                    return "oversize"
                self._hear(await self._reader.readexactly(length))
        except TransportError as error:
            return str(error)
        except (asyncio.IncompleteReadError, OSError):
            return "closed"

    def _hear(self, document: bytes) -> None:
        message = parse_peer_message(document)
        self._last_heard_s = asyncio.get_running_loop().time()
        if message.role == "authenticate":
            self._filters = compile_filters(message.filters)

    async def _speak(self) -> str:
        try:
            while True:
                document, is_event = await self._queue.get()
                if is_event and not await self._wants(document):
                    continue
                self._writer.write(frame(document))
                await self._writer.drain()
                VTP_PACKETS.inc(is_event)
        except TimeoutError:
            return "bad_filter"
        except OSError:
            return "closed"

    async def _wants(self, packet: bytes) -> bool:
        if not self._filters:
            return True
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(_FILTER_TIMEOUT_S):
            return await loop.run_in_executor(self._executor, matches, self._filters, packet)

    async def _beat(self) -> str:
        loop = asyncio.get_running_loop()
        longest_s = _HEARTBEATS_UNTIL_SILENT * self._settings.iamalive_s
        while loop.time() - self._last_heard_s <= longest_s:
            await asyncio.sleep(self._settings.iamalive_s)
            self._put(build_transport("iamalive", self._local_ivo), is_event=False)
        return "silent"
