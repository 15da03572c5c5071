"""Alerts as they come: one follower of the table for the process, a wake-up for each client."""

import asyncio
import math
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import asyncpg
import numpy as np
import orjson

from api.metrics import FOLLOWER_FAILURES, STREAMED, STREAMS
from api.models import AlertEvent, AlertItem, Cone
from api.storage import Database
from runtime.errors import TransientError
from runtime.logging import get_logger
from runtime.postgres import AWAY_ERRORS
from sky.wcs import to_unit_vectors

__all__ = ["AlertFilter", "AlertStream"]

_CHANNEL = "livetrap_alert"
_BATCH = 200
# Clients that are this close behind are served without asking the database.
_RECENT = 1000
# Should a notification be lost with its connection, this finds the alert.
_POLL_S = 2.0
_KEEP_ALIVE_S = 15.0
_RETRY_S = 1.0
_AWAY = (TransientError, *AWAY_ERRORS, asyncpg.PostgresError)


@dataclass(frozen=True, slots=True)
class AlertFilter:
    """Which alerts a client wants; None leaves a condition out."""

    since: datetime | None = None
    until: datetime | None = None
    stream: str | None = None
    kind: str | None = None
    state: str | None = None
    min_snr: float | None = None
    cone: Cone | None = None

    def passes(self, alert: AlertItem) -> bool:
        """Return whether the client wants `alert`; the same rules as ``list_alerts.sql``."""
        return (
            (self.since is None or alert.time_alert >= self.since)
            and (self.until is None or alert.time_alert < self.until)
            and (self.stream is None or alert.stream == self.stream)
            and (self.kind is None or alert.kind == self.kind)
            and (self.state is None or alert.state == self.state)
            and (self.min_snr is None or (alert.snr is not None and alert.snr >= self.min_snr))
            and (self.cone is None or _is_inside(self.cone, alert))
        )


def _is_inside(cone: Cone, alert: AlertItem) -> bool:
    one, other = to_unit_vectors(np.array([cone.ra, alert.ra]), np.array([cone.dec, alert.dec])).T
    chord = float(np.linalg.norm(one - other))
    return chord <= 2 * math.sin(math.radians(cone.radius_deg) / 2) + 1e-15


@dataclass(frozen=True, slots=True)
class _Event:
    """An alert and its form on the wire, made once for all clients."""

    alert: AlertEvent
    text: bytes


class AlertStream:
    """Follow table `alert` for any number of clients.

    Ids become visible in order (their writer holds a lock), so "behind this id" misses nothing.
    The process reads a new alert once and keeps the last thousand; only a client that is
    farther behind asks the database.

    Parameters
    ----------
    database : Database
        Where the alerts are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._recent: deque[_Event] = deque()
        self._floor: int | None = None  # `_recent` holds every alert behind this id
        self._newest = 0
        self._clients: set[asyncio.Event] = set()
        self._is_stopped = False

    async def run(self) -> None:
        """Read the table whenever there may be news; for ever."""
        news = asyncio.Event()
        listener = asyncio.create_task(self._database.listen(_CHANNEL, news))
        try:
            while True:
                news.clear()
                try:
                    await self._read_news()
                except _AWAY as error:
                    FOLLOWER_FAILURES.inc()
                    get_logger().debug("follower_failed", error=repr(error))
                except Exception as error:  # noqa: BLE001  (all clients hang on this task)
                    FOLLOWER_FAILURES.inc()
                    get_logger().error("follower_crashed", error=repr(error))
                await _wait(news, _POLL_S)
        finally:
            listener.cancel()

    async def _read_news(self) -> None:
        if self._floor is None:
            rows = await self._database.fetch("get_last_alert_id")
            self._floor = self._newest = int(rows[0]["id"])
        while events := await self._read_table(self._newest):
            self._recent.extend(events)
            while len(self._recent) > _RECENT:
                self._floor = self._recent.popleft().alert.id
            self._newest = events[-1].alert.id
            self._wake_clients()

    async def _read_table(self, after: int) -> list[_Event]:
        rows = await self._database.fetch("list_alerts_after", after, _BATCH)
        alerts = [AlertEvent(**{**row, "notice": orjson.loads(row["notice"])}) for row in rows]
        return [_Event(alert, _to_event(alert)) for alert in alerts]

    def stop(self) -> None:
        """End every stream."""
        self._is_stopped = True
        self._wake_clients()

    def _wake_clients(self) -> None:
        for client in self._clients:
            client.set()

    async def subscribe(self, after: int | None, wanted: AlertFilter) -> AsyncIterator[bytes]:
        """Return the stream of one client; without `after` it starts behind the newest alert."""
        if after is None:
            rows = await self._database.fetch("get_last_alert_id")
            after = int(rows[0]["id"])
        return self._follow(after, wanted)

    async def _follow(self, after: int, wanted: AlertFilter) -> AsyncIterator[bytes]:
        told = after
        with self._client() as wake:
            # An id without data moves the client's Last-Event-ID and shows nothing.
            yield b"retry: 1000\nid: %d\n\n" % after
            while not self._is_stopped:
                wake.clear()
                while events := await self._read(after):
                    for event in events:
                        after = event.alert.id
                        if wanted.passes(event.alert):
                            yield event.text
                            told = after
                            STREAMED.inc()
                        if self._is_stopped:
                            return
                if not self._is_stopped and not await _wait(wake, _KEEP_ALIVE_S):
                    yield b": still here\n\n" if told == after else b"id: %d\n\n" % after
                    told = after

    async def _read(self, after: int) -> Sequence[_Event]:
        """Return the next alerts behind an id, some or none; wait while the database is away."""
        while not self._is_stopped:
            if self._floor is not None and after >= self._floor:
                return [event for event in self._recent if event.alert.id > after]
            try:
                return await self._read_table(after)
            except _AWAY:
                await asyncio.sleep(_RETRY_S)
        return []

    @contextmanager
    def _client(self) -> Iterator[asyncio.Event]:
        wake = asyncio.Event()
        self._clients.add(wake)
        STREAMS.set(len(self._clients))
        try:
            yield wake
        finally:
            self._clients.discard(wake)
            STREAMS.set(len(self._clients))


async def _wait(event: asyncio.Event, seconds: float) -> bool:
    """Return whether the event came within the time."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True


def _to_event(alert: AlertEvent) -> bytes:
    return f"id: {alert.id}\nevent: alert\ndata: {alert.model_dump_json()}\n\n".encode()
