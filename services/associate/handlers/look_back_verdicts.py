"""What earlier images say of a first detection: announced, or known below the threshold."""

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np

from runtime.settings import AssociateSettings
from schemas.topics import Topics
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
from services.associate.storage import Catalogue

__all__ = ["LookBackVerdicts"]


class LookBackVerdicts:
    """Ends looks back whose answers have come, or are waited for no longer.

    Parameters
    ----------
    settings : AssociateSettings
        Limits of the test.
    topics : Topics
        Where the events go.
    """

    def __init__(self, settings: AssociateSettings, topics: Topics) -> None:
        self._settings = settings
        self._topics = topics

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
        answered = [each for each in pending if not each.n_missing]
        return await self.end(catalogue, stream_id, answered)

    async def end(
        self, catalogue: Catalogue, stream_id: int, pending: Sequence[PendingLookBack]
    ) -> bool:
        """End looks back by the answers that have come; say whether events follow."""
        has_events = False
        await self._count(catalogue, stream_id, pending)
        for each in pending:
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
        self, catalogue: Catalogue, stream_id: int, pending: Sequence[PendingLookBack]
    ) -> None:
        """Count the earlier fluxes in eta and V, those of sources that are still there."""
        measured = [each for each in pending if each.previous.times]
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
            await self.announce(catalogue, stream_id, pending, verdict)
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
            await catalogue.confirm_transient(announced.transient_id)
            await catalogue.insert_events([event], self._topics)
        else:
            reason = event.note or ""
            await catalogue.retract_transient(Retraction(event, reason), self._topics)
        return True

    async def announce(
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
        await catalogue.store_notifications([Notification(event, now, transient)], self._topics)
        rows = await catalogue.load_sources_by_id(stream_id, [pending.source_id])
        await catalogue.flag_sources(begin_episode(rows, self._settings))
