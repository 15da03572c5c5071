"""Moving objects of a timestep: those that are followed, and those that are found."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np

from runtime.settings import AssociateSettings
from schemas.messages import IntArray
from services.associate.models.catalogue import NO_TRACKS, RowArray
from services.associate.models.tracks import Motion, Tracks
from services.associate.steps.association import Association
from services.associate.steps.moving_points import in_order, moving_ids, points_of, to_point
from services.associate.steps.tracks import MAX_GAP_LOOKS, TrackLimits, find_tracks, predict
from services.associate.steps.triggers import Trigger, find_detections
from sky.geometry import tangent_offsets, to_unit_vectors

__all__ = ["find_moving"]

# Detections of a moving object that say where it is expected; other detections of a timestep that
# may belong to one, those of the highest S/N.
_KEPT_POINTS = 4
# Two points are a motion; a third one says that it is constant.
_LEAST_POINTS = 3
_MAX_PER_LOOK = 24
_MAX_MOVING = 64
# A source that is seen again so many looks later without having moved does not.
_STATIONARY_LOOKS = 3
_MOVED_SIGMA = 3.0
# So many say where false ones are: around a bright source, or all over the field.
_MANY_POINTS = 16
_SKY_DEG2 = 41252.96
# Detections this close to a moving object may be its [beam major axes].
_CROSSING_BEAMS = 1.5


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
        points=in_order(np.concatenate([left, followed, *_named(points, tracks, begun)])),
        begun=begun,
        members=members,
        moving=rows,
        crossed=_find_crossed(association, rows),
        ended_ids=ended_ids,
    )


def _follow(
    association: Association, before: RowArray, look: int
) -> tuple[RowArray, list[int], list[int]]:
    """Return the points of moving sources, their rows, and those that are lost."""
    ids = association.candidates.sources["id"]
    is_created = association.candidates.sources["is_created"]
    kept, rows, ended = [NO_TRACKS], [], []
    for number in moving_ids(before):
        points = points_of(before, number)
        found = np.flatnonzero((ids == number) & ~is_created)
        if found.size:
            row = int(found[0])
            rows.append(row)
            for image, detection in find_detections(association.images, found[:1])[row][:1]:
                point = to_point(association, image, detection, look)
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
            point = to_point(association, image, detection, look)
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
            *(to_point(association, each.image, each.detection, look) for each in chosen),
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
