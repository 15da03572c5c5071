"""Subscribers with a name: list, enable."""

from typing import Any

import asyncpg

from livetrap.operator.database import with_connection
from runtime.errors import SettingsError
from runtime.settings import Settings
from runtime.sql import load_query

__all__ = ["enable_subscriber", "list_subscribers"]

_PACKAGE = "livetrap.operator"


def list_subscribers(settings: Settings) -> list[dict[str, Any]]:
    """Return who gets alerts by name; errors as of `livetrap.operator.database.connect`."""

    async def ask(connection: asyncpg.Connection) -> list[dict[str, Any]]:
        rows = await connection.fetch(load_query(_PACKAGE, "list_subscribers"))
        return [dict(row) for row in rows]

    return with_connection(settings, ask)


def enable_subscriber(settings: Settings, channel: str, name: str) -> None:
    """Serve a subscriber again that failed too often.

    Raises
    ------
    SettingsError
        If there is none; beyond that as of `livetrap.operator.database.connect`.
    """

    async def work(connection: asyncpg.Connection) -> None:
        query = load_query(_PACKAGE, "enable_subscriber")
        if await connection.fetchval(query, channel, name) is None:
            raise SettingsError(f"no {channel} {name!r}; `livetrap alerts subscribers` lists them")

    with_connection(settings, work)
