"""Sources searched in earlier images: announced, known below the threshold, or overdue."""

import time
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np

from runtime.errors import PipelineError, describe_exception
from runtime.logging import get_logger
from runtime.settings import AssociateSettings
from schemas.topics import Topics
from services.associate.handlers.judgements import Judge
from services.associate.metrics import LOOK_BACKS
from services.associate.models.decisions import Notification, Retraction
from services.associate.models.look_back import LookBackVerdict, PendingLookBack
from services.associate.steps.events import to_transient_row
from services.associate.steps.look_back import judge_look_back, to_announcement, to_update
from services.associate.steps.look_back_points import (
    begin_episode,
    count_history,
    end_wait,
    join_history,
)
from services.associate.storage import Catalogue, CatalogueStore

__all__ = ["LookBackHandler"]

# Without a timestep of this process: those that another one has left.
_POLL_S = 1.0


class LookBackHandler:
    """Ends looks back: when the last answer has come, or when the event may wait no longer.

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
        self._topics = topics
        self._judge = Judge(settings, topics)
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
        has_announced = await self.settle(
            catalogue, stream_id, await catalogue.load_look_backs(stream_id, source_ids)
        )
        has_announced |= bool(await self._judge.judge(catalogue, stream_id, stream, source_ids))
        waiting = await catalogue.load_look_backs(stream_id, source_ids)
        for each in waiting:
            if each.is_new_by_limit and not each.has_episode:
                await self._announce(catalogue, stream_id, each, None)
                has_announced = True
        await catalogue.mark_overdue([each.source_id for each in waiting])
        LOOK_BACKS.labels("overdue").inc(len(waiting))
        return has_announced

    async def settle(
        self, catalogue: Catalogue, stream_id: int, pending: Sequence[PendingLookBack]
    ) -> bool:
        """End the looks back that have all their answers; say whether events follow.

        Parameters
        ----------
        catalogue : Catalogue
            An open transaction that has locked the stream.
        stream_id : int
            The stream.
        pending : sequence of PendingLookBack
            Looks back at sources that were just measured.
        """
        has_events = False
        answered = [each for each in pending if not each.n_missing]
        await self._count(catalogue, stream_id, answered)
        for each in answered:
            event = each.event
            verdict = judge_look_back(
                event.flux_peak_jy_beam,
                event.flux_peak_err_jy_beam,
                each.previous,
                self._settings,
            )
            has_events |= await self._apply(catalogue, stream_id, each, verdict)
            await catalogue.store_verdict(each.source_id, verdict)
            LOOK_BACKS.labels(verdict.kind).inc()
        return has_events

    async def _count(
        self, catalogue: Catalogue, stream_id: int, answered: Sequence[PendingLookBack]
    ) -> None:
        """Count the earlier fluxes in eta and V, those of sources that are still there."""
        measured = [each for each in answered if each.previous.times]
        sources = await catalogue.load_sources_by_id(
            stream_id, [each.source_id for each in measured]
        )
        found = set(sources["id"].tolist())
        measured = [each for each in measured if each.source_id in found]
        if not measured:
            return
        outcome = count_history(
            measured, sources, await catalogue.load_statistics(sources["id"]), self._settings
        )
        await catalogue.store_forced_outcome(outcome, self._topics)

    async def _apply(
        self,
        catalogue: Catalogue,
        stream_id: int,
        pending: PendingLookBack,
        verdict: LookBackVerdict,
    ) -> bool:
        """Tell, update or retract what a verdict is about; say whether there is an event."""
        if verdict.kind == "known_below_threshold":
            await self._join_history(catalogue, stream_id, pending)
        if pending.has_episode:
            return await self._follow(catalogue, pending, verdict)
        is_announced = verdict.kind == "new_source" or (
            verdict.kind == "not_looked_back" and pending.is_new_by_limit
        )
        if is_announced:
            await self._announce(catalogue, stream_id, pending, verdict)
        else:
            rows = await catalogue.load_sources_by_id(stream_id, [pending.source_id])
            await catalogue.flag_sources(end_wait(rows))
        return is_announced

    async def _join_history(
        self, catalogue: Catalogue, stream_id: int, pending: PendingLookBack
    ) -> None:
        """Let later tests of a source expect what the earlier images show."""
        ids = [pending.source_id]
        history = join_history(
            pending,
            await catalogue.load_sources_by_id(stream_id, ids),
            await catalogue.load_statistics(np.array(ids)),
            self._settings,
        )
        await catalogue.write_forced_statistics(history)

    async def _follow(
        self, catalogue: Catalogue, pending: PendingLookBack, verdict: LookBackVerdict
    ) -> bool:
        """Update or retract what was announced before the verdict; others are left alone."""
        if verdict.kind == "not_looked_back":
            return False
        announced = await catalogue.lock_announced(pending.event)
        if announced is None:
            return False
        event = to_update(announced, verdict, datetime.now(UTC))
        if event.kind == "update":
            await catalogue.insert_event(event, self._topics)
        else:
            reason = event.note or ""
            await catalogue.retract_transient(Retraction(event, reason), self._topics)
        return True

    async def _announce(
        self,
        catalogue: Catalogue,
        stream_id: int,
        pending: PendingLookBack,
        verdict: LookBackVerdict | None,
    ) -> None:
        """Tell a new source, with what the earlier images show if they do."""
        now = datetime.now(UTC)
        event = to_announcement(pending.event, pending.previous, verdict, now)
        transient = to_transient_row(
            event, stream_id=stream_id, image_key=pending.image_key, now=now
        )
        await catalogue.store_notification(Notification(event, now, transient), self._topics)
        rows = await catalogue.load_sources_by_id(stream_id, [pending.source_id])
        await catalogue.flag_sources(begin_episode(rows, self._settings))
