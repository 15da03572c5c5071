"""Webhooks and the digest: every alert, signed, tried again, never to a neighbour by mistake."""

import asyncio
import hashlib
import hmac
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from email import message_from_bytes
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from livetrap.cli import run
from runtime.settings import EmailSettings, Settings, WebhookSettings
from runtime.threads import run_in_thread
from services.alert.handlers.channel import DeliveryChannel
from services.alert.handlers.digest import Digest
from services.alert.handlers.webhook import Webhook
from services.alert.models import OutgoingAlert
from services.alert.steps.webhook import DeliveryError, check_addresses
from services.alert.storage import AlertStore, DeliveryStore
from tests.integration.alert.test_storage import add, finish, fresh_event

SECRET = "a secret of the test"  # noqa: S105


@dataclass
class Server:
    """An HTTP server that answers as it is told, and remembers what it was sent."""

    statuses: list[int] = field(default_factory=list)
    heard: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                headers = dict(line.lower().split(": ", 1) for line in head[1:] if ": " in line)
                body = await reader.readexactly(int(headers["content-length"]))
                self.heard.append((headers, body))
                status = self.statuses.pop(0) if self.statuses else 204
                place = "Location: http://127.0.0.1:1/\r\n" if status == 302 else ""
                writer.write(f"HTTP/1.1 {status} X\r\n{place}Content-Length: 0\r\n\r\n".encode())
                await writer.drain()
        except asyncio.IncompleteReadError:
            writer.close()


@asynccontextmanager
async def serving(*statuses: int) -> AsyncIterator[Server]:
    made = Server(list(statuses))
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        await server.wait_closed()


@pytest.fixture
async def pool(postgres_url: str) -> AsyncIterator[asyncpg.Pool]:
    made = await asyncpg.create_pool(postgres_url, min_size=1, max_size=3)
    yield made
    await made.close()


@asynccontextmanager
async def webhook_to(
    pool: asyncpg.Pool, server: Server, *, n_most_failures: int = 20, **changes: Any
) -> AsyncIterator[str]:
    """Run a channel; give its name."""
    name = f"robot-{uuid.uuid4().hex[:8]}"
    settings = WebhookSettings(
        name=name, url=f"http://127.0.0.1:{server.port}/alerts?x=1", secret=SECRET,
        allow_private=True, **changes,
    )  # fmt: skip
    webhook = Webhook(settings)
    store = DeliveryStore(pool)
    channel = DeliveryChannel(
        "webhook", name, webhook.deliver, store=store, longest=timedelta(days=3650),
        n_most_failures=n_most_failures,
    )  # fmt: skip
    await store.ensure_subscriber("webhook", name)
    task = asyncio.create_task(channel.run())
    try:
        yield name
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await webhook.aclose()


async def send(pool: asyncpg.Pool, n: int = 1) -> list[str]:
    """Store alerts that are out."""
    store, ivorns = AlertStore(pool), []
    for _ in range(n):
        alert, _ = await add(store, fresh_event())
        await finish(store, alert)
        ivorns.append(alert.ivorn)
    return ivorns


async def until(condition: Any, timeout_s: float = 20) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110  (it is polled)
            await asyncio.sleep(0.02)


def has_heard(server: Server, n: int) -> bool:
    return len(server.heard) >= n


def told(server: Server) -> list[str]:
    return [headers["x-livetrap-ivorn"] for headers, _ in server.heard]


async def test_every_alert_comes_once_in_order_and_signed(pool: asyncpg.Pool) -> None:
    async with serving() as server, webhook_to(pool, server):
        expected = await send(pool, 5)
        await until(lambda: len(server.heard) >= 5)
        await asyncio.sleep(0.5)
        assert told(server) == expected
        for headers, body in server.heard:
            text = headers["x-livetrap-timestamp"].encode() + b"." + body
            digest = hmac.new(SECRET.encode(), text, hashlib.sha256).hexdigest()
            assert headers["x-livetrap-signature"] == f"sha256={digest}"
            assert headers["host"] == f"127.0.0.1:{server.port}"
            assert json.loads(body)["ivorn"] == headers["x-livetrap-ivorn"]


async def test_a_voevent_can_be_had_instead(pool: asyncpg.Pool) -> None:
    async with serving() as server, webhook_to(pool, server, format="voevent"):
        await send(pool)
        await until(lambda: server.heard)
        assert server.heard[0][0]["content-type"] == "application/xml"
        assert b"VOEvent" in server.heard[0][1]


@pytest.mark.parametrize("status", [500, 404, 302])
async def test_what_is_not_taken_comes_again(pool: asyncpg.Pool, status: int) -> None:
    async with serving(status) as server, webhook_to(pool, server):
        first, second = await send(pool, 2)
        await until(lambda: len(server.heard) >= 3)
        assert told(server) == [first, first, second]


async def test_one_alert_that_is_refused_does_not_block_the_next(
    pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.alert.handlers.channel._FIRST_BACKOFF_S", 0.02)
    async with serving(422, 422, 422, 204, 422) as server, webhook_to(pool, server) as name:
        first, second = await send(pool, 2)
        await until(lambda: len(server.heard) >= 5)
        (third,) = await send(pool)
        await until(lambda: len(server.heard) >= 6)
        # Offered again when the next one was taken: now it is the alert, not the server.
        assert told(server) == [first, first, first, second, first, third]
        rows = await pool.fetch(
            "select ivorn, time_acknowledged is not null as has_it from delivery "
            "join alert on alert.id = alert_id where subscriber = $1",
            name,
        )
        assert {row["ivorn"]: row["has_it"] for row in rows}[first] is False


async def test_after_many_failures_it_is_disabled_until_somebody_enables_it(
    pool: asyncpg.Pool, postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("LIVETRAP_POSTGRES__URL", postgres_url)
    monkeypatch.setenv("LIVETRAP_DATA_DIR", str(tmp_path / "no-stack"))
    monkeypatch.setattr("services.alert.handlers.channel._DISABLED_LOOK_EVERY_S", 0.2)
    async with serving(503, 503) as server, webhook_to(pool, server, n_most_failures=2) as name:
        await send(pool)
        await until(lambda: len(server.heard) == 2)
        await asyncio.sleep(2.5)
        assert len(server.heard) == 2
        capsys.readouterr()
        assert await asyncio.to_thread(run, ["alerts", "subscribers", "--json"]) == 0
        listed = {each["name"]: each for each in json.loads(capsys.readouterr().out)}
        assert listed[name]["disabled_reason"] == "answered 503 X"
        assert await asyncio.to_thread(run, ["alerts", "enable", "webhook", name]) == 0
        await until(lambda: len(server.heard) == 3)
    assert await asyncio.to_thread(run, ["alerts", "enable", "webhook", "nobody"]) == 2


async def test_a_restart_sends_what_is_missing_and_nothing_else(pool: asyncpg.Pool) -> None:
    async with serving() as server:
        settings = WebhookSettings(
            name=f"again-{uuid.uuid4().hex[:8]}", url=f"http://127.0.0.1:{server.port}",
            allow_private=True,
        )  # fmt: skip
        store = DeliveryStore(pool)
        await store.ensure_subscriber("webhook", settings.name)
        expected: list[str] = []
        for _ in range(2):
            webhook = Webhook(settings)
            channel = DeliveryChannel(
                "webhook", settings.name, webhook.deliver, store=store,
                longest=timedelta(days=3650), n_most_failures=9,
            )  # fmt: skip
            expected += await send(pool, 2)
            task = asyncio.create_task(channel.run())
            await until(partial(has_heard, server, len(expected)))
            await asyncio.sleep(0.3)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await webhook.aclose()
        assert told(server) == expected
        assert "x-livetrap-signature" not in server.heard[0][0]


async def test_a_server_that_is_not_there_is_a_failure(pool: asyncpg.Pool) -> None:
    webhook = Webhook(WebhookSettings(name="gone", url="http://127.0.0.1:9/", allow_private=True))
    with pytest.raises(DeliveryError):
        await webhook.deliver([OutgoingAlert("ivo://a/b#c", b"<a/>", b"{}")])
    await webhook.aclose()


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1/", "http://localhost/", "http://[::1]/", "http://169.254.169.254/"]
)
async def test_a_private_address_is_not_asked(url: str) -> None:
    webhook = Webhook(WebhookSettings(name="near", url=url))
    with pytest.raises(DeliveryError, match="not public"):
        await webhook.deliver([OutgoingAlert("ivo://a/b#c", b"<a/>", b"{}")])
    await webhook.aclose()


@pytest.mark.parametrize(
    "address",
    ["10.0.0.1", "192.168.1.1", "172.16.0.1", "::1", "fe80::1%eth0", "fc00::1", "0.0.0.0",  # noqa: S104
     "::ffff:127.0.0.1", "100.64.0.1"],
)  # fmt: skip
def test_one_private_address_among_public_ones_is_enough(address: str) -> None:
    assert check_addresses("a", ["8.8.8.8"], allow_private=False) == "8.8.8.8"
    with pytest.raises(DeliveryError):
        check_addresses("a", ["8.8.8.8", address], allow_private=False)


async def test_the_digest_is_one_mail_for_many_alerts(pool: asyncpg.Pool) -> None:
    mails: list[bytes] = []

    async def smtp(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 test\r\n")
        while line := await reader.readline():
            if line.upper().startswith(b"DATA"):
                writer.write(b"354 go\r\n")
                mails.append(await reader.readuntil(b"\r\n.\r\n"))
            writer.write(b"221 bye\r\n" if line.upper().startswith(b"QUIT") else b"250 ok\r\n")
        writer.close()

    server = await asyncio.start_server(smtp, "127.0.0.1", 0)
    settings = EmailSettings(
        host="127.0.0.1", port=server.sockets[0].getsockname()[1], starttls=False,
        sender="livetrap@example.org", recipients=("a@example.org", "b@example.org"),
    )  # fmt: skip
    store = DeliveryStore(pool)
    name = f"digest-{uuid.uuid4().hex[:8]}"
    await store.ensure_subscriber("email", name)
    expected = await send(pool, 3)
    channel = DeliveryChannel(
        "email", name, Digest(settings, run_in_thread).deliver, store=store,
        longest=timedelta(days=3650), n_most_failures=3, pause_s=60,
    )  # fmt: skip
    task = asyncio.create_task(channel.run())
    await until(lambda: mails)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    server.close()
    await server.wait_closed()
    mail = message_from_bytes(mails[0])
    assert mail["To"] == "a@example.org, b@example.org"
    assert mail["Subject"] == "LiveTrap: 3 alerts"
    text = mail.get_payload(decode=True).decode().replace("=\r\n", "")
    assert all(ivorn in text for ivorn in expected)


def test_they_are_named_in_the_settings_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "site.toml"
    path.write_text(
        '[[alert.webhooks]]\nname = "robot"\nurl = "https://robot.example.org/in"\n'
        'secret = "0123456789abcdef"\n'
    )
    monkeypatch.setenv("LIVETRAP_CONFIG", str(path))
    (webhook,) = Settings().alert.webhooks
    assert str(webhook.url) == "https://robot.example.org/in"
    assert run(["settings"]) == 0
    shown = capsys.readouterr().out
    assert "robot.example.org" in shown
    assert "0123456789abcdef" not in shown
