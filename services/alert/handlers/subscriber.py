"""One VTP subscriber: what it hears, what it says, and when it is cut off."""

import asyncio
import struct
from collections.abc import Callable
from concurrent.futures import Executor

from runtime.logging import get_logger
from runtime.settings import VtpSettings
from services.alert.handlers.delivery_log import DeliveryLog
from services.alert.metrics import VTP_PACKETS
from services.alert.steps.transport import (
    MAX_FRAME_BYTES,
    Filters,
    TransportError,
    build_transport,
    compile_filters,
    frame,
    ivorn_of,
    matches,
    parse_peer_message,
)

__all__ = ["Subscriber", "host_of"]

_HEARTBEATS_UNTIL_SILENT = 3
_FILTER_TIMEOUT_S = 5.0
_WRITE_BUFFER_BYTES = 1 << 16
_REMEMBERED = 2000
_FRAME_TIMEOUT_S = 10.0
_MOST_HEARD_PER_S = 2000


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
    book : callable
        Returns who has what; None while nobody keeps it.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        settings: VtpSettings,
        local_ivo: str,
        executor: Executor,
        book: Callable[[], DeliveryLog | None] = lambda: None,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._settings = settings
        self._local_ivo = local_ivo
        self._executor = executor
        self._book = book
        self._host = host_of(writer)
        self._name = ""
        self._second, self._n_heard = 0, 0
        # What this connection was offered, oldest first: sending again must not double it.
        self._offered: dict[str, None] = {}
        self._catching_up: asyncio.Task[None] | None = None
        # Document, whether it is a VOEvent, and its name if it is one of ours.
        self._queue: asyncio.Queue[tuple[bytes, bool, str]] = asyncio.Queue(settings.queue_length)
        self._overflowed = asyncio.Event()
        self._filters: Filters = ()
        self._last_heard_s = asyncio.get_running_loop().time()
        writer.transport.set_write_buffer_limits(high=_WRITE_BUFFER_BYTES)

    def offer(self, packet: bytes) -> None:
        """Queue a VOEvent, once; a subscriber whose queue is full is cut off, not waited for."""
        ivorn = ivorn_of(packet)
        if ivorn in self._offered:
            return
        self._offered[ivorn] = None
        if len(self._offered) > _REMEMBERED:
            del self._offered[next(iter(self._offered))]
        self._put(packet, is_event=True, ivorn=ivorn)

    def relay(self, packet: bytes) -> None:
        """Queue a VOEvent of another author."""
        self._put(packet, is_event=True)

    def _put(self, document: bytes, *, is_event: bool, ivorn: str = "") -> None:
        try:
            self._queue.put_nowait((document, is_event, ivorn))
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
            others = [] if self._catching_up is None else [self._catching_up]
            for task in (*tasks, *others):
                task.cancel()
            await asyncio.gather(*tasks, *others, return_exceptions=True)
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
                async with asyncio.timeout(_FRAME_TIMEOUT_S):
                    document = await self._reader.readexactly(length)
                if self._is_chatty():
                    return "chatty"
                self._hear(document)
        except TransportError as error:
            return str(error)
        except TimeoutError:
            return "stalled"
        except (asyncio.IncompleteReadError, OSError):
            return "closed"

    def _is_chatty(self) -> bool:
        """Count what it says in a second; nobody has that much to acknowledge."""
        second = int(asyncio.get_running_loop().time())
        if second != self._second:
            self._second, self._n_heard = second, 0
        self._n_heard += 1
        return self._n_heard > _MOST_HEARD_PER_S

    def _hear(self, document: bytes) -> None:
        message = parse_peer_message(document)
        self._last_heard_s = asyncio.get_running_loop().time()
        if message.response:
            # Somebody elsewhere who uses the same name must not take this one's alerts away.
            self._name = f"{message.response}@{self._host}"
        if message.role == "authenticate":
            self._filters = compile_filters(message.filters)
            book = self._book()
            if book is not None and self._name and self._catching_up is None:
                self._catching_up = asyncio.create_task(self._catch_up(book))
        # Who refuses an alert has it, too: Comet says so of what it has seen before.
        if message.role in ("ack", "nak") and message.origin in self._offered:
            self._note(message.origin, is_acknowledged=True)

    async def _catch_up(self, book: DeliveryLog) -> None:
        """Offer what was sent while this subscriber was away, or was never acknowledged."""
        missing = await book.find_missing(self._name)
        for packet in missing:
            self.offer(packet)
        if missing:
            get_logger().info("vtp_sent_again", subscriber=self._name, n_alerts=len(missing))

    def _note(self, ivorn: str, *, is_acknowledged: bool) -> None:
        if (book := self._book()) is not None:
            name = self._name or f"anonymous@{self._host}"
            book.note(ivorn, name, is_acknowledged=is_acknowledged)

    async def _speak(self) -> str:
        try:
            while True:
                document, is_event, ivorn = await self._queue.get()
                if is_event and not await self._wants(document):
                    continue
                self._writer.write(frame(document))
                await self._writer.drain()
                VTP_PACKETS.inc(is_event)
                if ivorn:
                    self._note(ivorn, is_acknowledged=False)
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


def host_of(writer: asyncio.StreamWriter) -> str:
    """Return the address of the other side; an IPv4 address as such on a socket of IPv6 too."""
    peer = writer.get_extra_info("peername")
    return str(peer[0]).removeprefix("::ffff:") if peer else "unknown"
