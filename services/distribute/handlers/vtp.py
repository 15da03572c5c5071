"""The server of the VOEvent Transport Protocol.

References
----------
Swinbank et al. (2017), VOEvent Transport Protocol 2.0, IVOA Recommendation; arXiv:1709.01264.
"""

import asyncio
import socket
from collections import deque
from ipaddress import ip_network
from weakref import WeakValueDictionary

from runtime.listening import create_listener, party_of
from runtime.logging import get_logger
from runtime.settings import VtpSettings
from services.distribute.handlers.delivery_log import DeliveryLog
from services.distribute.handlers.filter_pool import FilterPool
from services.distribute.handlers.subscriber import Subscriber, host_of
from services.distribute.metrics import SUBSCRIBERS, VTP_DISCONNECTS
from services.distribute.models import VtpDocument
from services.distribute.steps.connection_limiter import ConnectionLimiter
from services.distribute.steps.read_budget import ReadBudget
from services.distribute.steps.transport import frame

__all__ = ["VtpServer"]

_CLOSE_TIMEOUT_S = 2.0
_BACKLOG = 512
# Whoever connects is given the events of other authors relayed within this time: it may have
# been away for a moment, and nothing records what it has. Alerts have the delivery log.
_REPEATED_S = 60.0
# Bytes of a subscriber that the kernel keeps: a few documents.
_RECEIVE_BUFFER_BYTES = 16_384
# Work for what subscribers send, first answers to alerts aside: reads, documents and kB [1/s].
_READS_PER_HOST_PER_S, _READS_PER_S, _READS_BURST_S = 200.0, 1000.0, 2.0
_EVERYBODY = (ip_network("0.0.0.0/0"), ip_network("::/0"))


class VtpServer:
    """Sends every event to every subscriber; none waits for another.

    Parameters
    ----------
    settings : VtpSettings
        Where to listen, and the limits.
    authority : str
        ivorn authority; the server identifies itself as ``ivo://<authority>/livetrap``.
    log : DeliveryLog
        What subscribers were sent and acknowledged.
    """

    def __init__(self, settings: VtpSettings, authority: str, *, log: DeliveryLog) -> None:
        self._settings = settings
        self._local_ivo = f"ivo://{authority}/livetrap"
        self._log = log
        self._subscribers: dict[Subscriber, asyncio.Task[None]] = {}
        # Addresses of those that take a place.
        self._hosts: dict[Subscriber, str] = {}
        self._pool = FilterPool()
        # By ivorn, while one waits for it: of those who missed the same, however many.
        self._missed: WeakValueDictionary[str, VtpDocument] = WeakValueDictionary()
        # Time and document of what was relayed; the queue has room for missed alerts, too.
        self._relayed: deque[tuple[float, VtpDocument]] = deque(maxlen=settings.queue_length // 4)
        self._server: asyncio.Server | None = None
        self._is_closing = False
        self._limiter = ConnectionLimiter(
            settings,
            allow=settings.allow or _EVERYBODY,
            per_minute=settings.max_connects_per_minute,
        )
        self._budget = ReadBudget(
            per_host=_READS_PER_HOST_PER_S, total=_READS_PER_S, burst_s=_READS_BURST_S
        )

    async def start(self) -> None:
        """Listen.

        Raises
        ------
        SettingsError
            If the address is in use or not one of this machine.
        """
        listener = create_listener(
            self._settings.host,
            self._settings.port,
            settings="LIVETRAP_VTP__HOST, LIVETRAP_VTP__PORT",
        )
        # The sockets of connections inherit it.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
        self._server = await asyncio.start_server(
            self._on_connect, sock=listener, backlog=_BACKLOG
        )
        get_logger().info("vtp_server_started", host=self._settings.host, port=self.port)

    @property
    def port(self) -> int:
        """Port in use; of interest where 0 was asked for."""
        if self._server is None:
            raise RuntimeError("the VTP server is not started")
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def n_subscribers(self) -> int:
        """Connections now."""
        return len(self._subscribers)

    def list_names(self) -> list[str]:
        """Return the names of the subscribers that have one."""
        return [each.name for each in self._subscribers if each.name]

    def broadcast(self, ivorn: str, packet: bytes) -> int:
        """Queue an alert for every subscriber and return their number; never waits."""
        return self._offer(VtpDocument(frame(packet), is_event=True, ivorn=ivorn))

    def relay(self, packet: bytes) -> int:
        """Queue a VOEvent of another author for everybody, and for who connects in a minute.

        Its delivery is not recorded: who comes back gets it again.
        """
        document = VtpDocument(frame(packet), is_event=True)
        self._relayed.append((asyncio.get_running_loop().time(), document))
        return self._offer(document)

    async def aclose(self) -> None:
        """Stop listening and end every connection."""
        self._is_closing = True
        if self._server is not None:
            self._server.close()
        tasks = list(self._subscribers.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_CLOSE_TIMEOUT_S)
        await self._pool.aclose()

    def _offer(self, document: VtpDocument) -> int:
        for subscriber, task in self._subscribers.items():
            try:
                subscriber.offer(document)
            except Exception:  # noqa: BLE001  (whatever it is: the others must have the event)
                get_logger().exception("vtp_offer_failed", ivorn=document.ivorn)
                task.cancel()  # who comes back gets what it missed
        return len(self._subscribers)

    async def _on_connect(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        host = host_of(writer)
        reason = "stopped" if self._is_closing else self._admit(host)
        if reason is not None:
            VTP_DISCONNECTS.labels(reason).inc()
            writer.transport.abort()
            return
        subscriber = Subscriber(
            reader,
            writer,
            settings=self._settings,
            local_ivo=self._local_ivo,
            pool=self._pool,
            log=self._log,
            budget=self._budget,
            missed=self._missed,
        )
        now_s = asyncio.get_running_loop().time()
        for relayed_s, document in self._relayed:
            if now_s - relayed_s <= _REPEATED_S:
                subscriber.offer(document)
        peer = str(writer.get_extra_info("peername"))
        # A task of its own: the streams module would report a cancellation as an error.
        task = asyncio.create_task(self._serve(subscriber, peer))
        self._subscribers[subscriber] = task
        self._hosts[subscriber] = host

    def _admit(self, host: str) -> str | None:
        """Return None, or why an address may not connect; who says nothing makes room for it."""
        now_s = asyncio.get_running_loop().time()
        reason = self._limiter.admit(host, now_s)
        if reason in ("full", "too_many"):
            silent = self._find_silent(None if reason == "full" else party_of(host), now_s)
            if silent is not None:
                silent.end("no_handshake")
                self._release(silent)
                reason = self._limiter.admit(host, now_s)
        return reason

    def _find_silent(self, party: str | None, now_s: float) -> Subscriber | None:
        """Return the first that has said nothing in time, of one address or of all."""
        for subscriber, host in self._hosts.items():
            since_s = subscriber.silent_since_s
            is_late = since_s is not None and now_s - since_s > self._settings.handshake_s
            if is_late and party in (None, party_of(host)):
                return subscriber
        return None

    def _release(self, subscriber: Subscriber) -> None:
        host = self._hosts.pop(subscriber, None)
        if host is not None:
            self._limiter.release(host)

    async def _serve(self, subscriber: Subscriber, peer: str) -> None:
        SUBSCRIBERS.set(len(self._subscribers))
        get_logger().info("vtp_subscriber_connected", peer=peer)
        reason = "stopped"
        try:
            reason = await subscriber.run()
        except Exception:  # noqa: BLE001  (whatever it is: it ends one connection)
            get_logger().exception("vtp_subscriber_failed", peer=peer)
            reason = "failed"
        finally:
            self._subscribers.pop(subscriber, None)
            self._release(subscriber)
            SUBSCRIBERS.set(len(self._subscribers))
            VTP_DISCONNECTS.labels(reason).inc()
            get_logger().info("vtp_subscriber_disconnected", peer=peer, reason=reason)
