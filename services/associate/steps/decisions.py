"""Decide what a timestep writes and announces; no input or output."""

import math
from collections.abc import Sequence
from datetime import datetime

import numpy as np

from runtime.settings import AssociateSettings
from schemas.messages import IntArray
from services.associate.models.catalogue import Evidence, RowArray
from services.associate.models.decisions import (
    ArchiveLimits,
    Decisions,
    EpisodeRows,
    ForcedDecisions,
    ForcedTargets,
    ImageRow,
    Notification,
)
from services.associate.models.timesteps import ExpectedChannel
from services.associate.steps.association import Association
from services.associate.steps.bands import find_band
from services.associate.steps.coverage import covers_any, find_coverage, metadata_of
from services.associate.steps.episodes import (
    find_missed,
    find_peaks,
    follow_activity,
    start_episodes,
)
from services.associate.steps.events import EventBuilder
from services.associate.steps.forced_requests import find_request
from services.associate.steps.look_back import (
    WAITS,
    LookBack,
    find_look_backs,
    to_look_back_requests,
    to_look_back_rows,
)
from services.associate.steps.monitors import find_monitor_targets, to_monitor_sources
from services.associate.steps.null_detections import count_null_detections
from services.associate.steps.rows import FLAG_COLUMNS, FinalSources, to_source_rows
from services.associate.steps.triggers import AssociatedImage, Trigger, find_new_sources
from services.associate.steps.updates import find_updates

__all__ = ["decide"]


def decide(
    association: Association, evidence: Evidence, settings: AssociateSettings, now: datetime
) -> Decisions:
    """Return everything that follows from a timestep.

    Parameters
    ----------
    association : Association
        The detections with their sources.
    evidence : Evidence
        What the catalogue has on the questions of the association.
    settings : AssociateSettings
        Limits of the new-source test, of updates and of forced photometry.
    now : datetime
        The time of the decision.
    """
    timestep, state, registered = association.timestep, association.state, association.registered
    new = find_new_sources(
        association.candidates,
        association.images,
        evidence.prior_coverage,
        sigma_margin=settings.new_source_sigma_margin,
    )
    look_backs = find_look_backs(association, evidence, new, settings)
    announced = _find_announced(association, new, look_backs)
    final = _finish_sources(association, evidence, announced, look_backs, settings)
    builder = _to_builder(association, evidence, final, now)
    requests = to_look_back_requests(look_backs, final.rows, timestep.stream)
    forced = _decide_forced(association, evidence, final.rows, settings, look_backs)
    is_closing = not timestep.is_late and timestep.time_start is not None
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
        months=_find_months(association, forced, look_backs),
        sources=to_source_rows(
            association.candidates,
            final,
            association.images,
            stream_id=state.stream_id,
            image_keys=evidence.image_keys,
        ),
        notifications=_to_notifications(association, evidence, settings, announced, builder),
        look_backs=to_look_back_rows(look_backs, builder, requests, settings),
        look_back_requests=requests,
        forced=forced,
        limits=ArchiveLimits(
            settings.candidate_sigma or -math.inf, settings.archive_sigma or -math.inf
        ),
        episodes=EpisodeRows(
            missed_ids=find_missed(evidence.null_detections, association.images),
            quiet_looks=settings.episode_quiet_looks,
            ended_ids=final.rows["id"][final.is_ended].tolist(),
            peaks=find_peaks(final.rows, association.images),
        ),
        coverage=[
            find_coverage(image, evidence.image_keys[image.number])
            for image in registered.accepted
        ],
        closed_until=timestep.time_start if is_closing else None,
        channels=_find_channels(association) if is_closing else (),
    )


def _find_announced(
    association: Association, new: Sequence[Trigger], look_backs: Sequence[LookBack]
) -> list[Trigger]:
    """Return the episodes that begin now; new sources that look back first are left out."""
    waiting = {each.trigger.source for each in look_backs}
    return [*(each for each in new if each.source not in waiting), *association.changes]


def _finish_sources(
    association: Association,
    evidence: Evidence,
    announced: Sequence[Trigger],
    look_backs: Sequence[LookBack],
    settings: AssociateSettings,
) -> FinalSources:
    """Return the sources with the ids, keys and flags to store."""
    candidates = association.candidates
    rows = candidates.sources.copy()
    created = np.flatnonzero(rows["is_created"])
    rows["id"][created] = evidence.source_ids[: created.size]
    keys = np.array(evidence.image_keys, np.int64)
    rows["first_image_key"][created] = keys[rows["image"][created]]
    start_episodes(rows, announced, settings)
    rows["activity"][[each.trigger.source for each in look_backs]] = WAITS
    is_ended = follow_activity(rows, association.images, announced, counts_quiet=True)
    before = candidates.sources
    is_flagged = np.zeros(rows.size, np.bool_)
    for name in FLAG_COLUMNS[1:]:
        is_flagged |= rows[name] != before[name]
    eta, v, _ = candidates.variability()
    return FinalSources(rows, eta, v, is_flagged, is_ended)


def _to_notifications(
    association: Association,
    evidence: Evidence,
    settings: AssociateSettings,
    announced: Sequence[Trigger],
    builder: EventBuilder,
) -> list[Notification]:
    """Return the events of the timestep: first ones, then updates."""
    updates = find_updates(
        association.candidates, association.images, evidence.last_notified, settings
    )
    return [builder.to_notification(trigger) for trigger in [*announced, *updates]]


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
        image_ids={**evidence.image_ids, **image_ids},
        earlier_trig_ids=evidence.earlier_trig_ids,
        image_keys=evidence.image_keys,
        now=now,
    )


def _decide_forced(
    association: Association,
    evidence: Evidence,
    rows: RowArray,
    settings: AssociateSettings,
    look_backs: Sequence[LookBack],
) -> ForcedDecisions | None:
    """Return the null detections, the monitors that begin, and what is to be measured."""
    if association.questions.detected_ids is None:
        return None
    undetected = evidence.null_detections
    records = [image.record for image in association.images]
    counted, targets = count_null_detections(
        undetected,
        covers_any(records, undetected.ra, undetected.dec),
        _to_targets(rows, look_backs),
        expiration_timesteps=settings.expiration_timesteps,
        candidate_timesteps=settings.candidate_timesteps,
    )
    monitors, first = association.state.monitors, association.monitors
    source_ids = evidence.source_ids[association.candidates.n_created() :]
    monitored = find_monitor_targets(monitors, first, source_ids)
    requests = [
        find_request(
            image.record,
            (targets, monitored),
            _find_detected_ids(rows, image),
            image.solution,
        )
        for image in association.images
    ]
    return ForcedDecisions(
        null_detections=counted,
        monitor_sources=to_monitor_sources(
            monitors,
            first,
            association.registered.images,
            image_keys=evidence.image_keys,
            source_ids=source_ids,
        ),
        requests=[request for request in requests if request is not None],
    )


def _to_targets(rows: RowArray, look_backs: Sequence[LookBack]) -> ForcedTargets:
    """Return the detected sources that were known before or may be announced as new.

    The latter too: what the other bands have at their positions can contradict them.
    """
    is_kept = ~rows["is_created"] | rows["is_new"]
    is_kept[[each.trigger.source for each in look_backs]] = True
    kept = rows[rows["is_detected"] & is_kept]
    return ForcedTargets(kept["id"], kept["ra"], kept["dec"], "forced")


def _find_detected_ids(rows: RowArray, image: AssociatedImage) -> IntArray:
    sources = np.concatenate([image.result.source, image.result.shared.source])
    return np.asarray(rows["id"][np.unique(sources)], np.int64)


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
