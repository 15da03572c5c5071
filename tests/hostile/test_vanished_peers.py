"""Peers that vanish without a word: the kernel gives their connections up, and so their places."""

import asyncio
import socket
from typing import cast

import pytest

from runtime.listening import create_listener
from services.distribute.handlers import vtp as vtp_module
from services.distribute.handlers.subscriber import host_of
from tests.support.vtp_site import serving

pytestmark = pytest.mark.skipif(
    not hasattr(socket, "TCP_USER_TIMEOUT"), reason="only Linux has the option"
)


def timeout_ms(connection: socket.socket) -> int:
    return connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)


def test_connections_of_a_listener_are_given_up_after_two_minutes() -> None:
    with (
        create_listener("127.0.0.1", 0, settings="X__HOST, X__PORT") as listener,
        socket.create_connection(listener.getsockname()),
        listener.accept()[0] as accepted,
    ):
        assert timeout_ms(accepted) == 120_000


async def test_subscribers_that_vanished_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[int] = []

    def note(writer: asyncio.StreamWriter) -> str:
        found.append(timeout_ms(cast("socket.socket", writer.get_extra_info("socket"))))
        return host_of(writer)

    monkeypatch.setattr(vtp_module, "host_of", note)
    async with serving() as site:
        await site.introduce()
    assert found == [120_000]
