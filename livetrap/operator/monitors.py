"""Monitored positions: load a list, list them, delete them."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import asyncpg

from api.steps.monitor_lists import MonitorListError, read_monitor_list
from livetrap.database.connection import with_connection
from livetrap.operator.audited import write_as_user
from runtime.errors import SettingsError
from runtime.settings import Settings
from runtime.sql import Queries

__all__ = ["delete_monitors", "list_monitors", "upload_monitors"]

_QUERIES = Queries("api")
# A list of a million positions; more would be a mistake.
_MOST_BYTES = 100_000_000
_PAGE = 10_000


def upload_monitors(settings: Settings, path: Path, stream: str) -> tuple[int, int]:
    """Monitor the positions of a list; return how many are new, and how many had a monitor.

    Parameters
    ----------
    settings : Settings
        Of the database, and how many monitors a stream may have.
    path : Path
        A CSV, or a VOTable for any other ending.
    stream : str
        The stream; it need not exist yet.

    Raises
    ------
    SettingsError
        If the list cannot be used, or the stream would have too many; others as of
        `livetrap.database.connection.connect`.
    """
    if path.stat().st_size > _MOST_BYTES:
        raise SettingsError(f"{path} is larger than {_MOST_BYTES // 10**6} MB; split it")
    media_type = "text/csv" if path.suffix.lower() == ".csv" else "application/x-votable+xml"
    try:
        wanted = read_monitor_list(path.read_bytes(), media_type)
    except MonitorListError as error:
        raise SettingsError(f"{path}: {error}") from error
    most = settings.api.max_monitors

    async def write(connection: asyncpg.Connection) -> tuple[int, int]:
        row = await _QUERIES.fetchrow(
            connection, "insert_monitors", stream=stream, max_monitors=most, **asdict(wanted)
        )
        if row is None:
            raise SettingsError(
                f"stream {stream} may have {most} monitors, and {path} has {len(wanted.ra)}; "
                "delete some, or raise LIVETRAP_API__MAX_MONITORS"
            )
        return row["n_added"], row["n_changed"]

    return write_as_user(settings.postgres, write)


def list_monitors(settings: Settings, stream: str | None) -> list[dict[str, Any]]:
    """Return the monitors of a stream, or of all; errors as of `connect`."""

    async def fetch(connection: asyncpg.Connection) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while True:
            rows = await _QUERIES.fetch(
                connection,
                "list_monitors",
                id=None,
                stream=stream,
                before_id=found[-1]["id"] if found else None,
                limit=_PAGE,
            )
            found += [dict(row) for row in rows]
            if len(rows) < _PAGE:
                return found

    return with_connection(settings.postgres, fetch)


def delete_monitors(settings: Settings, ids: Sequence[int]) -> None:
    """Delete monitors: all, or none if one does not exist.

    Raises
    ------
    SettingsError
        If one does not exist; others as of `livetrap.database.connection.connect`.
    """

    async def delete(connection: asyncpg.Connection) -> None:
        for each in ids:
            if not await _QUERIES.fetch(connection, "delete_monitor", id=each):
                raise SettingsError(f"no monitor {each}; `livetrap monitors list` shows them")

    write_as_user(settings.postgres, delete)
