"""Messages for Kafka, left with the rows that they announce; the one place that encodes Avro."""

from collections.abc import Sequence

import asyncpg

from schemas.codec import encode_forced_request, encode_source_event, encode_stamp_request
from schemas.event_json import event_to_json
from schemas.messages import SourceEvent, StampRequest
from schemas.topics import Topics, image_message_key
from services.associate.models.decisions import ImageRequest, Retraction
from services.associate.storage.transaction import Transaction

__all__ = ["OutboxTables"]


class OutboxTables(Transaction):
    """Tables `source_event` and `outbox`."""

    async def insert_events(self, events: Sequence[SourceEvent], topics: Topics) -> None:
        """Store events, and leave them for Kafka, in their order."""
        if not events:
            return
        await self._execute(
            "insert_events",
            event_id=[event.event_id for event in events],
            transient_id=[event.transient_id for event in events],
            kind=[event.kind for event in events],
            time_detected=[event.times.time_associated for event in events],
            event=[event_to_json(event) for event in events],
            topic=topics.transients,
            key=[event.stream for event in events],
            value=[encode_source_event(event) for event in events],
        )

    async def insert_requests(self, requests: Sequence[ImageRequest], topics: Topics) -> None:
        """Leave requests for forced photometry for Kafka, in their order."""
        await self._insert_outbox(
            [
                (
                    topics.forced_requests,
                    image_message_key(each.request.stream, each.freq_eff_hz),
                    encode_forced_request(each.request),
                )
                for each in requests
            ]
        )

    async def insert_stamp_request(
        self, freq_eff_hz: float, request: StampRequest, topics: Topics
    ) -> None:
        """Leave a request for stamps of an image of a frequency [Hz] for Kafka."""
        key = image_message_key(request.stream, freq_eff_hz)
        await self._insert_outbox([(topics.stamp_requests, key, encode_stamp_request(request))])

    async def retract_transient(self, retraction: Retraction, topics: Topics) -> None:
        """Retract a transient that this transaction has locked: state, event and message."""
        event = retraction.event
        await self._execute(
            "retract_transient",
            transient_id=event.transient_id,
            retraction_reason=retraction.reason,
            event_id=event.event_id,
            event=event_to_json(event),
            topic=topics.transients,
            key=event.stream,
            value=encode_source_event(event),
        )

    async def lock_outbox(self) -> bool:
        """Return whether this transaction alone may publish the outbox."""
        [row] = await self._fetch("lock_outbox")
        return bool(row["is_acquired"])

    async def take_outbox(self, limit: int) -> list[asyncpg.Record]:
        """Take the next messages for Kafka, oldest first; undone, they are there again."""
        return await self._fetch("take_outbox", limit=limit)

    async def _insert_outbox(self, messages: Sequence[tuple[str, str, bytes]]) -> None:
        """Leave messages, by topic, key and value."""
        if messages:
            topics, keys, values = zip(*messages, strict=True)
            await self._execute("insert_outbox", topic=topics, key=keys, value=values)
