"""A VTP server in the loop of a test, and everybody who connected to it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from runtime.settings import VtpSettings
from services.distribute.handlers.delivery_log import DeliveryLog
from services.distribute.handlers.vtp import VtpServer
from tests.support.vtp import VtpClient, ivorn_of, transport
from tests.support.vtp_events import alert_packet
from tests.support.vtp_log import memory_log

__all__ = ["N_ALERTS", "VtpSite", "serving"]

N_ALERTS = 20


@dataclass
class VtpSite:
    """A server and its connections."""

    server: VtpServer
    clients: list[VtpClient] = field(default_factory=list)

    async def connect(self, host: str = "127.0.0.1") -> VtpClient:
        """Connect from one of the addresses of this machine."""
        streams = asyncio.open_connection("127.0.0.1", self.server.port, local_addr=(host, 0))
        self.clients.append(VtpClient(*await streams))
        return self.clients[-1]

    async def introduce(
        self, host: str = "127.0.0.1", *, filters: tuple[str, ...] = ()
    ) -> VtpClient:
        """Connect and answer without a name, so that alerts come at once."""
        client = await self.connect(host)
        assert await client.receive_role() == "authenticate"
        await client.send(transport("authenticate", response="", filters=filters))
        return client

    async def alert(self, client: VtpClient, *, start: int = 0) -> None:
        """Broadcast alerts one by one; each must arrive."""
        for number in range(start, start + N_ALERTS):
            packet = alert_packet(number)
            self.server.broadcast(ivorn_of(packet), packet)
            assert await client.receive_events(1, 60) == [ivorn_of(packet)]


@asynccontextmanager
async def serving(log: DeliveryLog | None = None, **settings: object) -> AsyncIterator[VtpSite]:
    """Give a server of one test; end it and every connection afterwards."""
    changed = VtpSettings(port=0, iamalive_s=600).model_copy(update=settings)
    server = VtpServer(changed, "org.test", log=log or memory_log())
    await server.start()
    site = VtpSite(server)
    try:
        yield site
    finally:
        for client in site.clients:
            await client.aclose()
        await server.aclose()
