"""What is known of the looks that wait, so that a timestep reads only what has changed of them."""

from collections import OrderedDict

import numpy as np

from schemas.messages import IntArray
from sky.id_sets import is_in, unique_ids

__all__ = ["StreamWaiting", "WaitingSourceCache"]

# Those used last; a stream of a thousand waiting timesteps of a thousand looks has 8 MB.
_MOST_STREAMS = 16


class StreamWaiting:
    """The sources of a stream that wait, by timestep, as the database had them.

    A row of the database is known by its version: it changes with everything that changes the row,
    whoever does it, so what a transaction has seen that was undone is never taken for true.
    """

    def __init__(self) -> None:
        # Sources by timestep and version of its row; and in how many timesteps each one waits.
        self._timesteps: dict[tuple[int, int], IntArray] = {}
        # Of these timesteps, the sources that may leave the catalogue.
        self._undecided: dict[tuple[int, int], IntArray] = {}
        self._ids = np.empty(0, np.int64)
        self._counts = np.empty(0, np.int64)

    def known(self) -> tuple[IntArray, IntArray]:
        """Return the timesteps that are known, and the versions of their rows."""
        rows = np.array(list(self._timesteps), np.int64).reshape(-1, 2)
        return rows[:, 0].copy(), rows[:, 1].copy()

    def forget(self, timestep_id: int, version: int) -> None:
        """Take a row away that is there no longer."""
        ids = self._timesteps.pop((timestep_id, version))
        self._undecided.pop((timestep_id, version), None)
        self._counts[np.searchsorted(self._ids, ids)] -= 1
        is_left = self._counts > 0
        self._ids, self._counts = self._ids[is_left], self._counts[is_left]

    def learn(
        self, timestep_id: int, version: int, ids: IntArray, undecided: IntArray | None = None
    ) -> None:
        """Take a row up.

        Parameters
        ----------
        timestep_id, version : int
            Which row.
        ids : (n,) int64
            The sources that wait, each once.
        undecided : (k,) int64, optional
            Those of them that leave the catalogue if no measurement confirms them.
        """
        if undecided is not None and undecided.size:
            self._undecided[timestep_id, version] = undecided
        new = np.sort(ids[~is_in(ids, self._ids)])
        place = np.searchsorted(self._ids, new)
        self._ids = np.insert(self._ids, place, new)
        self._counts = np.insert(self._counts, place, 0)
        self._counts[np.searchsorted(self._ids, ids)] += 1
        self._timesteps[timestep_id, version] = ids

    def find(self, ids: IntArray) -> tuple[int, IntArray]:
        """Return how many timesteps wait, and which of some sources wait in them."""
        return len(self._timesteps), ids[is_in(ids, self._ids)]

    def undecided(self) -> IntArray:
        """Return the sources that answers may remove from the catalogue, (n,) int64."""
        return unique_ids(np.concatenate([np.empty(0, np.int64), *self._undecided.values()]))


class WaitingSourceCache:
    """What was read of the streams that were used last, over one connection.

    Versions are numbers of transactions: a database that was restored counts them anew.
    """

    def __init__(self) -> None:
        self._streams: OrderedDict[int, StreamWaiting] = OrderedDict()
        self._server_pid = 0

    def of_stream(self, stream_id: int, *, server_pid: int) -> StreamWaiting:
        """Return what is known of a stream: nothing yet if the connection is another one."""
        if server_pid != self._server_pid:
            self._streams.clear()
            self._server_pid = server_pid
        stream = self._streams.setdefault(stream_id, StreamWaiting())
        self._streams.move_to_end(stream_id)
        if len(self._streams) > _MOST_STREAMS:
            self._streams.popitem(last=False)
        return stream
