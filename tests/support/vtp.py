"""A VTP subscriber whose every message the test sends itself."""

import asyncio
import struct

from lxml import etree

__all__ = ["NAMESPACES", "VtpClient", "acknowledge", "ivorn_of", "transport"]

NAMESPACES = (
    "http://telescope-networks.org/xml/Transport/v1.1",
    "http://telescope-networks.org/schema/Transport/v1.1",
    "http://www.telescope-networks.org/xml/Transport/v1.1",
)


def transport(
    role: str,
    *,
    filters: tuple[str, ...] = (),
    namespace: str = NAMESPACES[2],
    origin: str = "ivo://test/server",
    response: str = "ivo://test/subscriber",
) -> bytes:
    """Return a Transport document of a subscriber; `filters` as Comet writes them."""
    root = etree.Element(f"{{{namespace}}}Transport", {"role": role, "version": "1.0"})
    etree.SubElement(root, "Origin").text = origin
    etree.SubElement(root, "Response").text = response
    meta = etree.SubElement(root, "Meta")
    for expression in filters:
        etree.SubElement(meta, "Param", {"name": "xpath-filter", "value": expression})
    return etree.tostring(root)


def acknowledge(ivorn: str, *, role: str = "ack", response: str = "ivo://test/robot") -> bytes:
    """Return the answer to an event."""
    return transport(role, origin=ivorn, response=response)


def ivorn_of(packet: bytes) -> str:
    """Return the name of a VOEvent."""
    return str(etree.fromstring(packet).get("ivorn"))


class VtpClient:
    """One connection; `receive` returns the next document, whatever it is."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def connect(
        cls, port: int, *, host: str = "127.0.0.1", limit: int = 1 << 16
    ) -> "VtpClient":
        return cls(*await asyncio.open_connection(host, port, limit=limit))

    async def send(self, document: bytes) -> None:
        await self.send_raw(struct.pack("!I", len(document)) + document)

    async def send_raw(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def receive(self, timeout_s: float = 60) -> bytes:
        """Return the next document; after a time-out it can be asked for again."""
        async with asyncio.timeout(timeout_s):
            (length,) = struct.unpack("!I", await self.reader.readexactly(4))
        async with asyncio.timeout(60):
            return await self.reader.readexactly(length)

    async def receive_role(self, timeout_s: float = 60) -> str:
        return str(etree.fromstring(await self.receive(timeout_s)).get("role"))

    async def receive_events(self, n: int, timeout_s: float = 60) -> list[str]:
        """Return the ivorns of the next `n` VOEvents; heartbeats are skipped."""
        ivorns: list[str] = []
        while len(ivorns) < n:
            document = await self.receive(timeout_s)
            if b"Transport" not in document:
                ivorns.append(ivorn_of(document))
        return ivorns

    async def is_cut(self, timeout_s: float = 60) -> bool:
        """Return whether the other side ended the connection, reading what is left."""
        try:
            async with asyncio.timeout(timeout_s):
                while await self.reader.read(1 << 16):
                    pass
        except ConnectionError:
            return True
        except TimeoutError:
            return False
        finally:
            await self.aclose()
        return True

    async def aclose(self) -> None:
        self.writer.transport.abort()
        await asyncio.sleep(0)
