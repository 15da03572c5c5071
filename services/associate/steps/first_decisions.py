"""Decide about first detections, and what is to be measured: at once, whatever waits."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from runtime.settings import AssociateSettings
from schemas.messages import BoolArray, IntArray
from services.associate.models.catalogue import RowArray
from services.associate.models.decisions import ForcedDecisions, ForcedTargets
from services.associate.models.evidence import Evidence
from services.associate.models.tracks import Tracks
from services.associate.steps.association import Association
from services.associate.steps.coverage import covers_any
from services.associate.steps.episodes import start_episodes
from services.associate.steps.forced_requests import find_request
from services.associate.steps.look_back import WAITS, LookBack, find_look_backs
from services.associate.steps.monitors import find_monitor_targets, to_monitor_sources
from services.associate.steps.moving import find_moving
from services.associate.steps.moving_events import to_moving_triggers
from services.associate.steps.null_detections import count_null_detections
from services.associate.steps.triggers import (
    AssociatedImage,
    Trigger,
    find_new_sources,
    is_created,
)
from sky.id_sets import is_in, unique_ids
from sky.row_arrays import copy_rows, take_rows

__all__ = ["FirstDecisions", "decide_first", "find_waiting", "touched_ids", "wait_timesteps"]


@dataclass(frozen=True, slots=True)
class FirstDecisions:
    """What is decided at once: first detections, and what is to be measured.

    Parameters
    ----------
    new : sequence of Trigger
        New sources and moving objects that are announced now.
    look_backs : sequence of LookBack
        First detections that are looked for in earlier images before.
    rows : (n,) structured
        The candidates with the ids, keys and flags to store, episodes of `new` begun.
    forced : ForcedDecisions or None
        Null detections, monitors and requests; None: nothing is counted.
    is_covered : (n,) bool
        Which null detections of the evidence an image covers.
    tracks : Tracks
        Moving objects.
    """

    new: Sequence[Trigger]
    look_backs: Sequence[LookBack]
    rows: RowArray
    forced: ForcedDecisions | None
    is_covered: BoolArray
    tracks: Tracks = field(default_factory=Tracks)


def decide_first(
    association: Association, evidence: Evidence, settings: AssociateSettings
) -> FirstDecisions:
    """Return what is decided of a timestep before its looks are judged.

    Parameters
    ----------
    association : Association
        The detections with their sources.
    evidence : Evidence
        What the catalogue has on the questions of the association.
    settings : AssociateSettings
        Limits of the new-source test and of forced photometry.
    """
    new = find_new_sources(
        association.candidates,
        association.images,
        evidence.prior_coverage,
        sigma_margin=settings.new_source_sigma_margin,
    )
    look_backs = find_look_backs(association, evidence, new, settings)
    firsts = _find_firsts(association, new, look_backs)
    tracks = find_moving(association, firsts, settings)
    look_backs = [each for each in look_backs if each.trigger.source not in tracks.begun]
    waiting = {each.trigger.source for each in look_backs} | set(tracks.begun)
    announced = [each for each in new if each.source not in waiting]
    announced += to_moving_triggers(tracks, firsts)
    rows = copy_rows(association.candidates.sources)
    created = np.flatnonzero(rows["is_created"])
    rows["id"][created] = evidence.source_ids[: created.size]
    keys = np.array(evidence.image_keys, np.int64)
    rows["first_image_key"][created] = keys[rows["image"][created]]
    start_episodes(rows, announced, settings)
    rows["activity"][[each.trigger.source for each in look_backs]] = WAITS
    missed = evidence.null_detections
    records = [image.record for image in association.images]
    is_covered = covers_any(records, missed.ra, missed.dec)
    forced = _decide_forced(association, evidence, rows, is_covered, settings, look_backs)
    return FirstDecisions(announced, look_backs, rows, forced, is_covered, tracks)


def _find_firsts(
    association: Association, new: Sequence[Trigger], look_backs: Sequence[LookBack]
) -> list[Trigger]:
    """Return the detections that may be of moving objects: those that created a source."""
    firsts = {each.source: each for each in new}
    firsts |= {each.trigger.source: each.trigger for each in look_backs}
    created = is_created(association.candidates)
    return [trigger for source, trigger in firsts.items() if created[source]]


def wait_timesteps(settings: AssociateSettings) -> int:
    """Return for how many timesteps answers are waited for; 0 without forced photometry."""
    return settings.forced_wait_timesteps if settings.forced_photometry else 0


def touched_ids(association: Association, evidence: Evidence) -> IntArray:
    """Return the known sources that a timestep detects, or may have looked at."""
    rows = association.candidates.sources
    known = rows["id"][rows["is_detected"] & ~rows["is_created"]]
    linked = association.state.tracks["source_id"]
    return np.concatenate([known, evidence.null_detections.id, linked])


def find_waiting(
    association: Association,
    first: FirstDecisions,
    evidence: Evidence,
    settings: AssociateSettings,
) -> IntArray:
    """Return the sources whose looks in a timestep are judged later.

    Those to be measured, those that it looks at and that wait for an earlier timestep, those that
    look back, and those that wait and turn out to be a moving object.
    """
    if not wait_timesteps(settings):
        return np.empty(0, np.int64)
    requests = first.forced.requests if first.forced else ()
    look_backs = first.rows["id"][[each.trigger.source for each in first.look_backs]]
    found = unique_ids(
        np.concatenate(
            [
                *(each.request.positions.position_id for each in requests),
                _find_held(association, first, evidence),
                look_backs,
            ]
        )
    )
    # A moving object may be what was measured of a source beside it: nothing is judged by that.
    found = found[~is_in(found, first.rows["id"][sorted(first.tracks.crossed)])]
    members = np.array(sorted(set().union(*first.tracks.members.values())), np.int64)
    held = np.concatenate([evidence.waiting.source_ids, found])
    return unique_ids(np.concatenate([found, members[is_in(members, held)]]))


def _find_held(association: Association, first: FirstDecisions, evidence: Evidence) -> IntArray:
    """Return the sources that wait for an earlier timestep and are detected, or covered, now."""
    held, missed = evidence.waiting.source_ids, evidence.null_detections
    detected = association.candidates.sources["id"][association.candidates.sources["is_detected"]]
    covered = missed.id[first.is_covered]
    return np.concatenate([held[is_in(held, detected)], covered[is_in(covered, held)]])


def _decide_forced(
    association: Association,
    evidence: Evidence,
    rows: RowArray,
    is_covered: BoolArray,
    settings: AssociateSettings,
    look_backs: Sequence[LookBack],
) -> ForcedDecisions | None:
    """Return the null detections, the monitors that begin, and what is to be measured."""
    if association.questions.detected_ids is None:
        return None
    counted, targets = count_null_detections(
        evidence.null_detections,
        is_covered,
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
    kept = take_rows(rows, rows["is_detected"] & is_kept)
    return ForcedTargets(kept["id"], kept["ra"], kept["dec"], "forced")


def _find_detected_ids(rows: RowArray, image: AssociatedImage) -> IntArray:
    sources = np.concatenate([image.result.source, image.result.shared.source])
    return np.asarray(rows["id"][unique_ids(sources)], np.int64)
