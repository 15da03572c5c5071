"""New alerts as server-sent events: one task reads the table for all clients of the process."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, NoReturn

import asyncpg
import orjson

from api.metrics import ALERT_POLL_FAILURES, ALERTS_STREAMED, STREAM_CLIENTS
from api.models.alerts import AlertItem
from api.steps.alert_filter import AlertFilter
from api.steps.catch_up_queue import CatchUpQueue
from api.storage.database import Database
from runtime.background import keep_running
from runtime.errors import TransientError
from runtime.logging import get_logger
from runtime.postgres import UNAVAILABLE_ERRORS

__all__ = ["AlertStream", "to_event", "to_reset"]

_CHANNEL = "livetrap_alert"
_BATCH = 200
# Of clients that are farther behind.
_CATCH_UPS_AT_ONCE = 2
# Clients that are at most this many alerts behind are served from memory.
_BUFFERED_ALERTS = 1000
# The table is read this often even without a notification: one can be lost with its connection.
_POLL_S = 2.0
_KEEP_ALIVE_S = 15.0
_HEARTBEAT_S = 5.0
_RETRY_S = 1.0
_DATABASE_ERRORS = (TransientError, *UNAVAILABLE_ERRORS, asyncpg.PostgresError)


class _Event:
    """An alert, and its bytes on the stream: encoded once for all clients, if one wants it."""

    def __init__(self, alert: AlertItem, notice: str) -> None:
        self.alert = alert
        self._notice = notice

    @cached_property
    def text(self) -> bytes:
        """Return the event, with the notice in it byte for byte as it was sent."""
        data = self.alert.model_dump(mode="json") | {"notice": orjson.Fragment(self._notice)}
        return b"id: %d\nevent: alert\ndata: %b\n\n" % (self.alert.id, orjson.dumps(data))


class AlertStream:
    """Sends new rows of table `alert` to any number of clients.

    Ids become visible in order (their writer holds a lock), so reading the rows after an id
    misses none. The process reads a new alert once and keeps the last thousand in memory; only a
    client that is farther behind queries the database.

    Parameters
    ----------
    database : Database
        Holds table `alert`.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._buffer: deque[_Event] = deque()
        self._buffer_start: int | None = None  # the buffer holds every alert after this id
        self._newest_id = 0
        self._catch_ups = CatchUpQueue(at_once=_CATCH_UPS_AT_ONCE)
        self._clients: set[asyncio.Event] = set()
        # Heartbeats so far, and the newest one.
        self._n_heartbeats, self._heartbeat = 0, b""
        self._is_stopped = False

    async def run(self) -> None:
        """Read new alerts at each notification and every 2 s; runs until cancelled."""
        notified = asyncio.Event()
        tasks = [
            asyncio.create_task(keep_running(work, failure=failure))
            for failure, work in (
                ("notifications_failed", lambda: self._database.listen(_CHANNEL, notified)),
                ("heartbeat_failed", self._beat),
            )
        ]
        try:
            while True:
                notified.clear()
                await self._poll()
                await _wait(notified, _POLL_S)
        finally:
            for task in tasks:
                task.cancel()

    async def _beat(self) -> NoReturn:
        """Give every client a heartbeat every 5 s: the server lives, and where its log is."""
        while True:
            await asyncio.sleep(_HEARTBEAT_S)
            if self._clients:
                facts = {
                    "time": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}",
                    "last_alert_id": self._newest_id,
                    "last_image_age_s": await self._get_last_image_age(),
                }
                self._heartbeat = b"event: heartbeat\ndata: %b\n\n" % orjson.dumps(facts)
                self._n_heartbeats += 1
                self._wake_clients()

    async def _get_last_image_age(self) -> float | None:
        """Return the age of the newest image [s]; None if there is none or no database."""
        try:
            rows = await self._database.fetch("get_last_image_age")
        except _DATABASE_ERRORS as error:
            get_logger().debug("image_age_not_read", error=repr(error))
            return None
        return rows[0]["last_image_age_s"] if rows else None

    async def _poll(self) -> None:
        try:
            await self._read_new_alerts()
        except _DATABASE_ERRORS as error:
            ALERT_POLL_FAILURES.inc()
            get_logger().debug("alert_poll_failed", error=repr(error))
        except Exception as error:  # noqa: BLE001  (all clients depend on this task)
            ALERT_POLL_FAILURES.inc()
            get_logger().error("alert_poll_crashed", error=repr(error))

    async def _read_new_alerts(self) -> None:
        if self._buffer_start is None:
            self._buffer_start = self._newest_id = await self._get_newest_id()
        while events := await self._read_table(self._newest_id):
            self._buffer.extend(events)
            while len(self._buffer) > _BUFFERED_ALERTS:
                self._buffer_start = self._buffer.popleft().alert.id
            self._newest_id = events[-1].alert.id
            self._wake_clients()

    async def _get_newest_id(self) -> int:
        rows = await self._database.fetch("get_last_alert_id")
        return int(rows[0]["id"])

    async def _read_table(self, after_id: int) -> list[_Event]:
        rows = await self._database.fetch("list_alerts_after", after_id=after_id, limit=_BATCH)
        return [to_event(**row) for row in rows]

    @property
    def is_stopped(self) -> bool:
        """Whether the process stops."""
        return self._is_stopped

    def stop(self) -> None:
        """End the stream of every client."""
        self._is_stopped = True
        self._wake_clients()

    def _wake_clients(self) -> None:
        for client in self._clients:
            client.set()

    async def subscribe(
        self, wanted: AlertFilter, *, after_id: int | None = None, host: str = ""
    ) -> AsyncIterator[bytes]:
        """Return the stream of one client.

        Parameters
        ----------
        wanted : AlertFilter
            Which alerts to send.
        after_id : int or None
            Start after this alert; None: after the newest one. Beyond the newest one, as of
            another database, an event `reset` says so, and the stream starts after the newest.
        host : str
            Address of the client, which shares its turns to read what was missed.

        Returns
        -------
        async iterator of bytes
            Server-sent events, until the process stops.
        """
        reset = b""
        if after_id is None:
            after_id = await self._get_newest_id()
        elif after_id > self._newest_id and after_id > (newest_id := await self._get_newest_id()):
            reset = to_reset(after_id, newest_id)
            after_id = newest_id
        return self._follow(after_id, wanted, reset, host)

    async def _follow(
        self, after_id: int, wanted: AlertFilter, reset: bytes, host: str
    ) -> AsyncIterator[bytes]:
        last_sent_id, n_heartbeats = after_id, self._n_heartbeats
        with self._client() as wake:
            # An id without data sets the client's Last-Event-ID and shows nothing.
            yield b"retry: 1000\nid: %d\n\n" % after_id + reset
            while not self._is_stopped:
                wake.clear()
                while events := await self._read(after_id, host):
                    for event in events:
                        after_id = event.alert.id
                        if wanted.passes(event.alert):
                            yield event.text
                            last_sent_id = after_id
                            ALERTS_STREAMED.inc()
                        if self._is_stopped:
                            return
                if n_heartbeats != self._n_heartbeats:
                    n_heartbeats = self._n_heartbeats
                    # An id only where it is news: a simple client takes each for an alert.
                    moved = b"" if last_sent_id == after_id else b"id: %d\n" % after_id
                    last_sent_id = after_id
                    yield moved + self._heartbeat
                elif not self._is_stopped and not await _wait(wake, _KEEP_ALIVE_S):
                    is_current = last_sent_id == after_id
                    yield b": keep-alive\n\n" if is_current else b"id: %d\n\n" % after_id
                    last_sent_id = after_id

    async def _read(self, after_id: int, host: str) -> Sequence[_Event]:
        """Return the next alerts, or none; wait while the database is unavailable."""
        while not self._is_stopped:
            if self._buffer_start is not None and after_id >= self._buffer_start:
                return self._list_newer(after_id)
            try:
                async with self._catch_ups.turn(host):
                    return await self._read_table(after_id)
            except _DATABASE_ERRORS:
                await asyncio.sleep(_RETRY_S)
        return []

    def _list_newer(self, after_id: int) -> list[_Event]:
        """Return what is newer in memory: nearly every client has all the others."""
        newer: list[_Event] = []
        for event in reversed(self._buffer):
            if event.alert.id <= after_id:
                break
            newer.append(event)
        return newer[::-1]

    @contextmanager
    def _client(self) -> Iterator[asyncio.Event]:
        wake = asyncio.Event()
        self._clients.add(wake)
        STREAM_CLIENTS.set(len(self._clients))
        try:
            yield wake
        finally:
            self._clients.discard(wake)
            STREAM_CLIENTS.set(len(self._clients))


async def _wait(event: asyncio.Event, seconds: float) -> bool:
    """Return whether the event was set within the time."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True


def to_event(*, notice: str, **columns: Any) -> _Event:
    """Return an alert with its notice."""
    return _Event(AlertItem(**columns), notice)


def to_reset(after_id: int, newest_id: int) -> bytes:
    """Return the event that tells who asks for alerts behind one that does not exist yet."""
    facts = {
        "status": 409,
        "detail": f"Last-Event-ID {after_id} is beyond the newest alert, {newest_id}; "
        "the stream goes on from there",
        "last_event_id": after_id,
        "newest_id": newest_id,
    }
    return b"id: %d\nevent: reset\ndata: %b\n\n" % (newest_id, orjson.dumps(facts))
