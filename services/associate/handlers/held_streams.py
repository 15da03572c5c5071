"""Streams whose next timestep waits for answers about sources that may leave the catalogue."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from runtime.logging import get_logger
from services.associate.errors import UndecidedError
from services.associate.metrics import GIVEN_UP
from services.associate.models.timesteps import Timestep
from services.associate.storage import CatalogueStore

__all__ = ["HeldStreams"]


@dataclass(frozen=True, slots=True)
class _Hold:
    """What a stream waits for, and until when [s]."""

    cause: UndecidedError
    until_s: float


class HeldStreams:
    """Which streams wait, and which of them have waited for too long.

    Once answers were waited for in vain, a stream waits for none before all have come: an
    extractor that is behind holds it back once.

    Parameters
    ----------
    store : CatalogueStore
        Where the answers are.
    wait_s : float
        How long a timestep waits at most [s]; 0: none does.
    """

    def __init__(self, store: CatalogueStore, wait_s: float) -> None:
        self._store = store
        self._wait_s = wait_s
        self._holds: dict[str, _Hold] = {}
        self._hasty: set[str] = set()

    def may_hold(self, stream: str) -> bool:
        """Return whether a timestep of a stream may wait."""
        return self._wait_s > 0 and stream not in self._hasty

    def hold(self, stream: str, cause: UndecidedError) -> None:
        """Let a stream wait from now on."""
        self._holds[stream] = _Hold(cause, time.monotonic() + self._wait_s)

    def note_committed(self, stream: str, *, is_decided: bool) -> None:
        """Note that a timestep was committed, and whether nothing in its stream is undecided."""
        if is_decided:
            self._hasty.discard(stream)

    def clear(self) -> None:
        """Forget what waits: the partitions have changed."""
        self._holds.clear()
        self._hasty.clear()

    async def find_next(self, ready: Sequence[Timestep]) -> int | None:
        """Return the place of the oldest timestep that waits for nothing; None: each does."""
        held: set[str] = set()
        for place, timestep in enumerate(ready):
            if timestep.stream in held:
                continue
            if not await self._is_held(timestep.stream):
                return place
            held.add(timestep.stream)
        return None

    async def _is_held(self, stream: str) -> bool:
        hold = self._holds.get(stream)
        if hold is None:
            return False
        is_late = time.monotonic() >= hold.until_s
        n_undecided = await self._store.count_undecided(
            hold.cause.stream_id, hold.cause.source_ids
        )
        if n_undecided and not is_late:
            return True
        del self._holds[stream]
        if n_undecided:
            self._hasty.add(stream)
            GIVEN_UP.inc(n_undecided)
            get_logger().warning("answers_not_awaited", stream=stream, n_sources=n_undecided)
        return False
