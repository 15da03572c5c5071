"""Alerts for an operator: list, show, retract."""

from typing import Any

import asyncpg

from livetrap.operator.database import with_connection
from runtime.errors import SettingsError
from runtime.settings import Settings
from runtime.sql import load_query
from schemas.codec import encode_source_event
from schemas.event_json import event_from_json
from schemas.topics import Topics

__all__ = [
    "get_packet",
    "list_alerts",
    "list_deliveries",
    "list_suppressed",
    "release",
    "render_alerts",
    "render_deliveries",
    "retract",
]

Row = dict[str, Any]
_PACKAGE = "livetrap.operator"
_LONGEST_REASON = 500


def list_alerts(settings: Settings, *, family: str | None, limit: int) -> list[Row]:
    """Return alerts, newest first; of one family if its ivorn or TrigID is given.

    Raises
    ------
    TransientError
        If the database is away.
    FatalError
        If it refuses us or has no such schema.
    """

    async def ask(connection: asyncpg.Connection) -> list[Row]:
        rows = await connection.fetch(load_query(_PACKAGE, "list_alerts"), family, limit)
        return [dict(row) for row in rows]

    return with_connection(settings, ask)


def list_deliveries(settings: Settings, name: str) -> list[Row]:
    """Return who was handed an alert, in order of time; of a family, its latest alert.

    Raises
    ------
    SettingsError
        If there is none; beyond that as of `list_alerts`.
    """

    async def ask(connection: asyncpg.Connection) -> list[Row]:
        rows = await connection.fetch(load_query(_PACKAGE, "list_deliveries"), name)
        if not rows:
            raise SettingsError(f"no alert {name!r}; `livetrap alerts list` names them")
        return [dict(row) for row in rows if row["channel"] is not None]

    return with_connection(settings, ask)


def get_packet(settings: Settings, name: str) -> bytes:
    """Return a VOEvent by ivorn, or the last one of a TrigID.

    Raises
    ------
    SettingsError
        If there is none; beyond that as of `list_alerts`.
    """

    async def ask(connection: asyncpg.Connection) -> bytes:
        packet: bytes | None = await connection.fetchval(load_query(_PACKAGE, "get_voevent"), name)
        if packet is None:
            raise SettingsError(f"no alert {name!r}; `livetrap alerts list` names them")
        return packet

    return with_connection(settings, ask)


def retract(
    settings: Settings, *, name: str | None, image_id: str | None, reason: str
) -> list[str]:
    """Take transients back; the associator sends the events, the alert service the retractions.

    Parameters
    ----------
    settings : Settings
        Where the database is.
    name : str or None
        Ivorn or TrigID of an alert, or the number of a transient.
    image_id : str or None
        Or all that an image created: its sha256.
    reason : str
        Why, for the subscribers.

    Returns
    -------
    list of str
        TrigIDs of what was taken back now.

    Raises
    ------
    SettingsError
        If there is nothing of that name, or all of it was taken back before; beyond that as of
        `list_alerts`.
    """
    # Here alone, so that a list of alerts does not wait for astropy.
    from services.associate.steps.retraction import retract_transient  # noqa: PLC0415
    from services.associate.storage import Catalogue  # noqa: PLC0415

    words = " ".join(reason.split())
    if not words or len(words) > _LONGEST_REASON or not words.isprintable():
        raise SettingsError(f"a reason has 1 to {_LONGEST_REASON} printable characters")
    topic = Topics(settings.kafka.topic_prefix).transients

    async def work(connection: asyncpg.Connection) -> list[str]:
        async with connection.transaction():
            rows = await connection.fetch(load_query(_PACKAGE, "lock_transients"), name, image_id)
            if not rows:
                raise SettingsError(f"no transient of {name or image_id!r}; see `alerts list`")
            active = [row for row in rows if row["state"] == "active"]
            if not active:
                raise SettingsError(f"{name or image_id} was retracted before")
            for row in active:
                last = event_from_json(row["event"])
                await retract_transient(Catalogue(connection), last, reason=words, topic=topic)
            return [row["trig_id"] for row in active]

    return with_connection(settings, work)


def list_suppressed(settings: Settings, *, limit: int) -> list[Row]:
    """Return the events that a storm holds, oldest first; errors as of `list_alerts`."""

    async def ask(connection: asyncpg.Connection) -> list[Row]:
        return [
            dict(row)
            for row in await connection.fetch(load_query(_PACKAGE, "list_suppressed"), limit)
        ]

    return with_connection(settings, ask)


def release(settings: Settings, *, name: str | None, image_id: str | None) -> list[str]:
    """Let held events out: they go through the alert service again, and are not held again.

    Raises
    ------
    SettingsError
        If nothing of that name is held; beyond that as of `list_alerts`.
    """
    topic = Topics(settings.kafka.topic_prefix).transients

    async def work(connection: asyncpg.Connection) -> list[str]:
        async with connection.transaction():
            rows = await connection.fetch(load_query(_PACKAGE, "release_events"), name, image_id)
            if not rows:
                raise SettingsError(f"nothing of {name or image_id!r} is held; see `alerts held`")
            events = [event_from_json(row["event"]) for row in rows]
            for event in sorted(events, key=lambda each: each.event_id):
                await connection.execute(
                    load_query(_PACKAGE, "insert_outbox"),
                    topic, event.stream, encode_source_event(event),
                )  # fmt: skip
            return [event.event_id for event in events]

    return with_connection(settings, work)


def render_alerts(alerts: list[Row]) -> str:
    """Return one line an alert."""
    lines = []
    for alert in alerts:
        state = "  (taken back)" if alert["state"] == "retracted" else ""
        sent = "" if alert["time_published"] else "  (not sent yet)"
        lines.append(
            f"{alert['time_alert']:%Y-%m-%d %H:%M:%S}  {alert['alert_type']:<10}  "
            f"{alert['kind']:<10}  S/N {alert['snr']:7.1f}  {alert['ra']:9.4f} "
            f"{alert['dec']:+9.4f}  {alert['ivorn']}{state}{sent}"
        )
    return "\n".join(lines) or "no alerts"


def render_deliveries(deliveries: list[Row]) -> str:
    """Return one line a subscriber."""
    lines = []
    for each in deliveries:
        has = each["time_acknowledged"]
        has_it = f"has it since {has:%H:%M:%S.%f}" if has else "has not acknowledged it"
        lines.append(
            f"{each['time_sent']:%Y-%m-%d %H:%M:%S.%f}  {each['channel']:<8}"
            f"{each['subscriber']:<48}  {has_it}"
        )
    return "\n".join(lines) or "nobody was handed it yet"
