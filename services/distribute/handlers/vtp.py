"""The server of the VOEvent Transport Protocol.

References
----------
Swinbank et al. (2017), VOEvent Transport Protocol 2.0, IVOA Recommendation; arXiv:1709.01264.
"""

import asyncio
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_network

from runtime.listening import create_listener
from runtime.logging import get_logger
from runtime.settings import VtpSettings
from services.distribute.handlers.delivery_log import DeliveryLog
from services.distribute.handlers.subscriber import Subscriber, host_of
from services.distribute.metrics import SUBSCRIBERS, VTP_DISCONNECTS
from services.distribute.models import VtpDocument
from services.distribute.steps.connection_limiter import ConnectionLimiter
from services.distribute.steps.transport import frame

__all__ = ["VtpServer"]

_FILTER_THREADS = 4
_CLOSE_TIMEOUT_S = 2.0
_BACKLOG = 512
# Whoever connects is given the events of other authors relayed within this time: it may have
# been away for a moment, and nothing records what it has. Alerts have the delivery log.
_REPEATED_S = 60.0
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
        self._executor = ThreadPoolExecutor(_FILTER_THREADS, thread_name_prefix="vtp-filter")
        # Time and document of what was relayed; the queue has room for missed alerts, too.
        self._relayed: deque[tuple[float, VtpDocument]] = deque(maxlen=settings.queue_length // 4)
        self._server: asyncio.Server | None = None
        self._is_closing = False
        self._limiter = ConnectionLimiter(
            settings,
            allow=settings.allow or _EVERYBODY,
            per_minute=settings.max_connects_per_minute,
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
        self._executor.shutdown(wait=False, cancel_futures=True)

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
        now_s = asyncio.get_running_loop().time()
        reason = "stopped" if self._is_closing else self._limiter.admit(host, now_s)
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
            log=self._log,
        )
        for relayed_s, document in self._relayed:
            if now_s - relayed_s <= _REPEATED_S:
                subscriber.offer(document)
        peer = str(writer.get_extra_info("peername"))
        # A task of its own: the streams module would report a cancellation as an error.
        task = asyncio.create_task(self._serve(subscriber, peer, host))
        self._subscribers[subscriber] = task

    async def _serve(self, subscriber: Subscriber, peer: str, host: str) -> None:
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
            self._limiter.release(host)
            SUBSCRIBERS.set(len(self._subscribers))
            VTP_DISCONNECTS.labels(reason).inc()
            get_logger().info("vtp_subscriber_disconnected", peer=peer, reason=reason)
