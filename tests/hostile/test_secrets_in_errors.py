"""Receivers that fail in every way: what is told of it has no secret of their owner."""

import asyncio
import base64
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
import structlog
from prometheus_client import REGISTRY, generate_latest
from pydantic import SecretStr

from runtime.settings import EmailSettings, WebhookSettings
from runtime.threads import run_in_thread
from services.distribute.errors import DeliveryError
from services.distribute.handlers.digest import Digest
from services.distribute.handlers.webhook import Webhook
from services.distribute.models import OutgoingAlert

ALERT = OutgoingAlert("ivo://a/b#c", b"<a/>", b"{}")
SECRET = "hush-hush"  # noqa: S105  (of a test)
PACKED = base64.b64encode(f"\0me\0{SECRET}".encode()).decode()
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture
def logs() -> Any:
    with structlog.testing.capture_logs() as captured:
        yield captured


def assert_untold(error: BaseException, logs: list[MutableMapping[str, Any]]) -> None:
    told = "".join(traceback.format_exception(error)) + str(logs)
    told += generate_latest(REGISTRY).decode()
    for each in (SECRET, PACKED, PACKED[:-4]):
        assert each not in told, told


@asynccontextmanager
async def serving(serve: Serve) -> AsyncIterator[int]:
    async def end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.transport.abort()

    async with await asyncio.start_server(end, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


ANSWERS = [
    b"", b"garbage\r\n\r\n", b"HTTP/1.1 500 X\r\n\r\n", b"HTTP/1.1 301 X\r\nLocation: /a\r\n\r\n",
    b"HTTP/1.1 200 X\r\nContent-Length: -1\r\n\r\n",
    b"HTTP/1.1 999\r\n\r\n", b"HTTP/3 200 X\r\n\r\n",
    b"HTTP/1.1 429 X\r\nRetry-After: 1000000000\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 503 X\r\nRetry-After: Fri, 31 Dec 9999 23:59:59 GMT\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 401 X\r\nWWW-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n",
]  # fmt: skip


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda each: ascii(each)[:24])
async def test_a_webhook_that_fails_is_told_without_its_secrets(
    answer: bytes, logs: list[MutableMapping[str, Any]]
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()

    async with serving(serve) as port:
        url = f"http://me:{SECRET}@127.0.0.1:{port}/{SECRET}?token={SECRET}#{SECRET}"
        settings = WebhookSettings(name="a", url=url, secret=SECRET * 2, allow_private=True)
        webhook = Webhook(settings)
        with pytest.raises(DeliveryError) as caught:
            await webhook.deliver([ALERT])
        await webhook.aclose()
    assert_untold(caught.value, logs)


@pytest.mark.parametrize(
    "place",
    [
        "https://{}@127.0.0.1:1",
        "http://{}@127.0.0.1:1",
        "http://{}@no-such-host.invalid",
        "http://{}@10.0.0.1",
    ],
)
async def test_a_webhook_that_is_not_there_is_told_without_its_secrets(
    place: str, logs: list[MutableMapping[str, Any]]
) -> None:
    url = f"{place.format(f'me:{SECRET}')}/{SECRET}?token={SECRET}"
    is_public = "10.0.0.1" in place
    webhook = Webhook(WebhookSettings(name="a", url=url, allow_private=not is_public))
    with pytest.raises(DeliveryError) as caught:
        await webhook.deliver([ALERT])
    await webhook.aclose()
    assert_untold(caught.value, logs)


def mail_to(port: int, password: str) -> Digest:
    settings = EmailSettings(
        host="127.0.0.1", port=port, sender="a@example.org", recipients=("b@example.org",),
        starttls=False, username="me", password=SecretStr(password),
    )  # fmt: skip
    return Digest(settings, run_in_thread)


@pytest.mark.parametrize("method", ["PLAIN", "LOGIN"])
async def test_a_mail_server_that_repeats_a_password_is_not_quoted(
    method: str, logs: list[MutableMapping[str, Any]]
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 test\r\n")
        while line := (await reader.readline()).strip():
            if line.startswith(b"EHLO"):
                writer.write(b"250-test\r\n250 AUTH " + method.encode() + b"\r\n")
            else:
                said = line.rpartition(b" ")[2]
                plain = base64.b64decode(said + b"==").replace(b"\0", b" ")
                writer.write(b"535 no " + line + b" " + plain + b"\r\n")

    async with serving(serve) as port:
        with pytest.raises(DeliveryError, match="535") as caught:
            await mail_to(port, SECRET).tell("a", "b")
    assert_untold(caught.value, logs)


async def test_a_password_that_no_mail_server_takes_is_a_failure_without_it(
    logs: list[MutableMapping[str, Any]],
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 test\r\n")
        while line := await reader.readline():
            is_end = line.startswith(b"QUIT")
            writer.write(b"221 bye\r\n" if is_end else b"250-test\r\n250 AUTH PLAIN\r\n")

    async with serving(serve) as port:
        with pytest.raises(DeliveryError, match="not ASCII") as caught:
            await mail_to(port, f"{SECRET}\u00fc").tell("a", "b")
    assert_untold(caught.value, logs)
