"""Receivers of alerts that answer as a test wants, and the channels that deliver to them."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from runtime.settings import WebhookSettings
from services.alert.storage import AlertStore
from services.distribute.handlers import channel as channel_module
from services.distribute.handlers.channel import DeliveryChannel
from services.distribute.handlers.webhook import Webhook
from services.distribute.storage import DeliveryStore
from tests.support.in_flight import new_in_flight
from tests.support.vtp_events import build_test_alert, source_event

__all__ = [
    "SECRET",
    "WebServer",
    "always",
    "build_channel",
    "issue",
    "running",
    "serving",
    "until",
    "webhook_to",
]

SECRET = "a secret of the test"  # noqa: S105  (of a test)


@dataclass
class WebServer:
    """An HTTP server that gives these answers one after the other, then 204."""

    statuses: list[int] = field(default_factory=list)
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    port: int = 0

    @property
    def ivorns(self) -> list[str]:
        return [headers["x-livetrap-ivorn"] for headers, _ in self.requests]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                headers = dict(line.lower().split(": ", 1) for line in head[1:] if ": " in line)
                body = await reader.readexactly(int(headers["content-length"]))
                self.requests.append((headers, body))
                status = self.statuses.pop(0) if self.statuses else 204
                place = "Location: http://127.0.0.1:1/\r\n" if status == 302 else ""
                writer.write(f"HTTP/1.1 {status} X\r\n{place}Content-Length: 0\r\n\r\n".encode())
                await writer.drain()
        except asyncio.IncompleteReadError:
            writer.close()


@asynccontextmanager
async def serving(*statuses: int) -> AsyncIterator[WebServer]:
    """Run a server that answers with `statuses` first."""
    made = WebServer(list(statuses))
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        await server.wait_closed()


async def always() -> bool:
    """Return that this process delivers."""
    return True


def build_channel(
    kind: str, name: str, deliver: Callable[..., Any], store: DeliveryStore, **changes: Any
) -> DeliveryChannel:
    """Return a channel that skips nothing and is disabled late."""
    values = {
        "may_deliver": always, "in_flight": new_in_flight(), "max_age": timedelta(days=3650),
        "max_refusals": 20,
    } | changes  # fmt: skip
    return DeliveryChannel(kind, name, deliver, store=store, **values)


@asynccontextmanager
async def running(channel: DeliveryChannel) -> AsyncIterator[DeliveryChannel]:
    """Run a channel that nobody wakes, so it polls often, and repeats soon what failed."""
    with pytest.MonkeyPatch.context() as patch:
        for name, seconds in (
            ("_POLL_INTERVAL_S", 0.05),
            ("_DISABLED_POLL_INTERVAL_S", 0.2),
            ("_FIRST_BACKOFF_S", 0.02),
            ("_LONGEST_BACKOFF_S", 0.3),
            ("_LONGEST_FAILURE_BACKOFF_S", 0.3),
        ):
            patch.setattr(channel_module, name, seconds)
        task = asyncio.create_task(channel.run())
        try:
            yield channel
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def webhook_to(
    pool: asyncpg.Pool, server: WebServer, *, name: str = "", **changes: Any
) -> AsyncIterator[str]:
    """Run a channel to a server; give its name."""
    name = name or f"robot-{uuid.uuid4().hex[:8]}"
    url = f"http://127.0.0.1:{server.port}/alerts?x=1"
    of_webhook = {key: changes.pop(key) for key in ("format", "secret") if key in changes}
    settings = WebhookSettings(
        **({"name": name, "url": url, "secret": SECRET, "allow_private": True} | of_webhook)
    )
    webhook = Webhook(settings)
    store = DeliveryStore(pool)
    await store.ensure_subscriber("webhook", name)
    async with running(build_channel("webhook", name, webhook.deliver, store, **changes)):
        yield name
    await webhook.aclose()


async def issue(pool: asyncpg.Pool, n: int = 1, *, is_published: bool = True) -> list[str]:
    """Store alerts of sources that no other test has; return their ivorns."""
    store, alerts = AlertStore(pool), []
    for _ in range(n):
        event = source_event(salt=uuid.uuid4().hex)
        async with store.transaction() as transaction:
            alerts.append(await transaction.add(build_test_alert(event), {}))
    if is_published:
        await store.mark_published([alert.id for alert in alerts], datetime.now(UTC))
    return [alert.ivorn for alert in alerts]


async def until(condition: Callable[[], Any], timeout_s: float = 60) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110  (nothing reports it)
            await asyncio.sleep(0.02)
