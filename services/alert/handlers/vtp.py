"""The VOEvent Transport Protocol server.

References
----------
Swinbank et al. (2017), VOEvent Transport Protocol 2.0, IVOA Recommendation; arXiv:1709.01264.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_network

from runtime.listening import create_listener
from runtime.logging import get_logger
from runtime.settings import VtpSettings
from services.alert.handlers.delivery_log import DeliveryLog
from services.alert.handlers.subscriber import Subscriber, host_of
from services.alert.metrics import SUBSCRIBERS, VTP_DISCONNECTS
from services.alert.steps.connection_limiter import ConnectionLimiter

__all__ = ["VtpServer"]

_FILTER_THREADS = 4
_CLOSE_TIMEOUT_S = 2.0
_BACKLOG = 512
_EVERYBODY = (ip_network("0.0.0.0/0"), ip_network("::/0"))


class VtpServer:
    """Give every alert to every subscriber; none waits for another.

    Parameters
    ----------
    settings : VtpSettings
        Where to listen, and the limits.
    authority : str
        ivorn authority: our name is ``ivo://<authority>/livetrap``.
    """

    def __init__(self, settings: VtpSettings, authority: str) -> None:
        self._settings = settings
        self._local_ivo = f"ivo://{authority}/livetrap"
        self._subscribers: dict[Subscriber, asyncio.Task[None]] = {}
        self._executor = ThreadPoolExecutor(_FILTER_THREADS, thread_name_prefix="vtp-filter")
        self._server: asyncio.Server | None = None
        self._is_closing = False
        self._book: DeliveryLog | None = None
        self._limiter = ConnectionLimiter(
            settings,
            allow=settings.allow or _EVERYBODY,
            per_minute=settings.max_connects_per_minute,
        )

    def keep(self, book: DeliveryLog) -> None:
        """Keep a book of who has what from now on."""
        self._book = book

    async def start(self) -> None:
        """Listen.

        Raises
        ------
        SettingsError
            If the address is taken or not ours.
        """
        listener = create_listener(
            self._settings.host,
            self._settings.port,
            settings="LIVETRAP_VTP__HOST, LIVETRAP_VTP__PORT",
        )
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

    def broadcast(self, packet: bytes) -> int:
        """Queue `packet` for every subscriber and return their number; never waits."""
        for subscriber in self._subscribers:
            subscriber.offer(packet)
        return len(self._subscribers)

    def relay(self, packet: bytes) -> int:
        """Queue a VOEvent of another author likewise; nobody keeps a book of it."""
        for subscriber in self._subscribers:
            subscriber.relay(packet)
        return len(self._subscribers)

    async def aclose(self) -> None:
        """Stop listening and cut every subscriber."""
        self._is_closing = True
        if self._server is not None:
            self._server.close()
        tasks = list(self._subscribers.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_CLOSE_TIMEOUT_S)
        self._executor.shutdown(wait=False, cancel_futures=True)

    async def _on_connect(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        host = host_of(writer)
        now_s = asyncio.get_running_loop().time()
        reason = "stopped" if self._is_closing else self._limiter.refuse(host, now_s)
        if reason is not None:
            VTP_DISCONNECTS.labels(reason).inc()
            writer.transport.abort()
            return
        subscriber = Subscriber(
            reader,
            writer,
            settings=self._settings,
            local_ivo=self._local_ivo,
            executor=self._executor,
            book=lambda: self._book,
        )
        peer = str(writer.get_extra_info("peername"))
        # A task of its own: the streams module would report our cancellation as an error.
        task = asyncio.create_task(self._serve(subscriber, peer, host))
        self._subscribers[subscriber] = task

    async def _serve(self, subscriber: Subscriber, peer: str, host: str) -> None:
        SUBSCRIBERS.set(len(self._subscribers))
        get_logger().info("vtp_subscriber_connected", peer=peer)
        reason = "stopped"
        try:
            reason = await subscriber.run()
        finally:
            self._subscribers.pop(subscriber, None)
            self._limiter.leave(host)
            SUBSCRIBERS.set(len(self._subscribers))
            VTP_DISCONNECTS.labels(reason).inc()
            get_logger().info("vtp_subscriber_gone", peer=peer, reason=reason)
