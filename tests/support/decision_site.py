"""The associate service on Kafka, fed with records: what it announces, and what REST says."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import asyncpg
import numpy as np
from confluent_kafka import Consumer, Producer, TopicPartition
from pydantic import SecretStr

from livetrap.operator.tokens import issue_token
from runtime.kafka.connection import common_config
from runtime.settings import PostgresSettings, Settings
from schemas.codec import (
    decode_forced_request,
    decode_source_event,
    encode_forced_measurements,
    encode_image_detections,
)
from schemas.messages import ForcedRequest, ImageDetections, SourceEvent, SourceOffset
from tests.support.api_service import client_of
from tests.support.vtp_service import AlertSite, ServiceProcess, alert_site
from tests.support.watched_sky import WatchedSky

__all__ = ["DecisionSite", "decision_site"]

_PATIENCE_S = 300
# What is on its way of a stream: images, messages, answers, judgements; and its events.
_STATE = """
select
    (select count(*) from image_ledger where stream = $1) as n_images,
    (select count(*) from outbox where key = $1 or key like $1 || ':%') as n_messages,
    (select count(*) from waiting_request where stream_id = stream.id)
    + (select count(*) from waiting_timestep where stream_id = stream.id)
    + (select count(*) from look_back where stream_id = stream.id and verdict is null)
        as n_waiting,
    (
        select count(*) from source_event
        inner join transient on transient.id = source_event.transient_id
        where transient.stream_id = stream.id
    ) as n_events
from stream where name = $1
"""


@dataclass
class DecisionSite:
    """Associators in processes of their own, and the telescope and extractor around them.

    With a `disorder` images of a timestep come in any order, and answers late and in any order.
    """

    site: AlertSite
    services: list[ServiceProcess]
    skies: dict[str, WatchedSky] = field(default_factory=dict)
    events: defaultdict[str, list[SourceEvent]] = field(default_factory=lambda: defaultdict(list))
    disorder: np.random.Generator | None = None

    def __post_init__(self) -> None:
        self._n_sent: dict[str, int] = {}
        self._n_images = 0
        self._timesteps: dict[str, list[list[ImageDetections]]] = {}
        self._unanswered: list[ForcedRequest] = []
        config = common_config(self.site.kafka) | {"log_level": 0}
        self._producer = Producer(config | {"linger.ms": 0})
        self._consumer = Consumer(config | {"group.id": "extract", "enable.auto.commit": False})
        topics = self.site.topics
        self._consumer.assign(
            [
                TopicPartition(topic, number, 0)
                for topic in (topics.forced_requests, topics.transients)
                for number in range(self.site.kafka.partitions)
            ]
        )

    async def observe(self, sky: WatchedSky, *, until: int | None = None) -> list[SourceEvent]:
        """Send the images of a stream that were not sent yet; return all its events.

        Requests are answered; it returns when all is decided. `until` is the timestep to stop at.
        """
        if sky.stream not in self.skies:
            self.skies[sky.stream] = sky
            self._timesteps[sky.stream] = list(sky.records())
        timesteps = self._timesteps[sky.stream][:until]
        n_sent = self._n_sent.get(sky.stream, 0)
        for records in timesteps[n_sent:]:
            for record in self._in_order(records):
                place = SourceOffset(sky.stream, "images-v1", 0, self._n_images)
                self._n_images += 1
                value = encode_image_detections(replace(record, source=place))
                self._send(self.site.topics.detections, sky.stream, value)
        self._n_sent[sky.stream] = len(timesteps)
        n = sum(len(records) for records in timesteps)
        connection = await asyncpg.connect(self.site.postgres_url)
        try:
            deadline_s = time.monotonic() + _PATIENCE_S
            while not self._is_decided(state := await self._state(connection, sky.stream), n):
                assert time.monotonic() < deadline_s, f"{n} images sent, {state}"
                self._work()
        finally:
            await connection.close()
        return self.events[sky.stream]

    async def _state(self, connection: asyncpg.Connection, stream: str) -> dict[str, int]:
        """Return what is stored and on its way, and the events that have come."""
        row = await connection.fetchrow(_STATE, stream)
        return dict(row or {}) | {"n_read": len(self.events[stream])}

    @staticmethod
    def _is_decided(state: dict[str, int], n_images: int) -> bool:
        return (
            state.get("n_images") == n_images
            and state["n_messages"] == state["n_waiting"] == 0
            and state["n_events"] == state["n_read"]
        )

    def _work(self) -> None:
        """Answer the requests that are there, and keep the events."""
        for service in self.services:
            service.assert_alive()
        for message in self._consumer.consume(500, 0.05):
            assert message.error() is None, message.error()
            value = message.value()
            if message.topic() == self.site.topics.transients:
                event = decode_source_event(value)
                self.events[event.stream].append(event)
                continue
            self._unanswered.append(decode_forced_request(value))
        for request in self._take_requests():
            answer = encode_forced_measurements(self.skies[request.stream].answer(request))
            self._send(self.site.topics.forced_measurements, request.stream, answer)

    def _in_order(self, records: list[ImageDetections]) -> list[ImageDetections]:
        """Return the images of a timestep as they are sent."""
        if self.disorder is None:
            return records
        return [records[each] for each in self.disorder.permutation(len(records))]

    def _take_requests(self) -> list[ForcedRequest]:
        """Take the requests to answer now: all, or some of them in any order."""
        taken, self._unanswered = self._unanswered, []
        if self.disorder is None or not taken:
            return taken
        order = self.disorder.permutation(len(taken)).tolist()
        n = int(self.disorder.integers(1, len(taken) + 1))
        self._unanswered = [taken[each] for each in order[n:]]
        return [taken[each] for each in order[:n]]

    def _send(self, topic: str, stream: str, value: bytes) -> None:
        self._producer.produce(topic, value, key=stream.encode())
        self._producer.poll(0)

    async def get(self, path: str, **parameters: Any) -> Any:
        """Return what REST answers."""
        async with client_of(self.site.postgres_url, self.site.kafka) as client:
            answer = await client.get(f"/api/v1{path}", params=parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def retract(self, transient_id: int) -> None:
        """Take a transient back, as an operator does."""
        settings = Settings(postgres=PostgresSettings(url=SecretStr(self.site.postgres_url)))
        token = await asyncio.to_thread(
            issue_token, settings, f"operator-{transient_id}", ["operate"], valid_days=None
        )
        headers = {"Authorization": f"Bearer {token}"}
        async with client_of(self.site.postgres_url, self.site.kafka) as client:
            answer = await client.post(
                f"/api/v1/transients/{transient_id}/retraction",
                json={"reason": "interference"},
                headers=headers,
            )
        assert answer.status_code == 201, answer.text

    async def rows(self, query: str, *parameters: Any) -> list[asyncpg.Record]:
        """Return what a query finds."""
        connection = await asyncpg.connect(self.site.postgres_url)
        try:
            return list(await connection.fetch(query, *parameters))
        finally:
            await connection.close()

    async def source_at(self, stream: str, place: tuple[float, float]) -> dict[str, Any]:
        """Return the source that REST has at a place, which is the only one there."""
        cone = {"stream": stream, "ra": place[0], "dec": place[1], "radius_deg": 0.01}
        (source,) = (await self.get("/sources", **cone))["items"]
        return dict(source)

    async def points_of(self, source_id: int) -> list[dict[str, Any]]:
        """Return the light curve of a source."""
        return list((await self.get(f"/sources/{source_id}/lightcurve"))["points"])

    def close(self) -> None:
        self._consumer.close()
        self._producer.flush(60)


@contextmanager
def decision_site(
    kafka_bootstrap: str,
    postgres_url: str,
    folder: Path,
    *,
    n_workers: int = 1,
    disorder: np.random.Generator | None = None,
) -> Iterator[DecisionSite]:
    """Start the service on topics and a database of its own; its settings are the defaults.

    Several processes share the partitions of the streams.

    What waits for answers does, however slow the machine is.
    """
    own = {
        "LIVETRAP_ASSOCIATE__LOOKBACK_WAIT_MS": "3600000",
        "LIVETRAP_ASSOCIATE__ARCHIVE_WAIT_S": "3600",
    }
    with alert_site(kafka_bootstrap, postgres_url, folder) as site:
        services = [site.start_and_wait("associate", **own) for _ in range(n_workers)]
        made = DecisionSite(site, services, disorder=disorder)
        try:
            yield made
        finally:
            made.close()
