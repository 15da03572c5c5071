"""Decide what a timestep writes and announces; no input or output."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np

from runtime.settings import AssociateSettings
from schemas.messages import IntArray
from services.associate.models.decisions import (
    ArchiveLimits,
    Decisions,
    EpisodeRows,
    ForcedDecisions,
    ImageRow,
)
from services.associate.models.evidence import Evidence
from services.associate.models.timesteps import ExpectedChannel
from services.associate.models.tracks import TrackRows, to_track_rows
from services.associate.models.waiting import NO_DOUBT, Doubtful, EarlierStates, WaitingRow
from services.associate.steps.association import Association
from services.associate.steps.bands import find_band
from services.associate.steps.coverage import find_coverage, metadata_of
from services.associate.steps.episodes import (
    find_missed,
    find_peaks,
    follow_activity,
    start_episodes,
)
from services.associate.steps.events import EventBuilder
from services.associate.steps.first_decisions import FirstDecisions
from services.associate.steps.judgement import JudgedLooks, judge_looks, to_announcements
from services.associate.steps.look_back import (
    LookBack,
    to_look_back_requests,
    to_look_back_rows,
)
from services.associate.steps.moving_events import describe_object
from services.associate.steps.rows import FLAG_COLUMNS, FinalSources, to_source_rows
from services.associate.steps.triggers import count_bands
from sky.id_sets import is_in, unique_ids
from sky.row_arrays import copy_rows, take_rows

__all__ = ["decide", "judge_at_once", "to_archive_limits"]


def judge_at_once(
    association: Association,
    first: FirstDecisions,
    waiting_ids: IntArray,
    settings: AssociateSettings,
) -> JudgedLooks:
    """Test the detections of a timestep for changes, but for those of sources that wait."""
    candidates = association.candidates
    judged = candidates.sources["is_detected"] & ~is_in(first.rows["id"], waiting_ids)
    judged[sorted(first.tracks.crossed)] = False
    if association.timestep.is_late:
        judged[:] = False
    looks = judge_looks(
        candidates, association.images, judged, settings, n_channels=len(association.images)
    )
    # One that late images have detected before may have a history, too.
    new = {trigger.source for trigger in first.new}
    return replace(looks, changes=[each for each in looks.changes if each.source not in new])


def decide(
    association: Association,
    first: FirstDecisions,
    looks: JudgedLooks,
    *,
    waiting_ids: IntArray,
    evidence: Evidence,
    settings: AssociateSettings,
    now: datetime,
) -> Decisions:
    """Return everything that follows from a timestep.

    Parameters
    ----------
    association : Association
        The detections with their sources.
    first : FirstDecisions
        What was decided about first detections.
    looks : JudgedLooks
        Looks that are judged now.
    waiting_ids : (n,) int64
        Sources whose looks are judged later.
    evidence : Evidence
        What the catalogue has on the questions of the association and of the looks.
    settings : AssociateSettings
        Limits of updates and of forced photometry.
    now : datetime
        The time of the decision.
    """
    timestep, state, registered = association.timestep, association.state, association.registered
    final = _finish_sources(association, first, looks, settings)
    builder = _to_builder(association, evidence, final, now)
    requests = to_look_back_requests(first.look_backs, final.rows, timestep.stream)
    forced = first.forced
    doubtful = NO_DOUBT if forced is None else forced.null_detections.doubtful
    # What came before this timestep decides which sources leave; it may still be under way.
    doubtful_ids, held = doubtful.all_ids(), evidence.waiting.source_ids
    known = doubtful.among(doubtful_ids[~is_in(doubtful_ids, held)])
    is_closing = not timestep.is_late and timestep.time_start is not None
    reasons = _to_reasons(first, builder)
    return Decisions(
        stream=timestep.stream,
        stream_id=state.stream_id,
        now=now,
        entries=registered.entries,
        replaced_image_ids=registered.replaced_image_ids,
        time_start=timestep.time_start,
        is_late=timestep.is_late,
        images=[
            ImageRow(
                evidence.image_keys[image.number], image.band_id, image.record, image.solution
            )
            for image in registered.images
        ],
        months=_find_months(association, forced, first.look_backs),
        sources=to_source_rows(
            association.candidates,
            final,
            association.images,
            stream_id=state.stream_id,
            image_keys=evidence.image_keys,
        ),
        notifications=to_announcements(
            looks, [*first.new, *looks.changes], evidence, settings, builder
        ),
        waiting=_to_waiting(
            association, first, waiting_ids, evidence, doubtful.among(held), reasons
        ),
        tracks=_to_tracks(association, first, waiting_ids, reasons),
        doubtful=known,
        look_backs=to_look_back_rows(first.look_backs, builder, requests, settings),
        look_back_requests=requests,
        forced=forced,
        limits=to_archive_limits(settings),
        episodes=EpisodeRows(
            missed_ids=find_missed(evidence.null_detections, first.is_covered, waiting_ids),
            quiet_looks=settings.episode_quiet_looks,
            ended_ids=final.rows["id"][final.is_ended].tolist(),
            peaks=find_peaks(final.rows, looks.images),
        ),
        coverage=[
            find_coverage(image, evidence.image_keys[image.number])
            for image in registered.accepted
        ],
        closed_until=timestep.time_start if is_closing else None,
        channels=_find_channels(association) if is_closing else (),
    )


def to_archive_limits(settings: AssociateSettings) -> ArchiveLimits:
    """Return which doubtful sources leave the catalogue; a limit of 0 keeps all."""
    return ArchiveLimits(
        settings.candidate_sigma or -math.inf,
        settings.archive_sigma or -math.inf,
        settings.archive_announced_snr,
    )


def _finish_sources(
    association: Association,
    first: FirstDecisions,
    looks: JudgedLooks,
    settings: AssociateSettings,
) -> FinalSources:
    """Return the sources with the ids, keys and flags to store."""
    candidates, rows = association.candidates, copy_rows(first.rows)
    start_episodes(rows, looks.changes, settings)
    is_ended = follow_activity(rows, looks.images, [*first.new, *looks.changes])
    before = candidates.sources
    is_flagged = np.zeros(rows.size, np.bool_)
    for name in FLAG_COLUMNS[1:]:
        is_flagged |= rows[name] != before[name]
    eta, v, _ = candidates.variability()
    return FinalSources(rows, eta, v, is_flagged, is_ended)


def _to_waiting(
    association: Association,
    first: FirstDecisions,
    waiting_ids: IntArray,
    evidence: Evidence,
    doubtful: Doubtful,
    reasons: Mapping[int, str],
) -> WaitingRow | None:
    """Return the looks that are judged later, and what this timestep changed of those before."""
    state = association.state
    rows = association.candidates.sources
    touched = rows["id"][rows["is_detected"] & ~rows["is_created"]]
    changed = touched[is_in(touched, evidence.waiting.source_ids)]
    looked = np.empty(0, np.int64) if association.timestep.is_late else waiting_ids
    if not looked.size and not changed.size:
        return None
    keys = {each.record.image_id: evidence.image_keys[each.number] for each in association.images}
    requests = first.forced.requests if first.forced else ()
    return WaitingRow(
        image_keys=list(keys.values()),
        source_ids=looked,
        doubtful=doubtful,
        retracted={each: why for each, why in reasons.items() if each in set(looked.tolist())},
        before=EarlierStates(
            take_rows(state.sources, is_in(state.sources["id"], changed)),
            {
                key: take_rows(table, is_in(table["source_id"], changed))
                for key, table in state.statistics.items()
            },
        ),
        requests={
            keys[each.request.image_id]: unique_ids(each.request.positions.position_id)
            for each in requests
        },
    )


def _to_reasons(first: FirstDecisions, builder: EventBuilder) -> dict[int, str]:
    """Return why the first events of sources are taken back that are a moving object."""
    return {
        source_id: describe_object(builder.to_notification(trigger).event)
        for trigger in first.new
        for source_id in sorted(first.tracks.members.get(trigger.source, ()))
    }


def _to_tracks(
    association: Association,
    first: FirstDecisions,
    waiting_ids: IntArray,
    reasons: Mapping[int, str],
) -> TrackRows | None:
    """Return what is stored of moving objects; None: there are none, and were none."""
    if association.timestep.is_late:
        return None
    if not association.state.tracks.size and not first.tracks.points.size:
        return None
    waits = set(waiting_ids.tolist())
    return to_track_rows(
        first.tracks,
        first.rows,
        look=association.state.look,
        retracted={each: why for each, why in reasons.items() if each not in waits},
    )


def _to_builder(
    association: Association, evidence: Evidence, final: FinalSources, now: datetime
) -> EventBuilder:
    image_ids = {
        evidence.image_keys[image.number]: image.record.image_id
        for image in association.registered.images
    }
    return EventBuilder(
        stream=association.timestep.stream,
        stream_id=association.state.stream_id,
        candidates=association.candidates,
        rows=final.rows,
        image_ids={**association.state.seen_late.image_ids, **evidence.image_ids, **image_ids},
        earlier_trig_ids=evidence.earlier_trig_ids,
        image_keys=evidence.image_keys,
        n_bands=count_bands(association.images, final.rows.size),
        now=now,
    )


def _find_months(
    association: Association, forced: ForcedDecisions | None, look_backs: Sequence[LookBack]
) -> list[datetime]:
    """Return the times of the detections to come: blind ones, and forced ones later."""
    images = association.images
    has_sources = any(len(image.record.sources) for image in images)
    requested = {each.request.image_id for each in forced.requests} if forced else set()
    measured = {
        image.metadata.time_start
        for image in images
        if has_sources or image.record.image_id in requested
    }
    earlier = {
        metadata_of(image.record).time_start for each in look_backs for image in each.images
    }
    return sorted(measured | earlier)


def _find_channels(association: Association) -> list[tuple[int, ExpectedChannel]]:
    """Return what the next timestep waits for; two channels of one band become one."""
    bands = association.state.bands
    found = {}
    for channel in association.timestep.channels:
        band = find_band(channel.band.freq_eff_hz, channel.band.freq_bw_hz, bands)
        if band is not None:
            found[bands[band], channel.stokes] = (bands[band], channel)
    return list(found.values())
