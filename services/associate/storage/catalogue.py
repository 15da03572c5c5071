"""One transaction on the catalogue: rows to models and back; decides nothing."""

from collections.abc import Sequence
from dataclasses import replace

import asyncpg

from schemas.topics import Topics
from services.associate.models.decisions import (
    Columns,
    Decisions,
    ForcedDecisions,
    ForcedOutcome,
    Notification,
    SourceRows,
    StatisticsRows,
)
from services.associate.models.tracks import TrackRows
from services.associate.storage.detected_ids import DetectedIds
from services.associate.storage.forced import ForcedTables
from services.associate.storage.images import ImageTables
from services.associate.storage.look_backs import LookBackTables
from services.associate.storage.outbox import OutboxTables
from services.associate.storage.search_gaps import SearchGaps
from services.associate.storage.sources import SourceTables
from services.associate.storage.stamps import StampTables
from services.associate.storage.tracks import TrackTables
from services.associate.storage.transients import TransientTables
from services.associate.storage.waiting_source_cache import WaitingSourceCache
from services.associate.storage.waiting_tables import WaitingTables

__all__ = ["Catalogue"]


class Catalogue(
    ImageTables,
    SourceTables,
    TransientTables,
    ForcedTables,
    LookBackTables,
    WaitingTables,
    TrackTables,
    StampTables,
    OutboxTables,
):
    """One transaction on the catalogue.

    Parameters
    ----------
    connection : asyncpg connection
        As of `Transaction`.
    gaps : SearchGaps, optional
        What searches of earlier transactions have cost; without it none has.
    waiting_sources : WaitingSourceCache, optional
        What earlier transactions have read of the looks that wait; without it nothing.
    detected_ids : DetectedIds, optional
        What the last timesteps have detected; without it nothing is known.
    """

    def __init__(
        self,
        connection: asyncpg.pool.PoolConnectionProxy | asyncpg.Connection,
        gaps: SearchGaps | None = None,
        waiting_sources: WaitingSourceCache | None = None,
        detected_ids: DetectedIds | None = None,
    ) -> None:
        super().__init__(connection, gaps)
        self._waiting_sources = waiting_sources or WaitingSourceCache()
        self._detected_ids = detected_ids or DetectedIds()

    async def store(self, decisions: Decisions, topics: Topics) -> None:
        """Write everything that was decided about a timestep.

        Parameters
        ----------
        decisions : Decisions
            What to write.
        topics : Topics
            Where the events and the forced requests go.
        """
        stream_id = decisions.stream_id
        timestep_id = await self._store_images(decisions)
        await self._store_sources(stream_id, decisions.sources)
        if timestep_id is not None:
            self.note_detected_ids(stream_id, timestep_id, decisions.sources.detections)
        await self._store_episodes(decisions)
        await self.store_notifications(decisions.notifications, topics)
        await self.insert_look_backs(stream_id, decisions.look_backs)
        # Before the other requests: an event waits for their answers.
        await self.insert_requests(decisions.look_back_requests, topics)
        if decisions.tracks is not None:
            await self._store_tracks(decisions, decisions.tracks)
        if decisions.forced is not None:
            await self._store_forced(stream_id, decisions.forced, topics)
        if decisions.time_start is not None:
            if timestep_id is not None and decisions.waiting is not None:
                await self.insert_waiting(
                    stream_id, timestep_id, decisions.time_start, decisions.waiting
                )
            await self.archive_sources(
                stream_id,
                decisions.doubtful,
                decisions.limits,
                now=decisions.now,
                before=decisions.time_start,
            )
        await self.upsert_sky_coverage(decisions.coverage)
        if decisions.closed_until is not None:
            await self.close_timestep(
                stream_id,
                decisions.closed_until,
                decisions.channels,
                is_looked=bool(decisions.coverage),
            )

    async def store_forced_outcome(self, outcome: ForcedOutcome, topics: Topics) -> None:
        """Write what the forced points of an image change."""
        await self.write_forced_statistics(outcome.statistics)
        await self.update_measured_sources(outcome.sources)
        if outcome.flagged is not None:
            await self.flag_sources(outcome.flagged)
        if outcome.ended_ids:
            await self.end_episodes(outcome.ended_ids, outcome.time_start)
        if outcome.peaks:
            await self.raise_peaks(outcome.peaks, outcome.time_start)
        await self.store_notifications(outcome.notifications, topics)

    async def store_quiet_judgement(
        self, statistics: Sequence[StatisticsRows], sources: Columns | None, flags: Columns | None
    ) -> None:
        """Write what looks without events change."""
        await self.write_forced_statistics(statistics)
        if sources is not None:
            await self.update_measured_sources(sources)
        if flags is not None:
            await self.flag_sources(flags)

    async def _store_images(self, decisions: Decisions) -> int | None:
        """Store the images of a timestep; return its id, None without one."""
        stream_id, is_late, now = decisions.stream_id, decisions.is_late, decisions.now
        if decisions.replaced_image_ids:
            await self.delete_rejected_images(stream_id, decisions.replaced_image_ids)
        if decisions.entries:
            await self.record_outcomes(decisions.stream, decisions.entries)
        timestep_id = None
        if decisions.images and decisions.time_start is not None:
            timestep_id = await self.insert_timestep(
                stream_id,
                decisions.time_start,
                is_late=is_late,
                n_images=len(decisions.images),
                now=now,
                months=decisions.months,
            )
        await self.insert_images(
            decisions.images,
            stream_id=stream_id, timestep_id=timestep_id, is_late=is_late, now=now,
        )  # fmt: skip
        return timestep_id

    async def _store_sources(self, stream_id: int, rows: SourceRows) -> None:
        await self.insert_sources(rows.created)
        if rows.updated is not None:
            await self.update_sources(rows.updated, rows.last_time_start)
        if rows.flagged is not None:
            await self.flag_sources(rows.flagged)
        if rows.moved is not None:
            await self.move_sources(rows.moved)
        await self.write_statistics(rows.statistics)
        await self.insert_detections(stream_id, rows.detections)
        await self.insert_shared_detections(rows.shared)

    async def _store_episodes(self, decisions: Decisions) -> None:
        """Store what changes in episodes that were announced before; those that begin follow."""
        episodes, time_start = decisions.episodes, decisions.time_start
        if time_start is None:
            return
        if episodes.missed_ids:
            await self.count_quiet_looks(episodes.missed_ids, episodes.quiet_looks, time_start)
        if episodes.ended_ids:
            await self.end_episodes(episodes.ended_ids, time_start)
        if episodes.peaks:
            await self.raise_peaks(episodes.peaks, time_start)

    async def _store_tracks(self, decisions: Decisions, rows: TrackRows) -> None:
        """Store what is linked, and that objects are followed no longer."""
        await self.store_tracks(decisions.stream_id, rows)
        if rows.ended_ids and decisions.time_start is not None:
            await self.end_episodes(rows.ended_ids, decisions.time_start)

    async def store_notifications(
        self, notifications: Sequence[Notification], topics: Topics
    ) -> None:
        """Store events; those about transients that were retracted meanwhile are dropped."""
        begun = await self.insert_transients(
            [each.transient for each in notifications if each.transient is not None]
        )
        updated = await self.update_last_notified(
            [each.event for each in notifications if each.transient is None]
        )
        kept = []
        for each in notifications:
            event = each.event
            if each.transient is not None:
                kept.append(replace(event, transient_id=begun[event.event_id]))
            elif event.transient_id in updated:
                kept.append(event)
        await self.insert_events(kept, topics)

    async def _store_forced(self, stream_id: int, forced: ForcedDecisions, topics: Topics) -> None:
        await self.write_null_detections(stream_id, forced.null_detections)
        if forced.monitor_sources:
            await self.insert_monitor_sources(stream_id, forced.monitor_sources)
        await self.insert_requests(forced.requests, topics)
