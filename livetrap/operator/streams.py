"""Streams: list them, describe one, delete one, reset the clock of one."""

from datetime import datetime
from typing import Any

import asyncpg

from livetrap.database.connection import with_connection
from livetrap.terminal.printable import to_printable
from runtime.errors import SettingsError
from runtime.settings import Settings
from runtime.sql import Queries

__all__ = [
    "delete_stream",
    "describe_stream",
    "find_stream",
    "list_streams",
    "render_stream",
    "render_streams",
    "reset_clock",
]

Row = dict[str, Any]
_QUERIES = Queries("livetrap.operator")
_LOCK_TIMEOUT = "15s"
_COLUMNS = ("name", "n_images", "n_sources", "n_transients", "detection_bytes", "last_time_start")


def list_streams(settings: Settings) -> list[Row]:
    """Return a summary of every stream by name; errors as of `connection.connect`."""
    return with_connection(settings.postgres, lambda connection: _list(connection, None))


def describe_stream(settings: Settings, name: str) -> Row:
    """Return the summary of one stream, with its bands as a list under `bands`.

    Raises
    ------
    SettingsError
        If there is no such stream; others as of `livetrap.database.connection.connect`.
    """

    async def fetch(connection: asyncpg.Connection) -> Row:
        stream = await find_stream(connection, name)
        bands = await _QUERIES.fetch(connection, "list_stream_bands", stream_id=stream["id"])
        return {**stream, "bands": [dict(band) for band in bands]}

    return with_connection(settings.postgres, fetch)


def delete_stream(settings: Settings, name: str) -> Row:
    """Delete a stream in one transaction; return its summary.

    Its rows in the ledger and its alerts stay: they account for what was received and sent.

    Raises
    ------
    SettingsError
        If there is no such stream; others as of `livetrap.database.connection.connect`.
    """

    async def delete(connection: asyncpg.Connection) -> Row:
        stream = await find_stream(connection, name)
        async with connection.transaction():
            await connection.execute(f"set local lock_timeout = '{_LOCK_TIMEOUT}'")
            await _QUERIES.execute(connection, "delete_stream", stream_id=stream["id"])
        return stream

    return with_connection(settings.postgres, delete)


async def find_stream(connection: asyncpg.Connection, name: str) -> Row:
    """Return the summary of one stream.

    Raises
    ------
    SettingsError
        If there is no such stream.
    """
    found = await _list(connection, name)
    if not found:
        raise SettingsError(f"no stream {name!r}; `livetrap streams list` shows their names")
    return found[0]


async def _list(connection: asyncpg.Connection, name: str | None) -> list[Row]:
    rows = await _QUERIES.fetch(connection, "list_streams", name=name)
    return [dict(row) for row in rows]


def render_streams(streams: list[Row]) -> str:
    """Return a table, one line a stream."""
    if not streams:
        return "no streams"
    table = [list(_COLUMNS), *[[_show(row[name]) for name in _COLUMNS] for row in streams]]
    widths = [max(len(line[column]) for line in table) for column in range(len(_COLUMNS))]
    return "\n".join(
        "  ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)).rstrip()
        for line in table
    )


def render_stream(stream: Row) -> str:
    """Return one line a fact, then one a band."""
    facts = [f"{name:<18}{_show(value)}" for name, value in stream.items() if name != "bands"]
    bands = [
        f"{'band':<18}{band['freq_eff_hz'] / 1e6:.3f} MHz, width {band['freq_bw_hz'] / 1e6:.3f} "
        f"MHz, Stokes {_show(band['stokes'])}, last {_show(band['last_time_start'])}"
        for band in stream["bands"]
    ]
    return "\n".join(facts + bands)


def _show(value: object) -> str:
    if value is None:
        return "-"
    return value.isoformat() if hasattr(value, "isoformat") else to_printable(str(value))


def reset_clock(settings: Settings, name: str) -> datetime | None:
    """Ask the associator to reset the clock of a stream; return the last closed timestep, UTC.

    Raises
    ------
    SettingsError
        If there is no such stream; others as of `livetrap.database.connection.connect`.
    """

    async def request(connection: asyncpg.Connection) -> datetime | None:
        await find_stream(connection, name)
        moment: datetime | None = await _QUERIES.fetchval(
            connection, "request_clock_reset", name=name
        )
        return moment

    return with_connection(settings.postgres, request)
