"""One VTP subscriber: what it is sent, what it answers, and when it is disconnected."""

import asyncio
from collections.abc import MutableMapping

from runtime.errors import TransientError
from runtime.logging import get_logger
from runtime.settings import VtpSettings
from services.distribute.errors import TransportError
from services.distribute.handlers.delivery_log import DeliveryLog
from services.distribute.handlers.filter_pool import FilterPool
from services.distribute.handlers.frame_reader import FrameReader
from services.distribute.metrics import VTP_PACKETS
from services.distribute.models import VtpDocument
from services.distribute.steps.read_budget import ReadBudget
from services.distribute.steps.subscriber_names import SubscriberNames
from services.distribute.steps.transport import (
    PeerMessage,
    build_transport,
    frame,
    parse_peer_message,
)

__all__ = ["Subscriber", "host_of"]

_HEARTBEATS_UNTIL_SILENT = 3
# Time to read why a filter was refused.
_LINGER_S = 1.0
_WRITE_BUFFER_BYTES = 1 << 16
_MAX_OFFERED = 2000
# Messages that are not the first answer to an alert that was sent: so many at once, and so many a
# second in the long run. What an address may send is more, even in long messages.
_MAX_IDLE_MESSAGES, _IDLE_MESSAGES_PER_S = 100, 20.0
# Time to answer the `authenticate`; then alerts are sent without history and filters.
_INTRODUCTION_S = 1.0
# Who says nothing in this part of the handshake is sent an `iamalive`: pygcn answers only that.
_PROMPT_PART = 0.3
_RETRY_INTERVAL_S = 2.0
_UNPROVEN_NAME = (
    "this name needs its token, as <Param name='token' value='...'/> in Meta; without it alerts "
    "are sent from now on, and nothing that was missed"
)


class Subscriber:
    """A connection with its own queue: a slow subscriber delays no other one.

    Events wait until the subscriber has introduced itself: what it missed comes before what is
    new, and its filters apply from the first event on.

    Parameters
    ----------
    reader, writer : asyncio streams
        The connection; aborted when `run` returns.
    settings : VtpSettings
        Heartbeat and queue length.
    local_ivo : str
        Identifier of this server.
    pool : FilterPool
        Where filters are evaluated.
    log : DeliveryLog
        Where its acknowledgements go, and what it has missed.
    budget : ReadBudget
        How much is read of what it sends.
    missed : mapping
        Alerts that subscribers missed, by ivorn: who reads none takes no memory for them.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        settings: VtpSettings,
        local_ivo: str,
        pool: FilterPool,
        log: DeliveryLog,
        budget: ReadBudget,
        missed: MutableMapping[str, VtpDocument],
    ) -> None:
        self._writer = writer
        self._settings = settings
        self._local_ivo = local_ivo
        self._pool = pool
        self._log = log
        self._missed = missed
        self._host = host_of(writer)
        self._frames = FrameReader(reader, writer, budget=budget, host=self._host)
        self._names = SubscriberNames(settings, self._host)
        self._name = ""
        # Idle messages that are not forgotten yet, and when they were counted [s].
        self._n_idle_messages, self._counted_s = 0.0, 0.0
        # Alerts that this connection was offered, oldest first, and whether it has answered:
        # none is offered twice.
        self._offered: dict[str, bool] = {}
        self._catching_up: asyncio.Task[None] | None = None
        self._is_introduced = False
        # Events that wait for that.
        self._early: list[VtpDocument] = []
        self._queue: asyncio.Queue[VtpDocument] = asyncio.Queue(settings.queue_length)
        # Why the connection ends, from outside of its tasks.
        self._ending: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._filters: tuple[str, ...] = ()
        # Whether the filters are accepted; events wait for it.
        self._trial: asyncio.Task[bool] | None = None
        # Its task waits for the queue: nothing is being written.
        self._is_sender_idle = False
        self._is_paused = False
        self._has_spoken = False
        self._last_message_s = asyncio.get_running_loop().time()
        writer.transport.set_write_buffer_limits(high=_WRITE_BUFFER_BYTES)

    def offer(self, document: VtpDocument) -> None:
        """Queue an event, an alert only once; a full queue ends the connection."""
        if self._is_introduced:
            self._enqueue(document)
        elif len(self._early) < self._settings.queue_length:
            self._early.append(document)
        else:
            self.end("slow")

    async def run(self) -> str:
        """Serve until the connection ends; return why it did, a stable code."""
        self._put(self._build_message("authenticate"))
        tasks = [
            asyncio.create_task(part)
            for part in (self._receive(), self._send(), self._send_heartbeats())
        ]
        loop = asyncio.get_running_loop()
        timers = (
            loop.call_later(_INTRODUCTION_S, self._end_introduction),
            loop.call_later(_PROMPT_PART * self._settings.handshake_s, self._prompt),
        )
        try:
            done, _ = await asyncio.wait(
                [*tasks, self._ending], return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            for timer in timers:
                timer.cancel()
            self._writer.transport.abort()
            others = [each for each in (self._catching_up, self._trial) if each is not None]
            for task in (*tasks, *others):
                task.cancel()
            await asyncio.gather(*tasks, *others, return_exceptions=True)
        return next(iter(done)).result()

    def _build_message(self, role: str) -> VtpDocument:
        return VtpDocument(frame(build_transport(role, self._local_ivo)), is_event=False)

    def _build_refusal(self, reason: str) -> VtpDocument:
        refusal = build_transport("nak", self._local_ivo, response=self._local_ivo, result=reason)
        return VtpDocument(frame(refusal), is_event=False)

    def _enqueue(self, document: VtpDocument) -> None:
        if document.ivorn:
            if document.ivorn in self._offered:
                return
            self._offered[document.ivorn] = False
            if len(self._offered) > _MAX_OFFERED:
                del self._offered[next(iter(self._offered))]
        self._put(document)

    def _put(self, document: VtpDocument) -> None:
        """Write a document at once if nothing waits before it, else queue it.

        To wake the task of each of many subscribers costs more than to write to them.
        """
        if self._is_sender_idle and not (document.is_event and self._filters):
            transport = self._writer.transport
            if not transport.is_closing() and transport.get_write_buffer_size() == 0:
                self._write(document)
                return
        try:
            self._queue.put_nowait(document)
        except asyncio.QueueFull:
            self.end("slow")
        else:
            self._is_sender_idle = False

    def _write(self, document: VtpDocument) -> None:
        self._writer.write(document.framed)
        if document.is_event:
            VTP_PACKETS.inc()
        if document.ivorn:
            self._log.record_sent(document.ivorn, self._log_name)

    def end(self, reason: str) -> None:
        """End the connection for a reason, the first one that is given."""
        if not self._ending.done():
            self._ending.set_result(reason)

    @property
    def name(self) -> str:
        """Under which what it missed is kept; empty: nothing is."""
        return self._name

    @property
    def silent_since_s(self) -> float | None:
        """When it connected, of the clock of the event loop [s]; None if it has said anything."""
        return None if self._has_spoken else self._last_message_s

    def _prompt(self) -> None:
        if not self._has_spoken:
            self._put(self._build_message("iamalive"))

    def _end_introduction(self) -> None:
        """Stop waiting for an introduction, unless what was missed is being read."""
        if self._catching_up is None:
            self._introduce()

    def _introduce(self) -> None:
        """Queue the events that came meanwhile; from now on events are queued at once."""
        self._is_introduced = True
        early, self._early = self._early, []
        for document in early:
            self._enqueue(document)

    async def _receive(self) -> str:
        try:
            while True:
                document = await self._frames.read()
                message = parse_peer_message(document)
                self._has_spoken = True
                self._last_message_s = asyncio.get_running_loop().time()
                if self._is_answer(message):
                    self._frames.refund(document)
                elif self._is_chatty():
                    return "chatty"
                await self._handle(message)
        except TransportError as error:
            return str(error)
        except (EOFError, OSError):
            return "closed"

    def _is_answer(self, message: PeerMessage) -> bool:
        """Return whether it is the first answer to an alert; nobody can send many of these.

        A refusal means that it has the alert, too: Comet answers so to what it has seen before.
        """
        return message.role in ("ack", "nak") and self._offered.get(message.origin) is False

    def _is_chatty(self) -> bool:
        """Count the other messages; nobody has so many at once, nor so often for long."""
        now_s = asyncio.get_running_loop().time()
        forgotten = _IDLE_MESSAGES_PER_S * (now_s - self._counted_s)
        self._n_idle_messages = max(0.0, self._n_idle_messages - forgotten) + 1.0
        self._counted_s = now_s
        return self._n_idle_messages > _MAX_IDLE_MESSAGES

    async def _handle(self, message: PeerMessage) -> None:
        if message.response:
            self._name = self._names.identify(message)
        if message.role == "authenticate":
            if self._names.is_unproven(message):
                self._put(self._build_refusal(_UNPROVEN_NAME))
            self._set_filters(message.filters)
            if self._name and self._catching_up is None:
                self._catching_up = asyncio.create_task(self._catch_up())
                self._catching_up.add_done_callback(self._on_caught_up)
            self._end_introduction()
        if self._is_answer(message):
            self._offered[message.origin] = True
            await self._acknowledge(message.origin)

    async def _acknowledge(self, ivorn: str) -> None:
        """Record an acknowledgement; read no further while there is no room for it."""
        self._is_paused = True
        try:
            await self._log.record_acknowledged(ivorn, self._log_name)
        finally:
            self._is_paused = False
            self._last_message_s = asyncio.get_running_loop().time()

    @property
    def _log_name(self) -> str:
        return self._name or f"anonymous@{self._host}"

    async def _catch_up(self) -> None:
        """Offer what this subscriber missed or did not acknowledge, before anything new.

        While the database is away, new alerts do not wait; the missed ones follow.
        """
        missed: list[tuple[str, bytes]] | None = None
        while missed is None:
            try:
                missed = await self._log.find_unacknowledged(self._name)
            except TransientError as error:
                get_logger().warning("catch_up_postponed", subscriber=self._name, error=str(error))
                self._introduce()
                await asyncio.sleep(_RETRY_INTERVAL_S)
            except Exception:  # noqa: BLE001  (whatever it is: new alerts must follow)
                get_logger().exception("catch_up_failed", subscriber=self._name)
                missed = []
        for ivorn, packet in missed:
            new = VtpDocument(frame(packet), is_event=True, ivorn=ivorn)
            self._enqueue(self._missed.setdefault(ivorn, new))
        self._introduce()
        if missed:
            get_logger().info("missed_alerts_sent", subscriber=self._name, n_alerts=len(missed))

    def _on_caught_up(self, task: "asyncio.Task[None]") -> None:
        """End the connection if new alerts would wait for ever: its next one begins again."""
        if not task.cancelled() and (error := task.exception()) is not None:
            get_logger().error("catch_up_crashed", subscriber=self._name, error=repr(error))
            self.end("failed")

    async def _send(self) -> str:
        try:
            while True:
                self._is_sender_idle = self._queue.empty()
                document = await self._queue.get()
                if document.is_event and not await self._wants(document):
                    continue
                self._write(document)
                await self._writer.drain()
        except TransportError as error:
            return str(error)
        except OSError:
            return "closed"

    def _set_filters(self, filters: tuple[str, ...]) -> None:
        """Let filters decide about every event that is not written yet."""
        if self._trial is not None:
            self._trial.cancel()
        self._filters = filters
        self._trial = asyncio.create_task(self._try(filters)) if filters else None

    async def _try(self, filters: tuple[str, ...]) -> bool:
        """Return whether filters can be used; else say why, and end the connection."""
        defect = await self._pool.find_defect(self._host, filters)
        if not defect:
            return True
        get_logger().info("filter_refused", host=self._host, reason=defect)
        self._put(self._build_refusal(defect))
        asyncio.get_running_loop().call_later(_LINGER_S, self.end, "bad_filter")
        return False

    async def _wants(self, document: VtpDocument) -> bool:
        while (trial := self._trial) is not None:
            # Not the task itself: who sets other filters meanwhile cancels it.
            await asyncio.wait([trial])
            if trial is self._trial:
                return trial.result() and await self._pool.matches(
                    self._host, self._filters, document.packet
                )
        return True

    async def _send_heartbeats(self) -> str:
        loop = asyncio.get_running_loop()
        longest_s = _HEARTBEATS_UNTIL_SILENT * self._settings.iamalive_s
        while self._is_paused or loop.time() - self._last_message_s <= longest_s:
            await asyncio.sleep(self._settings.iamalive_s)
            self._put(self._build_message("iamalive"))
        return "silent"


def host_of(writer: asyncio.StreamWriter) -> str:
    """Return the address of the other side; an IPv4 address as such on a socket of IPv6 too."""
    peer = writer.get_extra_info("peername")
    return str(peer[0]).removeprefix("::ffff:") if peer else "unknown"
