"""One timestep, one transaction: load, associate, load the evidence, decide, store."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np

from runtime.settings import AssociateSettings
from schemas.identity import trig_id
from schemas.messages import IntArray
from schemas.topics import Topics
from services.associate.errors import UndecidedError
from services.associate.handlers.delayed_decisions import DelayedDecisions, load_event_evidence
from services.associate.handlers.moving_objects import retract_members
from services.associate.models.catalogue import NO_NULL_DETECTIONS, SOURCE_DTYPE, CatalogueState
from services.associate.models.contradictions import JudgementTimes
from services.associate.models.decisions import Decisions
from services.associate.models.evidence import Evidence, WaitingSources
from services.associate.models.timesteps import LedgerEntry, LockedStream, Timestep
from services.associate.steps.association import (
    Association,
    associate,
    find_search_boxes,
    needs_forced,
    search_radius_deg,
    wider_radius_deg,
)
from services.associate.steps.bands import assign_bands
from services.associate.steps.calibration import needs_wider_search, solve_timestep
from services.associate.steps.contradiction import to_timestep_waits
from services.associate.steps.decisions import decide, judge_at_once
from services.associate.steps.first_decisions import (
    FirstDecisions,
    decide_first,
    find_waiting,
    touched_ids,
    wait_timesteps,
)
from services.associate.steps.judgement import ask_of
from services.associate.steps.monitors import move_to
from services.associate.steps.moving_events import cite_members
from services.associate.steps.moving_points import moving_ids
from services.associate.steps.moving_positions import expect_moving
from services.associate.steps.registration import exposure_times
from services.associate.steps.seen_late import find_unlooked
from services.associate.storage import Catalogue
from services.associate.storage.waiting_source_cache import StreamWaiting
from sky.id_sets import is_in, unique_ids

__all__ = ["Outcome", "associate_timestep"]

# A place is covered by at least one of so many overlapping images in a row.
_FIELDS_IN_TURN = 4


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one transaction did."""

    entries: tuple[LedgerEntry, ...]
    has_messages: bool
    has_look_backs: bool = False
    # Whether no source waits for answers that may remove it from the catalogue.
    is_decided: bool = True


async def associate_timestep(
    catalogue: Catalogue,
    timestep: Timestep,
    *,
    settings: AssociateSettings,
    topics: Topics,
    waits: bool = False,
) -> Outcome:
    """Store a timestep and all that follows from it.

    Parameters
    ----------
    catalogue : Catalogue
        An open transaction.
    timestep : Timestep
        Its images in ascending frequency.
    settings : AssociateSettings
        Limits of association, of the tests and of forced photometry.
    topics : Topics
        Where the events and the forced requests go.
    waits : bool
        Whether it waits for answers which may remove a source beside its detections.

    Raises
    ------
    UndecidedError
        If it waits; nothing has been written.
    """
    stream = await catalogue.ensure_stream(
        timestep.stream,
        systematic_position_error_deg=settings.systematic_position_error_arcsec / 3600,
    )
    waiting = await catalogue.load_waiting(stream.id)
    undecided = waiting.undecided()
    doubted = undecided if waits else undecided[:0]
    association = await _associate(
        catalogue, timestep, stream, settings, waiting=waiting, undecided=doubted
    )
    times = to_timestep_waits(timestep, association.state, settings)
    evidence = await _load_evidence(catalogue, association, stream, times)
    evidence = await _load_look_back_images(catalogue, association, evidence, settings)
    touched = unique_ids(touched_ids(association, evidence))
    earlier = WaitingSources(*waiting.find(touched))
    evidence = replace(evidence, waiting=earlier)
    decisions = await _judge(catalogue, association, evidence, settings, doubted)
    await catalogue.store(decisions, topics)
    reasons = decisions.tracks.retracted if decisions.tracks else {}
    n_events = await retract_members(catalogue, reasons, topics)
    if earlier.n_timesteps >= max(1, wait_timesteps(settings)):
        delayed = DelayedDecisions(settings, topics)
        n_events += await delayed.give_up(catalogue, stream.id, timestep.stream)
    requests = decisions.forced.requests if decisions.forced else ()
    return Outcome(
        tuple(decisions.entries),
        has_messages=bool(
            decisions.notifications or requests or decisions.look_back_requests or n_events
        ),
        has_look_backs=bool(decisions.look_backs),
        is_decided=not undecided.size,
    )


async def _associate(
    catalogue: Catalogue,
    timestep: Timestep,
    stream: LockedStream,
    settings: AssociateSettings,
    *,
    waiting: StreamWaiting,
    undecided: IntArray,
) -> Association:
    """Match a timestep with the catalogue around its detections, if it is known what stays."""
    radius_deg = search_radius_deg(timestep, settings)
    state = await _load_state(catalogue, timestep, stream.id, settings, radius_deg)
    solutions = solve_timestep(timestep, state, settings, radius_deg=radius_deg)
    if needs_wider_search(timestep, solutions, settings):
        wider_deg = wider_radius_deg(timestep, settings)
        state = await _load_sources(catalogue, timestep, state, max(radius_deg, wider_deg))
        solutions = solve_timestep(timestep, state, settings, radius_deg=wider_deg)
    _check_decided(stream.id, state.sources["id"], undecided)
    state = await _find_seen_late(catalogue, timestep, state, waiting)
    state = await _expect_moving(catalogue, timestep, state)
    return associate(timestep, state, settings, solutions)


def _check_decided(stream_id: int, source_ids: IntArray, undecided: IntArray) -> None:
    """Refuse to go on with sources of which it is not known whether they stay."""
    found = source_ids[is_in(source_ids, undecided)]
    if found.size:
        raise UndecidedError(stream_id, found.tolist())


async def _find_seen_late(
    catalogue: Catalogue, timestep: Timestep, state: CatalogueState, waiting: StreamWaiting
) -> CatalogueState:
    """Note in the state which sources late images alone have detected; mostly none."""
    if timestep.is_late:
        return state
    unlooked = find_unlooked(state)
    _, waiting_ids = waiting.find(unlooked)
    unlooked = unlooked[~is_in(unlooked, waiting_ids)]
    if not unlooked.size:
        return state
    return replace(state, seen_late=await catalogue.load_seen_late(unlooked))


async def _expect_moving(
    catalogue: Catalogue, timestep: Timestep, state: CatalogueState
) -> CatalogueState:
    """Return the state with the moving objects where they are now."""
    ids = moving_ids(state.tracks)
    if not ids:
        return state
    sources = await catalogue.load_sources_by_id(state.stream_id, ids)
    return expect_moving(state, timestep, sources, await catalogue.load_statistics(sources["id"]))


async def _judge(
    catalogue: Catalogue,
    association: Association,
    evidence: Evidence,
    settings: AssociateSettings,
    undecided: IntArray,
) -> Decisions:
    """Decide about first detections, and about looks at sources that wait for nothing."""
    timestep = association.timestep
    first = decide_first(association, evidence, settings)
    waiting_ids = find_waiting(association, first, evidence, settings)
    looks = judge_at_once(association, first, waiting_ids, settings)
    if timestep.time_start is not None and not timestep.is_late:
        questions = ask_of(looks, timestep.time_start, settings)
        evidence = await load_event_evidence(catalogue, questions, evidence)
    members = np.array(sorted(set().union(*first.tracks.members.values())), np.int64)
    _check_decided(association.state.stream_id, members, undecided)
    evidence = await _cite_members(catalogue, association, first, evidence)
    return decide(
        association,
        first,
        looks,
        waiting_ids=waiting_ids,
        evidence=evidence,
        settings=settings,
        now=datetime.now(UTC),
    )


async def _cite_members(
    catalogue: Catalogue, association: Association, first: FirstDecisions, evidence: Evidence
) -> Evidence:
    """Return the evidence with what moving objects are announced as that are linked now.

    Not only what has been: whether answers to looks back have come decides nothing.
    """
    ids = sorted(set().union(*first.tracks.members.values()))
    if not ids:
        return evidence
    stream = association.timestep.stream
    sources = await catalogue.load_sources_by_id(association.state.stream_id, ids)
    images = await catalogue.load_image_ids(sources["first_image_key"].tolist())
    known = {
        int(row["id"]): trig_id(
            stream, images[int(row["first_image_key"])], int(row["first_source_number"])
        )
        for row in sources
    }
    cited = cite_members(first.tracks, first.rows, known)
    return replace(evidence, earlier_trig_ids={**evidence.earlier_trig_ids, **cited})


async def _load_state(
    catalogue: Catalogue,
    timestep: Timestep,
    stream_id: int,
    settings: AssociateSettings,
    radius_deg: float,
) -> CatalogueState:
    """Return what the catalogue has around the detections; new bands get their ids."""
    has_time = timestep.time_start is not None
    images, same_time = await catalogue.find_images(
        stream_id,
        [record.image_id for record in timestep.records],
        exposure_times(timestep, settings.timestep_tolerance_s) if has_time else None,
    )
    start = await catalogue.load_start(
        stream_id,
        timestep.stream if needs_forced(timestep, settings) else None,
        n_images=len(timestep.records),
    )
    bands = start.bands
    assigned = assign_bands(timestep.records, bands)
    for band in assigned:
        if band is not None and band not in bands:
            bands[band] = await catalogue.ensure_band(stream_id, band)
    state = CatalogueState(
        stream_id=stream_id,
        bands=bands,
        band_ids=[None if band is None else bands[band] for band in assigned],
        images=images,
        same_time=same_time,
        sources=np.zeros(0, SOURCE_DTYPE),
        statistics={},
        monitors=move_to(start.monitors, timestep.time_start),
        tracks=start.tracks,
        look=start.look + 1,
        image_keys=start.image_keys,
    )
    return await _load_sources(catalogue, timestep, state, radius_deg)


async def _load_sources(
    catalogue: Catalogue, timestep: Timestep, state: CatalogueState, radius_deg: float
) -> CatalogueState:
    """Return the state with the sources within a radius of the detections."""
    boxes = find_search_boxes(timestep, radius_deg)
    if boxes is None:
        return state
    sources = await catalogue.load_sources(state.stream_id, boxes)
    statistics = await catalogue.load_statistics(sources["id"]) if sources.size else {}
    return replace(state, sources=sources, statistics=statistics)


async def _load_evidence(
    catalogue: Catalogue, association: Association, stream: LockedStream, waits: JudgementTimes
) -> Evidence:
    """Return what the catalogue has on the questions of an association."""
    questions = association.questions
    return Evidence(
        image_keys=association.state.image_keys[: questions.n_images],
        source_ids=(
            await catalogue.reserve_source_ids(questions.n_sources) if questions.n_sources else []
        ),
        prior_coverage={
            number: await catalogue.load_prior_coverage(first.key, first.ra, first.dec)
            for number, first in questions.first_detections.items()
        },
        null_detections=(
            NO_NULL_DETECTIONS
            if questions.detected_ids is None or questions.field is None
            else await catalogue.load_null_detections(
                stream, questions.detected_ids, waits, questions.field
            )
        ),
    )


async def _load_look_back_images(
    catalogue: Catalogue,
    association: Association,
    evidence: Evidence,
    settings: AssociateSettings,
) -> Evidence:
    """Return the evidence with the images in which first detections may be looked for."""
    before = association.questions.look_back_before
    if before is None:
        return evidence
    images = {image.number: image.metadata for image in association.images}
    return replace(
        evidence,
        look_back_images={
            number: await catalogue.load_look_back_images(
                first.key,
                images[number],
                before,
                limit=_FIELDS_IN_TURN * settings.lookback_images,
                image_keys=[each.image_key for each in evidence.prior_coverage[number]],
            )
            for number, first in association.questions.first_detections.items()
            if evidence.prior_coverage[number]
        },
    )
