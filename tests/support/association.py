"""The associator without its Kafka clients: records in, rows and events out."""

import uuid
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import asyncpg
from pydantic import SecretStr

from runtime.array_codecs import take_numpy
from runtime.kafka import InMessage, OutMessage
from runtime.postgres import create_pool
from runtime.settings import PostgresSettings, Settings
from schemas.codec import (
    decode_forced_request,
    decode_source_event,
    decode_stamp_request,
    encode_image_detections,
)
from schemas.messages import (
    ForcedRequest,
    ImageDetections,
    SourceEvent,
    SourceOffset,
    StampRequest,
)
from schemas.topics import Topics
from services.associate.handlers.detections import DetectionsHandler
from tests.support.in_flight import new_in_flight

# A1 and its like were measured with these.
CASE = {
    "de_ruiter_radius": 3.717,
    "beamwidths_limit": 1.0,
    "systematic_position_error_arcsec": 20.0,
    "new_source_sigma_margin": 3.0,
    "first_timestep_wait_s": 1e-6,
    "window_timeout_s": 1e-6,
    # No extractor answers here; what looks back asks for it.
    "lookback_images": 0,
    "archive_wait_s": 0.0,
}


class Associator:
    """One associator on a partition of its own, in a stream of its own."""

    def __init__(
        self, handler: DetectionsHandler, settings: Settings, pool: asyncpg.Pool, name: str
    ) -> None:
        self.handler = handler
        self.settings = settings
        self.pool = pool
        self.stream = name
        self.offset = 0
        self.events: list[SourceEvent] = []
        self.requests: list[ForcedRequest] = []
        self.stamp_requests: list[StampRequest] = []

    async def feed(self, *records: ImageDetections) -> None:
        """Deliver records of one timestep and wait until they are in the catalogue."""
        self.deliver(records)
        await self.settle()

    def deliver(
        self, records: Iterable[ImageDetections], *, partition: int = 0
    ) -> list[InMessage]:
        """Deliver records on a partition; offsets are counted over all of them."""
        messages = []
        for record in records:
            source = record.source
            if source.cluster_id == "replaced":
                source = SourceOffset(self.stream, "images-v1", 0, self.offset)
            placed = replace(record, stream=self.stream, source=source)
            value = encode_image_detections(placed)
            messages.append(InMessage("detections-v1", partition, self.offset, b"", value))
            self.handler.on_message(messages[-1])
            self.offset += 1
        return messages

    async def settle(self) -> None:
        while await self.associate_some():
            pass

    async def associate_some(self) -> bool:
        """Associate and publish as one turn of the loop does; return whether more is ready."""
        assert await self.handler.associate_ready()
        while await self.handler.outbox.relay(self._read):
            pass
        return self.handler.has_ready and not self.handler.dead_letters.pending

    def _read(self, outbox: list[OutMessage]) -> None:
        """Keep the messages of this stream, as Kafka would."""
        for message in outbox:
            key = message.key.decode()
            if key == self.stream:
                self.events.append(decode_source_event(message.value))
            elif not key.startswith(f"{self.stream}:"):
                continue
            elif message.topic == Topics().stamp_requests:
                self.stamp_requests.append(decode_stamp_request(message.value))
            else:
                self.requests.append(decode_forced_request(message.value))

    async def rows(self, query: str, *parameters: Any) -> list[dict[str, Any]]:
        return [dict(row) for row in await self.pool.fetch(query, *parameters)]

    async def sources(self) -> list[dict[str, Any]]:
        return await self.rows(
            "select source.* from source join stream on stream.id = source.stream_id "
            "where stream.name = $1 order by source.id",
            self.stream,
        )

    async def outcomes(self) -> dict[str, int]:
        rows = await self.rows(
            "select outcome, count(*) as n from image_ledger where stream = $1 group by outcome",
            self.stream,
        )
        return {row["outcome"]: row["n"] for row in rows}

    async def light_curves(self) -> list[dict[str, Any]]:
        return await self.rows(
            "select source_band.* from source_band join source on source.id = source_id "
            "join stream on stream.id = source.stream_id where stream.name = $1 "
            "order by source_id, band_id",
            self.stream,
        )


@asynccontextmanager
async def associator(
    url: str,
    *,
    name: str | None = None,
    partitions: tuple[int, ...] = (0,),
    **settings: float | None,
) -> AsyncIterator[Associator]:
    """Start an associator; the same name takes over from one that died."""
    name = name or f"case-{uuid.uuid4().hex[:12]}"
    pool = await create_pool(
        PostgresSettings(url=SecretStr(url), pool_size=2),
        service="test",
        prepare=take_numpy,
        resets_sessions=False,
    )
    whole = Settings(associate=CASE | settings)
    handler = DetectionsHandler(whole.associate, Topics(), name, pool, new_in_flight(name))
    offsets = await handler.take_partitions(partitions)
    associator = Associator(handler, whole, pool, name)
    associator.offset = offsets.get(0, 0)
    try:
        yield associator
    finally:
        await handler.aclose()
