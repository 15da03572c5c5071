"""VOEvents of an author elsewhere, and how they are submitted."""

import asyncio

from lxml import etree

from tests.support.vtp import VtpClient
from tests.support.vtp_events import alert_packet

__all__ = ["answer_to", "foreign_packet", "submit"]


def foreign_packet(number: int = 0, *, authority: str = "org.other") -> bytes:
    """Return a valid VOEvent of another authority."""
    return alert_packet(number, authority=authority)


def answer_to(document: bytes) -> tuple[str, str, str]:
    """Return role, Origin and Meta/Result of an answer."""
    root = etree.fromstring(document)
    texts = (root.findtext(name) or "" for name in ("Origin", "Meta/Result"))
    return (str(root.get("role")), *texts)  # type: ignore[return-value]


async def submit(port: int, packet: bytes, timeout_s: float = 60) -> tuple[str, str, str]:
    """Submit as an author does; the connection is closed behind the answer."""
    client = await VtpClient.connect(port)
    try:
        await client.send(packet)
        answer = answer_to(await client.receive(timeout_s))
        async with asyncio.timeout(timeout_s):
            assert await client.reader.read() == b""
    finally:
        await client.aclose()
    return answer
