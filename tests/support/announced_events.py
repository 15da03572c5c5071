"""Alerts whose events are stored too, as the associator does."""

from collections.abc import Sequence
from datetime import UTC, datetime

import asyncpg

from schemas.event_json import event_to_json
from schemas.messages import SourceEvent
from services.alert.models import NewAlert
from services.alert.storage import AlertStore
from tests.support.api_rows import Rows

__all__ = ["store_events", "tell"]


async def store_events(pool: asyncpg.Pool, rows: Rows, events: Sequence[SourceEvent]) -> None:
    """Store events of one transient."""
    image = await rows.image(0)
    source = await rows.source(10.0, 10.0, image=image)
    transient = await rows.transient(source, image=image)
    await pool.executemany(
        "insert into source_event (event_id, transient_id, kind, time_detected, event) "
        "values ($1, $2, 'new_source', now(), $3)",
        [(event.event_id, transient, event_to_json(event)) for event in events],
    )


async def tell(pool: asyncpg.Pool, alerts: Sequence[NewAlert]) -> list[int]:
    """Store alerts; return their rows."""
    store = AlertStore(pool)
    async with store.transaction(len(alerts)) as transaction:
        stored = [await transaction.add(alert, {}) for alert in alerts]
    await store.mark_published([each.id for each in stored], datetime.now(UTC))
    return [each.id for each in stored]
