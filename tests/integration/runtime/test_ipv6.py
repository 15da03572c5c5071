"""The API and the VOEvent server are reached by IPv6."""

import asyncio
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from livetrap.stack.ports import choose_port
from runtime.settings import VtpSettings
from services.distribute.handlers.vtp import VtpServer
from tests.support.forked import start_module
from tests.support.vtp_log import memory_log
from tests.support.vtp_service import wait_until


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


pytestmark = pytest.mark.skipif(not has_ipv6(), reason="this machine has no loopback of IPv6")


@contextmanager
def running_api(host: str, log: Path) -> Iterator[int]:
    """Run the API, without a database, on a free port of `host`."""
    port = choose_port(None, taken=set())
    environment = {"LIVETRAP_API__HOST": host, "LIVETRAP_API__PORT": str(port)}
    process = start_module(
        "api", environment={**os.environ, **environment}, log=log, service="api"
    )
    try:
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def is_alive(address: str) -> bool:
    try:
        return httpx.get(f"http://{address}/healthz", trust_env=False).is_success
    except httpx.TransportError:
        return False


@pytest.mark.parametrize(("host", "clients"), [("::1", ["[::1]"]), ("::", ["[::1]", "127.0.0.1"])])
def test_the_api_answers(host: str, clients: list[str], tmp_path: Path) -> None:
    with running_api(host, tmp_path / "api.log") as port:
        for client in clients:
            address = f"{client}:{port}"
            wait_until(lambda address=address: is_alive(address), what=address)


@pytest.mark.parametrize(("host", "clients"), [("::1", ["::1"]), ("::", ["::1", "127.0.0.1"])])
async def test_the_voevent_server_greets_subscribers(host: str, clients: list[str]) -> None:
    server = VtpServer(VtpSettings(host=host, port=0), "org.example", log=memory_log())
    await server.start()
    try:
        for client in clients:
            reader, writer = await asyncio.open_connection(client, server.port)
            length = int.from_bytes(await reader.readexactly(4), "big")
            assert b"authenticate" in await reader.readexactly(length)
            writer.close()
            await writer.wait_closed()
    finally:
        await server.aclose()
