"""Alerts that were sent: list them, show one, list who received one."""

from typing import Any

import asyncpg

from livetrap.database.connection import with_connection
from livetrap.terminal.printable import to_printable
from runtime.errors import SettingsError
from runtime.settings import Settings
from runtime.sql import Queries

__all__ = [
    "get_voevent",
    "list_alerts",
    "list_deliveries",
    "render_alerts",
    "render_deliveries",
]

Row = dict[str, Any]
_QUERIES = Queries("livetrap.operator")


def list_alerts(settings: Settings, *, name: str | None, limit: int) -> list[Row]:
    """Return alerts, newest first; errors as of `livetrap.database.connection.connect`.

    Parameters
    ----------
    settings : Settings
        Where the database is.
    name : str or None
        Ivorn of one alert, or TrigID of a family; None: all.
    limit : int
        Largest number of alerts.
    """

    async def fetch(connection: asyncpg.Connection) -> list[Row]:
        rows = await _QUERIES.fetch(connection, "list_alerts", family=name, limit=limit)
        return [dict(row) for row in rows]

    return with_connection(settings.postgres, fetch)


def list_deliveries(settings: Settings, name: str) -> list[Row]:
    """Return who was sent an alert, in order of time; of a TrigID, its latest alert.

    Raises
    ------
    SettingsError
        If there is no such alert; others as of `livetrap.database.connection.connect`.
    """

    async def fetch(connection: asyncpg.Connection) -> list[Row]:
        rows = await _QUERIES.fetch(connection, "list_deliveries", name=name)
        if not rows:
            raise _no_alert(name)
        return [dict(row) for row in rows if row["channel"] is not None]

    return with_connection(settings.postgres, fetch)


def get_voevent(settings: Settings, name: str) -> bytes:
    """Return a VOEvent as it was sent, by ivorn; of a TrigID, the latest one.

    Raises
    ------
    SettingsError
        If there is no such alert; others as of `livetrap.database.connection.connect`.
    """

    async def fetch(connection: asyncpg.Connection) -> bytes:
        packet: bytes | None = await _QUERIES.fetchval(connection, "get_voevent", name=name)
        if packet is None:
            raise _no_alert(name)
        return packet

    return with_connection(settings.postgres, fetch)


def render_alerts(alerts: list[Row]) -> str:
    """Return one line an alert."""
    return "\n".join(to_printable(_to_line(alert)) for alert in alerts) or "no alerts"


def render_deliveries(deliveries: list[Row]) -> str:
    """Return one line a subscriber."""
    lines = []
    for delivery in deliveries:
        time = delivery["time_acknowledged"]
        outcome = f"acknowledged {time:%H:%M:%S.%f}" if time else "not acknowledged"
        lines.append(
            f"{delivery['time_sent']:%Y-%m-%d %H:%M:%S.%f}  {delivery['channel']:<8}"
            f"{delivery['subscriber']:<48}  {outcome}"
        )
    return "\n".join(map(to_printable, lines)) or "sent to no subscriber yet"


def _to_line(alert: Row) -> str:
    state = "  (retracted)" if alert["state"] == "retracted" else ""
    sent = "" if alert["time_published"] else "  (not sent yet)"
    return (
        f"{alert['time_alert']:%Y-%m-%d %H:%M:%S}  {alert['alert_type']:<10}  "
        f"{alert['kind']:<10}  S/N {alert['snr']:7.1f}  {alert['ra']:9.4f} "
        f"{alert['dec']:+9.4f}  {alert['ivorn']}{state}{sent}"
    )


def _no_alert(name: str) -> SettingsError:
    return SettingsError(f"no alert {name!r}; `livetrap alerts list` shows their names")
