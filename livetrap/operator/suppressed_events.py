"""Events that a storm suppressed: list them, release them to become alerts."""

from typing import Any

import asyncpg

from livetrap.database.connection import with_connection
from livetrap.terminal.printable import to_printable
from runtime.errors import SettingsError
from runtime.settings import Settings
from runtime.sql import Queries
from schemas.codec import encode_source_event
from schemas.event_json import event_from_json
from schemas.topics import Topics

__all__ = ["list_suppressed", "release", "render_suppressed"]

Row = dict[str, Any]
_QUERIES = Queries("livetrap.operator")


def list_suppressed(settings: Settings, *, limit: int) -> list[Row]:
    """Return suppressed events, oldest first; errors as of `livetrap.database.connection.connect`.

    Parameters
    ----------
    settings : Settings
        Where the database is.
    limit : int
        Largest number of events.
    """

    async def fetch(connection: asyncpg.Connection) -> list[Row]:
        rows = await _QUERIES.fetch(connection, "list_suppressed", limit=limit)
        return [dict(row) for row in rows]

    return with_connection(settings.postgres, fetch)


def release(settings: Settings, *, name: str | None, image_id: str | None) -> list[str]:
    """Send suppressed events to the alert service again, which does not suppress them twice.

    Parameters
    ----------
    settings : Settings
        Where the database is.
    name : str or None
        Identifier of an event, or a TrigID.
    image_id : str or None
        Or the sha256 of an image: all of its events.

    Returns
    -------
    list of str
        Identifiers of the events.

    Raises
    ------
    SettingsError
        If there is no such event; others as of `livetrap.database.connection.connect`.
    """
    topic = Topics(settings.kafka.topic_prefix).transients

    async def release_all(connection: asyncpg.Connection) -> list[str]:
        async with connection.transaction():
            rows = await _QUERIES.fetch(connection, "release_events", name=name, image_id=image_id)
            events = [event_from_json(row["event"]) for row in rows]
            for event in sorted(events, key=lambda each: each.event_id):
                await _QUERIES.execute(
                    connection, "insert_outbox",
                    topic=topic, key=event.stream, value=encode_source_event(event),
                )  # fmt: skip
            return [event.event_id for event in events]

    released = with_connection(settings.postgres, release_all)
    if not released:
        raise SettingsError(
            f"no suppressed event of {name or image_id!r}; `livetrap alerts suppressed` lists them"
        )
    return released


def render_suppressed(events: list[Row]) -> str:
    """Return one line an event."""
    lines = (
        f"{event['event_id']}  {event['stream']}  S/N {float(event['snr']):.1f}  {event['reason']}"
        for event in events
    )
    return "\n".join(map(to_printable, lines)) or "no suppressed events"
