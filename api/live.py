"""Alerts as they come: one listener for the process, a wake-up for each client."""

import asyncio
import math
from collections.abc import AsyncIterator
from dataclasses import dataclass

import numpy as np

from api.metrics import STREAMS
from api.models import AlertItem, Cone
from api.storage import Database
from runtime.errors import TransientError
from runtime.postgres import AWAY_ERRORS
from sky.wcs import to_unit_vectors

__all__ = ["AlertFilter", "AlertStream"]

_CHANNEL = "livetrap_alert"
_BATCH = 200
# Should a notification be lost with its connection, this finds the alert.
_POLL_S = 2.0
_KEEP_ALIVE_S = 15.0
_RETRY_S = 1.0


@dataclass(frozen=True, slots=True)
class AlertFilter:
    """Which alerts a client wants; None leaves a condition out."""

    stream: str | None = None
    kind: str | None = None
    min_snr: float | None = None
    cone: Cone | None = None

    def passes(self, alert: AlertItem) -> bool:
        """Return whether the client wants `alert`."""
        return (
            (self.stream is None or alert.stream == self.stream)
            and (self.kind is None or alert.kind == self.kind)
            and (self.min_snr is None or (alert.snr is not None and alert.snr >= self.min_snr))
            and (self.cone is None or _is_inside(self.cone, alert))
        )


def _is_inside(cone: Cone, alert: AlertItem) -> bool:
    one, other = to_unit_vectors(np.array([cone.ra, alert.ra]), np.array([cone.dec, alert.dec])).T
    chord = float(np.linalg.norm(one - other))
    return chord <= 2 * math.sin(math.radians(cone.radius_deg) / 2)


class AlertStream:
    """Follow table `alert` for any number of clients.

    Ids become visible in order (their writer holds a lock), so "behind this id" misses nothing.

    Parameters
    ----------
    database : Database
        Asked once for each client that was woken.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._wake_all = asyncio.Event()
        self._clients: set[asyncio.Event] = set()
        self._is_stopped = False

    async def run(self) -> None:
        """Wake the clients whenever there may be news; for ever."""
        listener = asyncio.create_task(self._database.listen(_CHANNEL, self._wake_all))
        try:
            while True:
                try:
                    async with asyncio.timeout(_POLL_S):
                        await self._wake_all.wait()
                except TimeoutError:
                    pass  # the poll beside the notifications
                self._wake_all.clear()
                self._wake_clients()
        finally:
            listener.cancel()

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
            after = rows[0]["id"]
        return self._follow(after, wanted)

    async def _follow(self, after: int, wanted: AlertFilter) -> AsyncIterator[bytes]:
        wake = asyncio.Event()
        wake.set()
        self._clients.add(wake)
        STREAMS.set(len(self._clients))
        loop = asyncio.get_running_loop()
        spoken_s = loop.time()
        yield b"retry: 1000\n\n"
        try:
            while not self._is_stopped:
                await wake.wait()
                wake.clear()
                async for alert in self._read(after):
                    after = alert.id
                    if wanted.passes(alert):
                        yield _to_event(alert)
                        spoken_s = loop.time()
                if loop.time() - spoken_s > _KEEP_ALIVE_S:
                    yield b": still here\n\n"
                    spoken_s = loop.time()
        finally:
            self._clients.discard(wake)
            STREAMS.set(len(self._clients))

    async def _read(self, after: int) -> AsyncIterator[AlertItem]:
        """Yield the alerts behind an id, page by page; none while the database is away."""
        while not self._is_stopped:
            try:
                rows = await self._database.fetch("list_alerts_after", after, _BATCH)
            except (TransientError, *AWAY_ERRORS):
                await asyncio.sleep(_RETRY_S)  # the next wake-up tries again
                return
            for row in rows:
                yield AlertItem(**row)
            if len(rows) < _BATCH:
                return
            after = rows[-1]["id"]


def _to_event(alert: AlertItem) -> bytes:
    return f"id: {alert.id}\nevent: alert\ndata: {alert.model_dump_json()}\n\n".encode()
