"""Looks back that are overdue: their events go out without the answers."""

import time
from collections import deque
from datetime import UTC, datetime

from runtime.errors import PipelineError, describe_exception
from runtime.logging import get_logger
from runtime.settings import AssociateSettings
from schemas.topics import Topics
from services.associate.handlers.delayed_decisions import DelayedDecisions
from services.associate.handlers.look_back_verdicts import LookBackVerdicts
from services.associate.metrics import LOOK_BACKS
from services.associate.storage import Catalogue, CatalogueStore

__all__ = ["LookBackHandler"]

# Without a timestep of this process: those that another one has left.
_POLL_S = 1.0


class LookBackHandler:
    """Tells new sources when their events may wait no longer.

    Parameters
    ----------
    store : CatalogueStore
        The catalogue.
    settings : AssociateSettings
        Limits of the test, and how long an event waits.
    topics : Topics
        Where the events go.
    """

    def __init__(self, store: CatalogueStore, settings: AssociateSettings, topics: Topics) -> None:
        self._store = store
        self._settings = settings
        self._verdicts = LookBackVerdicts(settings, topics)
        self._delayed = DelayedDecisions(settings, topics)
        self._limits_s: deque[float] = deque()
        self._next_poll_s = 0.0

    def expect(self) -> None:
        """Note that a timestep has left sources that wait."""
        self._limits_s.append(time.monotonic() + self._settings.lookback_wait_ms / 1000)

    async def announce_overdue(self) -> bool:
        """Tell the new sources whose answers did not come in time; say whether there was one."""
        now_s = time.monotonic()
        is_due = now_s >= self._next_poll_s
        while self._limits_s and self._limits_s[0] <= now_s:
            self._limits_s.popleft()
            is_due = True
        if not is_due:
            return False
        self._next_poll_s = now_s + _POLL_S
        has_announced = False
        for stream in await self._store.list_overdue_streams(datetime.now(UTC)):
            try:
                async with self._store.transaction() as catalogue:
                    has_announced |= await self._announce_overdue(catalogue, stream)
            except PipelineError:
                raise
            except Exception as error:  # noqa: BLE001  (the images must follow)
                get_logger().warning(
                    "look_backs_failed", stream=stream, error=describe_exception(error)
                )
        return has_announced

    async def _announce_overdue(self, catalogue: Catalogue, stream: str) -> bool:
        locked = await catalogue.lock_stream(stream)
        if locked is None:
            return False
        stream_id = locked.id
        source_ids = await catalogue.load_overdue(stream_id, datetime.now(UTC))
        has_announced = await self._verdicts.settle(
            catalogue, stream_id, await catalogue.load_look_backs(stream_id, source_ids)
        )
        has_announced |= bool(await self._delayed.judge(catalogue, stream_id, stream, source_ids))
        waiting = await catalogue.load_look_backs(stream_id, source_ids)
        announced = [each for each in waiting if each.is_new_by_limit and not each.has_episode]
        await self._verdicts.announce(catalogue, stream_id, [(each, None) for each in announced])
        has_announced |= bool(announced)
        await catalogue.mark_overdue([each.source_id for each in waiting])
        LOOK_BACKS.labels("overdue").inc(len(waiting))
        return has_announced
