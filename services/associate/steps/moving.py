"""Moving objects of a timestep: those that are followed, and those that are found."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np

from runtime.settings import AssociateSettings
from schemas.messages import FloatArray, IntArray, SourceEvent
from services.associate.models.catalogue import (
    NO_TRACKS,
    TRACK_DTYPE,
    CatalogueState,
    ChannelKey,
    RowArray,
)
from services.associate.models.timesteps import Timestep
from services.associate.models.tracks import Motion, Tracks
from services.associate.steps.association import Association
from services.associate.steps.tracks import MAX_GAP_LOOKS, TrackLimits, find_tracks, predict
from services.associate.steps.triggers import (
    AssociatedImage,
    Test,
    Trigger,
    find_detections,
)
from sky.geometry import tangent_offsets, to_unit_vectors

__all__ = [
    "cite_members",
    "describe_object",
    "expect_moving",
    "find_moving",
    "moving_ids",
    "to_moving_triggers",
]

# Detections of a moving object that say where it is expected; other detections of a timestep that
# may belong to one, those of the highest S/N.
_KEPT_POINTS = 4
# Two points are a motion; a third one says that it is constant.
_LEAST_POINTS = 3
_MAX_PER_LOOK = 24
_MAX_MOVING = 64
# As many earlier episodes are cited of any source.
_MAX_CITED = 10
# A source that is seen again so many looks later without having moved does not.
_STATIONARY_LOOKS = 3
_MOVED_SIGMA = 3.0
# So many say where false ones are: around a bright source, or all over the field.
_MANY_POINTS = 16
# Error of a position that a fit could not constrain [deg].
_ANYWHERE_DEG = 180.0
_SKY_DEG2 = 41252.96
# Detections this close to a moving object may be its [beam major axes].
_CROSSING_BEAMS = 1.5


def moving_ids(tracks: RowArray) -> list[int]:
    """Return the sources that move."""
    return sorted(set(tracks["track_id"][tracks["track_id"] > 0].tolist()))


def expect_moving(
    state: CatalogueState,
    timestep: Timestep,
    sources: RowArray,
    statistics: Mapping[ChannelKey, RowArray],
) -> CatalogueState:
    """Return a state with the moving sources where a timestep expects them.

    Parameters
    ----------
    state : CatalogueState
        The sources around the detections.
    timestep : Timestep
        When they are expected.
    sources : (n,) structured, `SOURCE_DTYPE`
        The moving sources in ascending order of id.
    statistics : mapping of structured, `STATISTICS_DTYPE`
        Theirs, by band and Stokes parameter.
    """
    time_s = _middle_s(timestep)
    if time_s is None or not sources.size:
        return state
    tracks = [_points_of(state.tracks, number) for number in sources["id"].tolist()]
    first = np.concatenate([track[:1] for track in tracks])
    last = np.concatenate([track[-1:] for track in tracks])
    vectors, err_deg, _ = predict(first, last, np.full(sources.size, time_s))
    moved = sources.copy()
    moved["ra"], moved["dec"] = _to_position(vectors)
    moved["weight_ra"] = moved["weight_dec"] = 1 / np.maximum(err_deg, 1e-9) ** 2
    everything = np.concatenate([state.sources, moved])
    merged = dict(state.statistics)
    for key, table in statistics.items():
        merged[key] = np.concatenate([merged[key], table]) if key in merged else table
    order = np.argsort(everything["id"], kind="stable")
    return replace(state, sources=everything[order], statistics=merged)


def find_moving(
    association: Association, firsts: Sequence[Trigger], settings: AssociateSettings
) -> Tracks:
    """Return what a timestep says of moving objects.

    Parameters
    ----------
    association : Association
        The detections with their sources.
    firsts : sequence of Trigger
        First detections at places that were observed before.
    settings : AssociateSettings
        What makes a track.
    """
    before = association.state.tracks
    is_off = settings.moving_min_points < _LEAST_POINTS or association.timestep.is_late
    if is_off or not association.images:
        return Tracks(before)
    if not before.size and not firsts:
        return Tracks()
    look = association.state.look
    followed, moving, ended_ids = _follow(association, before, look)
    loose = _keep_loose(association, before, look, settings)
    new = _to_points(association, firsts, look)
    points = np.concatenate([loose, new])
    tracks = _find(association, points, look, settings)
    begun, members, used = _begin(points, tracks[: max(0, _MAX_MOVING - len(moving))])
    left = np.delete(points, used)
    rows = frozenset(moving) | frozenset(begun)
    return Tracks(
        points=_in_order(np.concatenate([left, followed, *_named(points, tracks, begun)])),
        begun=begun,
        members=members,
        moving=rows,
        crossed=_find_crossed(association, rows),
        ended_ids=ended_ids,
    )


def to_moving_triggers(tracks: Tracks, firsts: Sequence[Trigger]) -> list[Trigger]:
    """Return the events that tell moving objects; `firsts` as in `find_moving`."""
    by_source = {trigger.source: trigger for trigger in firsts}
    return [
        replace(
            by_source[source],
            kind="moving",
            certainty="certain",
            test=Test("track"),
            limit_jy_beam=None,
            time_limit=None,
            motion=motion,
            note=f"moves by {motion.rate_arcsec_s:.4g} arcsec/s towards position angle "
            f"{motion.direction_deg:.1f} deg: {motion.n_points} detections since "
            f"{motion.time_begin:%Y-%m-%dT%H:%M:%SZ}",
        )
        for source, motion in sorted(tracks.begun.items())
    ]


def describe_object(event: SourceEvent) -> str:
    """Return what was detected, for those who take its detections for sources.

    Parameters
    ----------
    event : SourceEvent
        That tells the moving object.
    """
    return (
        f"a detection of the moving object {event.trig_id}, at {event.ra:.4f} {event.dec:+.4f} "
        f"deg on {event.time_start:%Y-%m-%dT%H:%M:%SZ}, which {event.note}"
    )


def cite_members(
    tracks: Tracks, rows: RowArray, trig_ids: Mapping[int, str]
) -> dict[int, tuple[str, ...]]:
    """Return what the earlier detections of moving objects are announced as, the newest first.

    Parameters
    ----------
    tracks : Tracks
        Those that begin, with the sources that were the same object.
    rows : (n,) structured
        The candidates with the ids to store.
    trig_ids : mapping
        Identity of the first episode of a source, by its id.

    Returns
    -------
    dict
        By the id of the object.
    """
    return {
        int(rows["id"][row]): tuple(
            trig_ids[member] for member in sorted(members, reverse=True) if member in trig_ids
        )[:_MAX_CITED]
        for row, members in tracks.members.items()
    }


def _middle_s(timestep: Timestep) -> float | None:
    """Return the middle of the first exposure of a timestep [s since 1970]; None without one."""
    for record in timestep.records:
        if record.metadata is not None and record.verdict == "accepted":
            return _middle_of(record.metadata.time_start, record.metadata.exposure_s)
    return None


def _middle_of(time_start: datetime, exposure_s: float) -> float:
    return time_start.timestamp() + exposure_s / 2


def _points_of(tracks: RowArray, source_id: int) -> RowArray:
    """Return the points of a moving source, oldest first."""
    found: RowArray = tracks[tracks["track_id"] == source_id]
    return _in_order(found)


def _to_position(vectors: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return right ascension in [0, 360) and declination of unit vectors (n, 3) [deg]."""
    x, y, z = vectors.T
    ra = np.degrees(np.arctan2(y, x)) % 360.0
    return np.where(ra >= 360.0, 0.0, ra), np.degrees(np.arctan2(z, np.hypot(x, y)))


def _to_point(
    association: Association, image: AssociatedImage, detection: int, look: int
) -> RowArray:
    """Return a detection as a point of no track."""
    sources, metadata = image.record.sources, image.metadata
    systematic_deg = association.candidates.systematic_deg
    row = int(image.result.source[detection])
    source = association.candidates.sources[row]
    err_deg = np.hypot(sources.ra_err_deg[detection], sources.dec_err_deg[detection])
    point = np.zeros(1, TRACK_DTYPE)
    point["source_id"] = -1 - row if source["is_created"] else source["id"]
    point["look"] = look
    point["time_s"] = _middle_of(metadata.time_start, metadata.exposure_s)
    point["ra"], point["dec"] = sources.ra[detection] % 360.0, sources.dec[detection]
    err_deg = np.nan_to_num(err_deg, posinf=_ANYWHERE_DEG)
    point["err_deg"] = np.hypot(err_deg / np.sqrt(2), systematic_deg)
    return point


def _follow(
    association: Association, before: RowArray, look: int
) -> tuple[RowArray, list[int], list[int]]:
    """Return the points of moving sources, their rows, and those that are lost."""
    ids = association.candidates.sources["id"]
    is_created = association.candidates.sources["is_created"]
    kept, rows, ended = [NO_TRACKS], [], []
    for number in moving_ids(before):
        points = _points_of(before, number)
        found = np.flatnonzero((ids == number) & ~is_created)
        if found.size:
            row = int(found[0])
            rows.append(row)
            for image, detection in find_detections(association.images, found[:1])[row][:1]:
                point = _to_point(association, image, detection, look)
                point["track_id"] = number
                points = np.concatenate([points, point])[-_KEPT_POINTS:]
        if look - int(points["look"][-1]) > MAX_GAP_LOOKS:
            ended.append(number)
        else:
            kept.append(points)
    return np.concatenate(kept), rows, ended


def _keep_loose(
    association: Association, before: RowArray, look: int, settings: AssociateSettings
) -> RowArray:
    """Return the points of no track that are still of use, with new ones of the same sources."""
    loose = before[(before["track_id"] == 0) & (before["look"] > look - settings.moving_looks)]
    rows = association.candidates.sources
    again = rows["is_detected"] & ~rows["is_created"] & np.isin(rows["id"], loose["source_id"])
    added = [NO_TRACKS]
    for row, detections in find_detections(association.images, np.flatnonzero(again)).items():
        first = loose[loose["source_id"] == rows["id"][row]][:1]
        for image, detection in detections[:1]:
            point = _to_point(association, image, detection, look)
            if _distance_sigma(first, point) > _MOVED_SIGMA:
                added.append(point)
            elif look - int(first["look"][0]) >= _STATIONARY_LOOKS:
                loose = loose[loose["source_id"] != rows["id"][row]]
    return np.concatenate([loose, *added])


def _distance_sigma(one: RowArray, other: RowArray) -> float:
    """Return how far two points are from each other [sigma]."""
    chord = np.linalg.norm(
        to_unit_vectors(one["ra"], one["dec"]) - to_unit_vectors(other["ra"], other["dec"])
    )
    return float(np.degrees(chord) / np.hypot(one["err_deg"][0], other["err_deg"][0]))


def _to_points(association: Association, firsts: Sequence[Trigger], look: int) -> RowArray:
    """Return first detections as points, those of the highest S/N."""
    chosen = sorted(firsts, key=lambda trigger: (-trigger.snr, trigger.source))[:_MAX_PER_LOOK]
    return np.concatenate(
        [
            NO_TRACKS,
            *(_to_point(association, each.image, each.detection, look) for each in chosen),
        ]
    )


def _find(
    association: Association, points: RowArray, look: int, settings: AssociateSettings
) -> list[IntArray]:
    is_end = (points["look"] == look) & (points["source_id"] < 0)
    if not np.any(is_end):
        return []
    radius_deg = max(image.metadata.field_radius_deg for image in association.images)
    limits = TrackLimits(
        min_points=settings.moving_min_points,
        chance=settings.moving_chance,
        n_looks=look - int(points["look"].min()) + 1,
        field_deg2=_find_area_deg2(points, radius_deg),
    )
    return find_tracks(points, is_end, limits)


def _find_area_deg2(points: RowArray, radius_deg: float) -> float:
    """Return the area where unrelated detections are: a field, or where most of many are."""
    if points.size >= _MANY_POINTS:
        vectors = to_unit_vectors(points["ra"], points["dec"]).T
        middle = np.mean(vectors, axis=0)
        cosine = vectors @ middle / max(float(np.linalg.norm(middle)), 1e-9)
        half_deg = float(np.degrees(np.arccos(np.clip(np.median(cosine), -1.0, 1.0))))
        radius_deg = min(radius_deg, max(np.sqrt(2) * half_deg, 1e-3))
    return float(_SKY_DEG2 * np.sin(np.radians(min(radius_deg, 90.0)) / 2) ** 2)


def _begin(
    points: RowArray, tracks: Sequence[IntArray]
) -> tuple[dict[int, Motion], dict[int, frozenset[int]], list[int]]:
    """Return the motions and the earlier sources of tracks, and the points that they use."""
    begun, members, used = {}, {}, []
    for track in tracks:
        chosen = points[track]
        row = -1 - int(chosen["source_id"][-1])
        begun[row] = _to_motion(chosen)
        earlier = frozenset(int(each) for each in chosen["source_id"][:-1] if each > 0)
        members[row] = earlier
        used.extend(track.tolist())
        used.extend(np.flatnonzero(np.isin(points["source_id"], list(earlier))).tolist())
    return begun, members, sorted(set(used))


def _named(
    points: RowArray, tracks: Sequence[IntArray], begun: Mapping[int, Motion]
) -> list[RowArray]:
    """Return the last points of new tracks with the source of the object."""
    named = []
    for track in tracks:
        chosen = points[track][-_KEPT_POINTS:].copy()
        chosen["track_id"] = chosen["source_id"][-1]
        if -1 - int(chosen["track_id"][-1]) in begun:
            named.append(chosen)
    return named


def _to_motion(track: RowArray) -> Motion:
    """Return the motion from the first point of a track to its last."""
    first, last = track[:1], track[-1:]
    span_s = float(last["time_s"][0] - first["time_s"][0])
    _, _, angle_deg = predict(first, last, last["time_s"])
    east, north = tangent_offsets(last["ra"], last["dec"], first["ra"], first["dec"])
    err_deg = float(np.hypot(first["err_deg"][0], last["err_deg"][0]))
    return Motion(
        rate_arcsec_s=3600 * float(angle_deg[0]) / span_s,
        rate_err_arcsec_s=3600 * err_deg / span_s,
        direction_deg=float(np.degrees(np.arctan2(-east[0], -north[0])) % 360.0),
        n_points=track.size,
        time_begin=datetime.fromtimestamp(0, UTC) + timedelta(seconds=float(first["time_s"][0])),
    )


def _find_crossed(association: Association, moving: frozenset[int]) -> frozenset[int]:
    """Return other sources with a detection that may be one of a moving object."""
    if not moving:
        return frozenset()
    rows = association.candidates.sources
    index = np.array(sorted(moving), np.int64)
    there = to_unit_vectors(rows["ra"][index], rows["dec"][index]).T
    crossed: set[int] = set()
    for image in association.images:
        sources, touched = image.record.sources, image.result.touched
        if not touched.source.size:
            continue
        here = to_unit_vectors(sources.ra[touched.detection], sources.dec[touched.detection]).T
        chord = np.linalg.norm(here[:, None, :] - there[None, :, :], axis=2)
        limit = np.radians(_CROSSING_BEAMS * image.metadata.beam_major_deg)
        crossed.update(touched.source[np.min(chord, axis=1) <= limit].tolist())
    return frozenset(crossed - moving)


def _in_order(points: RowArray) -> RowArray:
    """Return points in the order of their looks."""
    ordered: RowArray = points[np.argsort(points["look"], kind="stable")]
    return ordered
