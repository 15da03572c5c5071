"""What is told of sources: transients, events, messages."""

from collections.abc import Sequence
from dataclasses import astuple
from datetime import datetime

from runtime.sql import load_query
from schemas.codec import encode_source_event
from schemas.event_json import event_to_json
from schemas.messages import SourceEvent
from services.associate.models import LastNotified, NewTransient
from services.associate.storage.transaction import PACKAGE, Transaction

__all__ = ["EventRows"]


class EventRows(Transaction):
    """Tables `transient`, `source_event` and `outbox`."""

    async def load_last_notified(
        self, source_ids: Sequence[int], max_updates: int, notified_before: datetime
    ) -> list[LastNotified]:
        """Return what was told last of the sources that may still be updated."""
        rows = await self._connection.fetch(
            load_query(PACKAGE, "select_last_notified"),
            list(source_ids),
            max_updates,
            notified_before,
        )
        return [LastNotified(**row) for row in rows]

    async def update_last_notified(self, event: SourceEvent, transient_id: int) -> bool:
        """Note what the newest event tells of a transient; False if it was taken back."""
        updated: int | None = await self._fetchval(
            "update_last_notified",
            transient_id, event.snr, event.n_bands, event.time_start,
            event.ra, event.dec, event.ra_err_deg, event.dec_err_deg,
        )  # fmt: skip
        return updated is not None

    async def insert_event(self, event: SourceEvent, time_detected: datetime) -> None:
        """Keep an event as it goes to Kafka."""
        await self._execute(
            "insert_event",
            event.event_id, event.transient_id, event.kind, time_detected, event_to_json(event),
        )  # fmt: skip

    async def insert_transient(self, transient: NewTransient) -> int:
        """Store a transient and return its id."""
        return int(await self._fetchval("insert_transient", *astuple(transient)))

    async def retract(self, event: SourceEvent, reason: str, topic: str) -> None:
        """Take the transient of a retraction back; the event is kept and goes to the relay."""
        await self._execute(
            "retract_transient",
            event.transient_id, reason, event.event_id, event_to_json(event),
            topic, event.stream, encode_source_event(event),
        )  # fmt: skip

    async def insert_outbox(self, topic: str, key: str, value: bytes) -> None:
        """Leave a message for the relay."""
        await self._execute("insert_outbox", topic, key, value)
