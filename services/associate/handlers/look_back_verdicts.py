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
        await self._count(catalogue, stream_id, pending)
        judged = [(each, self._judge(each)) for each in pending]
        await self._join_history(
            catalogue,
            stream_id,
            [each for each, verdict in judged if verdict.kind == "known_below_threshold"],
        )
        has_events = False
        for each, verdict in judged:
            if each.has_episode:
                has_events |= await self._follow(catalogue, each, verdict)
        first = [(each, verdict) for each, verdict in judged if not each.has_episode]
        announced = [(each, verdict) for each, verdict in first if _is_announced(each, verdict)]
        quiet = [each for each, verdict in first if not _is_announced(each, verdict)]
        await self.announce(catalogue, stream_id, announced)
        await self._end_waits(catalogue, stream_id, quiet)
        await catalogue.store_verdicts({each.source_id: verdict for each, verdict in judged})
        for _, verdict in judged:
            LOOK_BACKS.labels(verdict.kind).inc()
        return has_events or bool(announced)

    def _judge(self, pending: PendingLookBack) -> LookBackVerdict:
        event = pending.event
        return judge_look_back(
            event.flux_peak_jy_beam,
            event.flux_peak_err_jy_beam,
            pending.previous,
            self._settings,
        )

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

    async def _join_history(
        self, catalogue: Catalogue, stream_id: int, pending: Sequence[PendingLookBack]
    ) -> None:
        """Let later tests of sources expect what the earlier images show."""
        if not pending:
            return
        ids = [each.source_id for each in pending]
        history = join_history(
            pending,
            await catalogue.load_sources_by_id(stream_id, ids),
            await catalogue.load_statistics(np.array(ids)),
            self._settings,
        )
        await catalogue.write_forced_statistics(history)

    async def _end_waits(
        self, catalogue: Catalogue, stream_id: int, pending: Sequence[PendingLookBack]
    ) -> None:
        """Let other tests tell sources of which nothing is announced."""
        if not pending:
            return
        rows = await catalogue.load_sources_by_id(stream_id, [each.source_id for each in pending])
        await catalogue.flag_sources(end_wait(rows))

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
        pending: Sequence[tuple[PendingLookBack, LookBackVerdict | None]],
    ) -> None:
        """Tell new sources, each with what the earlier images show if they do."""
        if not pending:
            return
        now = datetime.now(UTC)
        notifications = []
        for each, verdict in pending:
            event = to_announcement(each.event, each.previous, verdict, now)
            transient = to_transient_row(
                event, stream_id=stream_id, image_key=each.image_key, now=now
            )
            notifications.append(Notification(event, now, transient))
        await catalogue.store_notifications(notifications, self._topics)
        rows = await catalogue.load_sources_by_id(
            stream_id, [each.source_id for each, _ in pending]
        )
        await catalogue.flag_sources(begin_episode(rows, self._settings))


def _is_announced(pending: PendingLookBack, verdict: LookBackVerdict) -> bool:
    """Return whether a source that no event has announced is announced now."""
    return verdict.kind == "new_source" or (
        verdict.kind == "not_looked_back" and pending.is_new_by_limit
    )
