"""Counts what became of images, and notes when each stream's newest one was stored."""

import time
from collections.abc import Iterable

from services.associate.metrics import IMAGES, NEWEST_IMAGE, TIMESTEPS
from services.associate.models.timesteps import LedgerEntry

__all__ = ["TimestepCounts"]

# Producers choose the names of streams: a series each must not fill Prometheus.
_MOST_STREAMS = 200


class TimestepCounts:
    """The metrics of committed timesteps."""

    def __init__(self) -> None:
        # In the order of their newest images.
        self._streams: dict[str, None] = {}

    def add(self, entries: Iterable[LedgerEntry]) -> None:
        """Count the images of one timestep.

        Parameters
        ----------
        entries : iterable of LedgerEntry
            As they were committed.
        """
        TIMESTEPS.inc()
        for entry in entries:
            IMAGES.labels(entry.outcome).inc()
            self._note(entry.record.stream)

    def _note(self, stream: str) -> None:
        self._streams.pop(stream, None)
        self._streams[stream] = None
        NEWEST_IMAGE.labels(stream).set(time.time())
        if len(self._streams) > _MOST_STREAMS:
            oldest = next(iter(self._streams))
            del self._streams[oldest]
            NEWEST_IMAGE.remove(oldest)
