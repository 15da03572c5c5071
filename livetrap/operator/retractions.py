"""Retract transients on behalf of an operator; the services send the retractions."""

from datetime import UTC, datetime

import asyncpg

from livetrap.database.connection import with_connection
from runtime.errors import SettingsError
from runtime.settings import Settings
from runtime.sql import Queries
from schemas.event_json import event_from_json
from schemas.retraction import MAX_REASON_CHARS
from schemas.topics import Topics
from services.associate.steps.retraction import to_retraction
from services.associate.storage import Catalogue

__all__ = ["retract"]

_QUERIES = Queries("livetrap.operator")


def retract(
    settings: Settings, *, name: str | None, image_id: str | None, reason: str
) -> list[str]:
    """Retract one transient, or all that an image created.

    Parameters
    ----------
    settings : Settings
        Where the database is.
    name : str or None
        Ivorn or TrigID of an alert, or the number of a transient.
    image_id : str or None
        Or the sha256 of the image.
    reason : str
        Why, for the subscribers.

    Returns
    -------
    list of str
        TrigIDs of the transients that were retracted now.

    Raises
    ------
    SettingsError
        If there is no such transient, or all of them were retracted before; others as of
        `livetrap.database.connection.connect`.
    """
    text = _check_reason(reason)
    topics = Topics(settings.kafka.topic_prefix)

    async def retract_all(connection: asyncpg.Connection) -> list[str]:
        async with connection.transaction():
            rows = await _QUERIES.fetch(
                connection, "lock_transients", name=name, image_id=image_id
            )
            active = _only_active(rows, name or image_id)
            for row in active:
                last = event_from_json(row["event"])
                retraction = to_retraction(last, text, datetime.now(UTC))
                await Catalogue(connection).retract_transient(retraction, topics)
            return [row["trig_id"] for row in active]

    return with_connection(settings.postgres, retract_all)


def _check_reason(reason: str) -> str:
    text = " ".join(reason.split())
    if not text or len(text) > MAX_REASON_CHARS or not text.isprintable():
        raise SettingsError(f"--reason has 1 to {MAX_REASON_CHARS} printable characters")
    return text


def _only_active(rows: list[asyncpg.Record], name: str | None) -> list[asyncpg.Record]:
    if not rows:
        raise SettingsError(f"no transient {name!r}; `livetrap alerts list` shows their names")
    active = [row for row in rows if row["state"] == "active"]
    if not active:
        raise SettingsError(f"{name} is retracted already")
    return active
