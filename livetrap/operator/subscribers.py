"""Subscribers with a name: list them, enable one that was disabled."""

from typing import Any

import asyncpg

from livetrap.database.connection import with_connection
from livetrap.terminal.printable import to_printable
from runtime.errors import SettingsError
from runtime.settings import Settings
from runtime.sql import Queries

__all__ = ["enable_subscriber", "list_subscribers", "render_subscribers"]

Row = dict[str, Any]
_QUERIES = Queries("livetrap.operator")


def list_subscribers(settings: Settings) -> list[Row]:
    """Return the subscribers; errors as of `livetrap.database.connection.connect`."""

    async def fetch(connection: asyncpg.Connection) -> list[Row]:
        rows = await _QUERIES.fetch(connection, "list_subscribers")
        return [dict(row) for row in rows]

    return with_connection(settings.postgres, fetch)


def enable_subscriber(settings: Settings, channel: str, name: str) -> None:
    """Deliver again to a subscriber that is disabled; its failures and refusals count from 0.

    Raises
    ------
    SettingsError
        If there is no such subscriber; others as of `livetrap.database.connection.connect`.
    """

    async def enable(connection: asyncpg.Connection) -> None:
        enabled = await _QUERIES.fetchval(
            connection, "enable_subscriber", channel=channel, name=name
        )
        if enabled is None:
            raise SettingsError(
                f"no {channel} subscriber {name!r}; `livetrap alerts subscribers` lists them"
            )

    with_connection(settings.postgres, enable)


def render_subscribers(subscribers: list[Row]) -> str:
    """Return one line a subscriber."""
    lines = []
    for row in subscribers:
        failure = ""
        if reason := row["disabled_reason"]:
            failure = f"  disabled: {reason}"
        elif reason := row["failure_reason"]:
            failure = f"  failing since {row['time_failed']:%Y-%m-%d %H:%M}Z: {reason}"
        lines.append(
            f"{row['channel']:<8}{row['name']:<48}{row['n_acknowledged']:>8} alerts{failure}"
        )
    return "\n".join(map(to_printable, lines)) or "no subscribers"
