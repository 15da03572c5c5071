"""Judge looks at sources: the tests for changes, the course of episodes, and updates.

Looks at a source are judged timestep by timestep, all looks of one together. Where nothing more is
to be measured of a source, that happens in the transaction of the timestep, else when the last
answer is stored. Either way the same comes out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

import numpy as np

from runtime.settings import AssociateSettings
from schemas.messages import BoolArray, IntArray, SourceColumns
from services.associate.models.catalogue import ChannelKey, MeasuredImage, RowArray
from services.associate.models.decisions import ForcedOutcome, Notification, StatisticsRows
from services.associate.models.evidence import Evidence, NotifiedSources, Questions
from services.associate.models.waiting import EarlierStates, LookRows, WaitingTimestep
from services.associate.steps.candidate_sources import CandidateSources
from services.associate.steps.change_tests import to_limits
from services.associate.steps.coverage import metadata_of
from services.associate.steps.episodes import (
    find_changes,
    find_peaks,
    follow_activity,
    start_episodes,
)
from services.associate.steps.events import EventBuilder
from services.associate.steps.image_result import ImageResult
from services.associate.steps.matching import Links
from services.associate.steps.rows import FLAG_COLUMNS
from services.associate.steps.triggers import AssociatedImage, Trigger, count_bands
from services.associate.steps.updates import find_notified, find_updates

__all__ = [
    "JudgedLooks",
    "ask_of",
    "changed_statistics",
    "find_contradictable",
    "gather_looks",
    "judge_looks",
    "look_at",
    "to_announcements",
    "to_outcome",
]


_KINDS: tuple[Literal["blind", "forced", "monitor"], ...] = ("blind", "forced", "monitor")


@dataclass(frozen=True, slots=True)
class JudgedLooks:
    """Looks of a timestep that are judged together.

    Parameters
    ----------
    candidates : CandidateSources
        Sources as of the timestep, looks included.
    latest : CandidateSources
        The same sources as the catalogue has them; mostly the same object.
    images : sequence of AssociatedImage
        With their looks, each kind of measurement as an image.
    judged : (n,) bool
        Which candidates.
    changes : sequence of Trigger
        Episodes that begin.
    """

    candidates: CandidateSources
    latest: CandidateSources
    images: Sequence[AssociatedImage]
    judged: BoolArray
    changes: Sequence[Trigger]


def judge_looks(
    candidates: CandidateSources,
    images: Sequence[AssociatedImage],
    judged: BoolArray,
    settings: AssociateSettings,
    *,
    n_channels: int,
    latest: CandidateSources | None = None,
) -> JudgedLooks:
    """Test the looks at some sources for changes.

    Parameters
    ----------
    candidates : CandidateSources
        Sources as of the timestep; the states of their tests change.
    images : sequence of AssociatedImage
        Of the timestep.
    judged : (n,) bool
        Which candidates.
    settings : AssociateSettings
        Limits of the tests.
    n_channels : int
        Accepted images of the timestep: they share the false alarms of a look.
    latest : CandidateSources or None
        The same sources as the catalogue has them now; None: they are those.
    """
    looked = look_at(candidates, images, judged, settings, n_channels=n_channels)
    changes = find_changes(candidates, looked, settings)
    return JudgedLooks(candidates, latest or candidates, looked, judged, changes)


def look_at(
    candidates: CandidateSources,
    images: Sequence[AssociatedImage],
    judged: BoolArray,
    settings: AssociateSettings,
    *,
    n_channels: int,
) -> list[AssociatedImage]:
    """Return images with what the tests say of the looks at some sources."""
    limits = to_limits(settings, n_channels=max(1, n_channels))
    found = []
    for image in images:
        touched = image.result.touched
        touched = touched.select(judged[touched.source])
        sources = image.record.sources
        looked = candidates.look(
            image.key,
            touched.source,
            touched.detection,
            flux=sources.flux_peak_jy_beam,
            error=sources.flux_peak_err_jy_beam,
            limits=limits,
        )
        found.append(replace(image, result=replace(image.result, looked=looked)))
    return found


def ask_of(looks: JudgedLooks, time_start: datetime, settings: AssociateSettings) -> Questions:
    """Return what the events that follow from looks need from the catalogue."""
    rows = looks.candidates.sources
    changed = [rows[trigger.source] for trigger in looks.changes]
    ids = find_notified(looks.candidates, looks.judged)
    before = time_start - timedelta(seconds=settings.update_cool_down_s)
    return Questions(
        n_images=0,
        n_sources=0,
        notified=NotifiedSources(ids, settings.max_updates, before) if ids else None,
        first_image_keys=[int(row["first_image_key"]) for row in changed],
        active_again_ids=[int(row["id"]) for row in changed if row["n_episodes"]],
    )


def to_announcements(
    looks: JudgedLooks,
    announced: Sequence[Trigger],
    evidence: Evidence,
    settings: AssociateSettings,
    builder: EventBuilder,
) -> list[Notification]:
    """Return the events of looks: first ones, then updates.

    What begins an episode is no update of the one before, which it cites.
    """
    begun = {trigger.source for trigger in (*looks.changes, *announced)}
    updates = [
        trigger
        for trigger in find_updates(
            looks.candidates, looks.images, evidence.last_notified, settings
        )
        if trigger.source not in begun
    ]
    return [builder.to_notification(trigger) for trigger in [*announced, *updates]]


def gather_looks(
    waiting: WaitingTimestep,
    images: Sequence[MeasuredImage],
    rows: LookRows,
    *,
    sources: RowArray,
    statistics: Mapping[ChannelKey, RowArray],
    before: EarlierStates,
    settings: AssociateSettings,
) -> tuple[CandidateSources, CandidateSources, list[AssociatedImage]]:
    """Return sources as of a timestep, the same as they are now, and what it measured of them.

    Parameters
    ----------
    waiting : WaitingTimestep
        The timestep.
    images : sequence of MeasuredImage
        Its images in ascending frequency.
    rows : LookRows
        What they measured of the sources.
    sources : (n,) structured, `SOURCE_DTYPE`
        The sources in ascending order of id.
    statistics : mapping of structured, `STATISTICS_DTYPE`
        Theirs, by band and Stokes parameter.
    before : EarlierStates
        Those that later timesteps have changed, as they were before that.
    settings : AssociateSettings
        Floor of the errors of positions.
    """
    latest = _load(sources, statistics, settings)
    candidates = latest
    if before.sources.size:
        candidates = latest.with_positions(*_as_of(sources, statistics, before))
    for each in {candidates, latest}:
        each.sources["is_created"] = np.isin(
            each.sources["first_image_key"], np.array(waiting.image_keys)
        )
    found = [
        part
        for number, image in enumerate(images)
        for part in _to_parts(number, image, rows, sources["id"])
    ]
    for part in found:
        touched, measured = part.result.touched, part.record.sources
        if part.extraction_type == "blind":
            candidates.sources["is_detected"][touched.source] = True
            continue
        for each in {candidates, latest}:
            each.add_forced(
                part.key,
                touched.source,
                measured.flux_peak_jy_beam[touched.detection],
                measured.flux_peak_err_jy_beam[touched.detection],
            )
    return candidates, latest, found


def _load(
    sources: RowArray, statistics: Mapping[ChannelKey, RowArray], settings: AssociateSettings
) -> CandidateSources:
    candidates = CandidateSources(settings.systematic_position_error_arcsec / 3600)
    candidates.load(sources, statistics)
    return candidates


def _as_of(
    sources: RowArray, statistics: Mapping[ChannelKey, RowArray], before: EarlierStates
) -> tuple[RowArray, dict[ChannelKey, RowArray]]:
    """Return sources with the positions and the blind statistics that some had before."""
    sources = sources.copy()
    row = np.searchsorted(sources["id"], before.sources["id"])
    for name in ("ra", "dec", "weight_ra", "weight_dec", "n_datapoints", "n_forced"):
        sources[name][row] = before.sources[name]
    kept = {
        key: table[~np.isin(table["source_id"], before.sources["id"])]
        for key, table in statistics.items()
    }
    for key, table in before.statistics.items():
        kept[key] = np.concatenate([kept[key], table]) if key in kept else table
    return sources, kept


def _to_parts(
    number: int, image: MeasuredImage, rows: LookRows, ids: IntArray
) -> list[AssociatedImage]:
    """Return the measurements of an image by kind; a source comes once in each."""
    types = np.array(rows.extraction_type, object)
    parts = []
    for kind in _KINDS:
        rest = np.flatnonzero((rows.image_key == image.image_key) & (types == kind))
        while rest.size:
            chosen = rest[np.unique(rows.source_id[rest], return_index=True)[1]]
            part = _to_part(number, image, rows, chosen, ids)
            parts.append(replace(part, extraction_type=kind))
            rest = np.setdiff1d(rest, chosen)
    return parts


def _to_part(
    number: int, image: MeasuredImage, rows: LookRows, chosen: IntArray, ids: IntArray
) -> AssociatedImage:
    source = np.searchsorted(ids, rows.source_id[chosen])
    nothing = np.empty(0, np.int64)
    is_shared = np.array(rows.is_shared, np.bool_)[chosen]
    record = replace(
        image.record,
        sources=SourceColumns(**{name: each[chosen] for name, each in rows.columns.items()}),
    )
    result = ImageResult(
        source=np.where(is_shared, -1, source),
        radius=np.full(source.size, np.nan),
        shared=Links(nothing, nothing, np.empty(0)),
        near_known=nothing,
        touched=Links(np.arange(source.size), source, np.full(source.size, np.nan)),
    )
    return AssociatedImage(
        number=number,
        key=image.key,
        record=record,
        metadata=metadata_of(record),
        result=result,
        numbers=rows.source_number[chosen],
    )


def find_contradictable(looks: JudgedLooks) -> tuple[str, IntArray]:
    """Return sources that were detected once and measured elsewhere, and an image of them."""
    rows = looks.candidates.sources
    is_single = rows["n_datapoints"] - rows["n_forced"] == 1
    measured = [each for each in looks.images if each.extraction_type == "forced"]
    if not measured:
        return "", np.empty(0, np.int64)
    touched = np.unique(np.concatenate([each.result.touched.source for each in measured]))
    ids = rows["id"][touched[is_single[touched]]]
    return measured[0].record.image_id, np.asarray(ids, np.int64)


def to_outcome(
    looks: JudgedLooks,
    waiting: WaitingTimestep,
    images: Sequence[MeasuredImage],
    *,
    evidence: Evidence,
    settings: AssociateSettings,
    stream_id: int,
    now: datetime,
) -> ForcedOutcome:
    """Return what looks that have waited change, and the events that they raise."""
    candidates = looks.candidates
    rows = candidates.sources.copy()
    start_episodes(rows, looks.changes, settings)
    seen = candidates.sources["is_detected"]
    is_ended = follow_activity(
        rows,
        looks.images,
        looks.changes,
        is_missed=~seen,
        quiet_looks=settings.episode_quiet_looks,
    )
    builder = EventBuilder(
        stream=images[0].record.stream if images else "",
        stream_id=stream_id,
        candidates=candidates,
        rows=rows,
        image_ids=evidence.image_ids,
        earlier_trig_ids=evidence.earlier_trig_ids,
        image_keys=[image.image_key for image in images],
        n_bands=count_bands(looks.images, rows.size),
        now=now,
    )
    eta, v, _ = looks.latest.variability()
    is_flagged = np.any([rows[name] != candidates.sources[name] for name in FLAG_COLUMNS], axis=0)
    flagged = rows[is_flagged]
    latest = looks.latest.sources
    return ForcedOutcome(
        statistics=changed_statistics(looks),
        sources={
            **{name: latest[name] for name in ("id", "n_datapoints", "n_forced")},
            "eta": eta,
            "v": v,
        },
        flagged={name: flagged[name] for name in FLAG_COLUMNS} if flagged.size else None,
        ended_ids=rows["id"][is_ended].tolist(),
        time_start=waiting.time_start,
        notifications=to_announcements(looks, looks.changes, evidence, settings, builder),
        peaks=find_peaks(rows, looks.images),
    )


def changed_statistics(looks: JudgedLooks) -> list[StatisticsRows]:
    """Return the statistics of the channels in which sources were looked at."""
    found: dict[ChannelKey, list[IntArray]] = {}
    for image in looks.images:
        found.setdefault(image.key, []).append(image.result.touched.source)
    ids = looks.candidates.sources["id"]
    return [
        looks.candidates.statistics_of(key, ids, np.unique(np.concatenate(rows)))
        for key, rows in sorted(found.items())
        if sum(each.size for each in rows)
    ]
