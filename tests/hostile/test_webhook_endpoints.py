"""Webhook endpoints that answer much, slowly or never, and names that lead inside."""

import asyncio
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from runtime.settings import WebhookSettings
from services.distribute.errors import DeliveryError
from services.distribute.handlers import bounded_answers
from services.distribute.handlers import webhook as webhook_module
from services.distribute.handlers.webhook import Webhook
from services.distribute.models import OutgoingAlert
from services.distribute.steps.webhook import check_addresses
from tests.support.secure_broker import Authority

ALERT = OutgoingAlert("ivo://a/b#c", b"<a/>", b"{}")
Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def endpoint(answer: Answer, tls: ssl.SSLContext | None = None) -> AsyncIterator[Webhook]:
    """Run a server that answers so; give the webhook to it."""
    tasks = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.current_task())
        await reader.readuntil(b"\r\n\r\n")
        try:
            await answer(writer)
        except OSError:
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    url = f"http{'s' if tls else ''}://127.0.0.1:{port}/"
    settings = WebhookSettings(name="bad", url=url, allow_private=True)
    webhook = Webhook(settings)
    try:
        yield webhook
    finally:
        await webhook.aclose()
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_of_a_long_answer_only_the_beginning_is_read() -> None:
    n_sent = 0

    async def answer(writer: asyncio.StreamWriter) -> None:
        nonlocal n_sent
        writer.write(b"HTTP/1.1 200 X\r\n\r\n")
        while True:
            writer.write(b"x" * 65_536)
            await writer.drain()
            n_sent += 65_536

    async with endpoint(answer) as webhook:
        assert await webhook.deliver([ALERT]) == [ALERT]
        assert n_sent < 50_000_000  # what the kernel buffers


@pytest.mark.parametrize(
    "repeated", [b"HTTP/1.1 103 X\r\n\r\n", b"HTTP/1.1 100 X\r\n" + b"a: b\r\n" * 99 + b"\r\n"]
)
async def test_interim_answers_without_end_are_an_answer_that_is_too_long(repeated: bytes) -> None:
    async def answer(writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(repeated * 100)
            await writer.drain()

    async with endpoint(answer) as webhook:
        with pytest.raises(DeliveryError, match="more than 65536 bytes"):
            await webhook.deliver([ALERT])


@pytest.mark.parametrize("piece", [b"1\r\nx\r\n", b"0\r\n" + b"a: b\r\n" * 50])
async def test_chunks_without_end_do_not_hold_up_what_the_status_says(piece: bytes) -> None:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 103 X\r\n\r\nHTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(piece * 100)
            await writer.drain()

    async with endpoint(answer) as webhook:
        assert await webhook.deliver([ALERT]) == [ALERT]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def tls(authority: Authority) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*authority.issue("webhook"))
    return context


async def test_an_encrypted_answer_has_the_same_limit(
    authority: Authority, tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    trusting = ssl.create_default_context(cafile=authority.path)
    monkeypatch.setattr(bounded_answers, "_tls_context", lambda: trusting)
    n_answered = 0

    async def answer(writer: asyncio.StreamWriter) -> None:
        nonlocal n_answered
        n_answered += 1
        if n_answered == 1:
            writer.write(b"HTTP/1.1 204 X\r\n\r\n")
            await writer.drain()
            return
        while True:
            writer.write(b"HTTP/1.1 103 X\r\n\r\n" * 100)
            await writer.drain()

    async with endpoint(answer, tls) as webhook:
        assert await webhook.deliver([ALERT]) == [ALERT]
        with pytest.raises(DeliveryError, match="more than 65536 bytes"):
            await webhook.deliver([ALERT])


async def test_an_endpoint_that_nobody_vouches_for_gets_nothing(tls: ssl.SSLContext) -> None:
    async def answer(_: asyncio.StreamWriter) -> None:
        raise AssertionError("it was asked")

    async with endpoint(answer, tls) as webhook:
        with pytest.raises(DeliveryError, match="certificate verify failed"):
            await webhook.deliver([ALERT])


async def test_a_small_answer_that_unpacks_to_much_is_not_unpacked() -> None:
    async def answer(writer: asyncio.StreamWriter) -> None:
        head = b"HTTP/1.1 200 X\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n"
        writer.write(head + b"junk")
        await writer.drain()
        await asyncio.sleep(60)

    async with endpoint(answer) as webhook:
        assert await webhook.deliver([ALERT]) == [ALERT]


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 X\r\nX-A: "])
async def test_an_answer_byte_by_byte_ends_with_the_attempt(
    head: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook_module, "_TIMEOUT_S", 0.5)

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while True:
            writer.write(b"a")
            await writer.drain()
            await asyncio.sleep(0.05)

    async with endpoint(answer) as webhook:
        with pytest.raises(DeliveryError):
            await asyncio.wait_for(webhook.deliver([ALERT]), 60)


async def test_a_body_byte_by_byte_does_not_hold_up_what_its_status_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(webhook_module, "_REST_TIMEOUT_S", 0.2)

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 X\r\nContent-Length: 100000\r\n\r\n")
        while True:
            writer.write(b"a")
            await writer.drain()
            await asyncio.sleep(0.05)

    async with endpoint(answer) as webhook:
        assert await asyncio.wait_for(webhook.deliver([ALERT]), 60) == [ALERT]


async def test_slow_servers_of_names_do_not_delay_another_webhook(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    is_over = threading.Event()
    resolve = socket.getaddrinfo

    def getaddrinfo(host: str, *arguments: object, **named: object) -> object:
        if host.startswith("slow"):
            is_over.wait(60)
            raise OSError("no answer")
        return resolve(host, *arguments, **named)  # type: ignore[arg-type]

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 204 X\r\n\r\n")
        await writer.drain()

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    slow = [
        Webhook(WebhookSettings(name="slow", url=f"http://slow{number}.example/"))
        for number in range(12)
    ]
    async with endpoint(answer) as webhook:
        waiting = [asyncio.create_task(each.deliver([ALERT])) for each in slow]
        await asyncio.sleep(0)
        assert await webhook.deliver([ALERT]) == [ALERT]
        is_over.set()
        results = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(each, DeliveryError) for each in results)
    for each in slow:
        await each.aclose()


@pytest.mark.parametrize(
    "host",
    ["127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "0", "127.0.0.1.",
     "localhost", "LOCALHOST", "localhost.", "[::1]", "[::]", "[0:0:0:0:0:0:0:1]",
     "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:FFFF:7F00:0001]", "[::127.0.0.1]",
     "[64:ff9b::127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b:1::7f00:1]", "[2002:7f00:1::]",
     "[2002:7f00:1::1]", "8.8.8.8@127.0.0.1", "8.8.8.8:80@127.0.0.1", "%31%32%37.0.0.1",
     "127%2e0%2e0%2e1", "\u2460\u2461\u2466.\u24ea.\u24ea.\u2460", "127\u30020\u30020\u30021",
     "[fe80::1]", "[2001:470::5efe:7f00:1]"],
)  # fmt: skip
async def test_no_spelling_of_an_inner_address_is_contacted(host: str) -> None:
    n_contacts = 0

    async def count(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal n_contacts
        n_contacts += 1
        writer.transport.abort()

    async with await asyncio.start_server(count, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        webhook = Webhook(WebhookSettings(name="inner", url=f"http://{host}:{port}/"))
        with pytest.raises(DeliveryError):
            await webhook.deliver([ALERT])
        await webhook.aclose()
    assert n_contacts == 0


@pytest.mark.parametrize(
    "address",
    ["2002:7f00:1::", "2002:a00:1::1", "64:ff9b::7f00:1", "64:ff9b:1::1", "2001:0:4136:e378::1",
     "fec0::1", "ff02::1", "ff0e::1", "224.0.0.1", "239.255.255.250", "::ffff:8.8.8.8",
     "::ffff:0:127.0.0.1", "::7f00:1", "100::1", "2001:db8::1", "2001:10::1", "3fff::1", "5f00::1",
     "192.88.99.1", "192.0.0.9", "198.18.0.1", "240.0.0.1", "255.255.255.255", "fe80::1%eth0",
     "2606:4700::1%1", "2606:4700::5efe:7f00:1", "2606:4700::200:5efe:a00:1", "::",
     "100.64.0.1", "169.254.169.254", "fd00:ec2::254", "192.0.0.170", "::ffff:a9fe:a9fe",
     "2002:a9fe:a9fe::1", "64:ff9b::a9fe:a9fe"],
)  # fmt: skip
def test_an_address_that_is_no_host_of_the_internet_is_refused(address: str) -> None:
    with pytest.raises(DeliveryError, match="not public"):
        check_addresses("a", ["8.8.8.8", address], allow_private=False)


@pytest.mark.parametrize("address", ["8.8.8.8", "192.88.100.1", "2606:4700::1111", "2a00:1450::1"])
def test_an_address_of_the_internet_is_accepted(address: str) -> None:
    assert check_addresses("a", [address], allow_private=False) == address


@pytest.mark.parametrize("status", [300, 301, 302, 303, 305, 307, 308])
@pytest.mark.parametrize("headers", ["Location: {}", "Refresh: 0; url={}", "Content-Location: {}"])
async def test_an_answer_that_leads_elsewhere_is_not_followed(status: int, headers: str) -> None:
    visitors = 0

    async def inner(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal visitors
        visitors += 1
        writer.close()

    server = await asyncio.start_server(inner, "127.0.0.1", 0)
    address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"

    async def answer(writer: asyncio.StreamWriter) -> None:
        lines = f"HTTP/1.1 {status} X\r\n{headers.format(address)}\r\nContent-Length: 0\r\n\r\n"
        writer.write(lines.encode())
        await writer.drain()

    async with server, endpoint(answer) as webhook:
        with pytest.raises(DeliveryError, match=f"answered {status}"):
            await webhook.deliver([ALERT])
    assert visitors == 0


async def test_a_name_that_changes_between_check_and_connect_leads_to_the_checked_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers = ["198.51.100.1", "127.0.0.1"]  # the first is for documentation: patched to public

    def getaddrinfo(*_: object, **__: object) -> list[tuple[object, ...]]:
        address = answers.pop(0)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 80))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr("services.distribute.steps.webhook._is_public", lambda _: True)
    contacted: list[str] = []

    def handle(request: httpx.Request) -> httpx.Response:
        contacted.append(request.url.host)
        return httpx.Response(204, stream=httpx.ByteStream(b""))

    webhook = Webhook(WebhookSettings(name="rebinds", url="http://rebind.example/"))
    await webhook.aclose()
    webhook._client = httpx.AsyncClient(transport=httpx.MockTransport(handle))
    assert await webhook.deliver([ALERT]) == [ALERT]
    assert (contacted, answers) == (["198.51.100.1"], ["127.0.0.1"])
    await webhook.aclose()


@pytest.mark.parametrize(
    "host",
    [
        "a..b",
        ".com",
        "a" * 64 + ".test",
        "\u2603.test",
        "a." * 200 + "test",
        "-a.test",
        "a_b.test",
    ],
)
async def test_a_name_that_nobody_can_have_is_a_failure_with_a_reason(host: str) -> None:
    webhook = Webhook(WebhookSettings(name="bad", url=f"http://{host}/"))
    with pytest.raises(DeliveryError, match=r"\w"):
        await webhook.deliver([ALERT])
    await webhook.aclose()
