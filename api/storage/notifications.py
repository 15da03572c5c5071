"""Notifications of PostgreSQL, on a connection of their own."""

import asyncio
from typing import NoReturn

import asyncpg

from runtime.logging import get_logger

__all__ = ["listen"]

_RETRY_S = 1.0
_TIMEOUT_S = 15.0


async def listen(url: str, channel: str, notified: asyncio.Event) -> NoReturn:
    """Set an event at every notification, and whenever one may have been missed.

    Runs until it is cancelled, and connects again when the connection is lost.

    Parameters
    ----------
    url : str
        Of the database that notifies.
    channel : str
        As in ``notify``.
    notified : asyncio.Event
        What is set.
    """
    while True:
        try:
            await _listen_once(url, channel, notified)
        except Exception as error:  # noqa: BLE001  (the listener outlives any failure)
            get_logger().debug("listener_failed", error=repr(error))
        await asyncio.sleep(_RETRY_S)


async def _listen_once(url: str, channel: str, notified: asyncio.Event) -> None:
    """Listen until the connection is lost."""
    connection = await asyncpg.connect(
        url, server_settings={"application_name": "livetrap-api-listen"}, timeout=_TIMEOUT_S
    )
    lost = asyncio.Event()
    connection.add_termination_listener(lambda _: lost.set())
    try:
        await connection.add_listener(channel, lambda *_: notified.set())
        notified.set()
        await lost.wait()
    finally:
        connection.terminate()
