"""A mail server that keeps what it gets, with or without STARTTLS."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from pathlib import Path

__all__ = ["MailServer", "mail_server"]


@dataclass
class MailServer:
    """What was delivered, and what was said before."""

    certificate: tuple[Path, Path] | None
    mails: list[bytes] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    port: int = 0

    @property
    def messages(self) -> list[Message]:
        return [message_from_bytes(each) for each in self.mails]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._converse(reader, writer)
        except (ssl.SSLError, ConnectionError):
            self.commands.append("broken off")
        finally:
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 test\r\n")
        while line := await reader.readline():
            command = line.decode().split(" ")[0].strip().upper()
            self.commands.append(command)
            if command == "EHLO":
                offer = b"250-test\r\n250 STARTTLS\r\n" if self.certificate else b"250 test\r\n"
                writer.write(offer)
            elif command == "STARTTLS" and self.certificate:
                writer.write(b"220 go\r\n")
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(*self.certificate)
                await writer.start_tls(context)
            elif command == "DATA":
                writer.write(b"354 go\r\n")
                self.mails.append(await reader.readuntil(b"\r\n.\r\n"))
                writer.write(b"250 ok\r\n")
            else:
                writer.write(b"221 bye\r\n" if command == "QUIT" else b"250 ok\r\n")


@asynccontextmanager
async def mail_server(certificate: tuple[Path, Path] | None = None) -> AsyncIterator[MailServer]:
    """Run a mail server; with certificate and key it offers STARTTLS."""
    made = MailServer(certificate)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        await server.wait_closed()
