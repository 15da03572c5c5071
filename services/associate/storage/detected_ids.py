"""What the last timestep of a stream detected, so that the next one need not read it again."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from schemas.messages import IntArray

__all__ = ["DetectedIds", "KnownDetections"]

_MOST_STREAMS = 100


@dataclass(frozen=True, slots=True)
class KnownDetections:
    """The sources that the images of some timesteps detected, by the start of the exposure."""

    timestep_ids: Sequence[int] = ()
    images: Sequence[tuple[datetime, IntArray]] = ()

    def between(self, from_time: datetime, to_time: datetime) -> IntArray:
        """Return what images of a time detected, (n,) int64; one source may come twice."""
        found = [ids for time_start, ids in self.images if from_time <= time_start <= to_time]
        return np.concatenate([np.empty(0, np.int64), *found])


class DetectedIds:
    """What was written of the streams that were used last, over one connection.

    The key of a timestep that was undone is never given again, so what a transaction wrote that
    failed is never taken for true. A database that was restored counts anew.
    """

    def __init__(self) -> None:
        self._streams: OrderedDict[int, KnownDetections] = OrderedDict()
        self._server_pid = 0

    def of_stream(self, stream_id: int, *, server_pid: int) -> KnownDetections:
        """Return what is known of a stream: nothing yet if the connection is another one."""
        return self._on(server_pid).get(stream_id, KnownDetections())

    def learn(self, stream_id: int, known: KnownDetections, *, server_pid: int) -> None:
        """Take up what a timestep of a stream has detected."""
        streams = self._on(server_pid)
        streams[stream_id] = known
        streams.move_to_end(stream_id)
        if len(streams) > _MOST_STREAMS:
            streams.popitem(last=False)

    def _on(self, server_pid: int) -> OrderedDict[int, KnownDetections]:
        if server_pid != self._server_pid:
            self._streams.clear()
            self._server_pid = server_pid
        return self._streams
