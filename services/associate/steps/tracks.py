"""Link detections to tracks: positions that move along a great circle at a constant rate.

Detections of a timestep are the ends of tracks; every pair with an earlier detection is a motion,
and a third one before decides whether it is constant (the tracklets of MOPS, Kubica et al. 2007,
Icarus 189, 151, with three images instead of three nights). How many tracks chance would make of
as many unrelated detections decides how many more a track needs.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from schemas.messages import BoolArray, FloatArray, IntArray
from services.associate.models.catalogue import RowArray
from sky.geometry import to_unit_vectors

__all__ = ["MAX_GAP_LOOKS", "TrackLimits", "find_tracks", "predict"]

# Successive detections of a track are at most so many looks apart.
MAX_GAP_LOOKS = 3
# A detection belongs to a track that expects it as close as this [sigma].
_LIMIT_SIGMA = 4.0
# How much a rate may differ from a constant one [of the angle moved].
_RATE_TOLERANCE = 0.02
# Positions closer than this have not moved [sigma].
_LEAST_MOVE_SIGMA = 3.0
_LARGEST_MOVE_DEG = 20.0
# The slowest triples of a timestep are extended: they are the least probable by chance.
_MAX_TRIPLES = 16


@dataclass(frozen=True, slots=True)
class TrackLimits:
    """What makes a track.

    Parameters
    ----------
    min_points : int
        Detections at least [-].
    chance : float
        Tracks that unrelated detections may make in a timestep [-].
    n_looks : int
        Timesteps that the detections come from [-].
    field_deg2 : float
        Area that is observed [deg^2].
    """

    min_points: int
    chance: float
    n_looks: int
    field_deg2: float


def predict(
    first: RowArray, last: RowArray, time_s: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return where motions through two detections are at a time.

    Parameters
    ----------
    first, last : (n,) structured, `TRACK_DTYPE`
        Two detections of each motion, at different times.
    time_s : (n,) float64
        When [s since 1970].

    Returns
    -------
    vectors : (n, 3) float64
        Unit vectors of the positions.
    err_deg : (n,) float64
        Errors, 1 sigma, with the part of the angle by which the rate may have changed [deg].
    angle_deg : (n,) float64
        Angles between the two detections [deg].
    """
    motions = _to_motions(
        first,
        last,
        to_unit_vectors(first["ra"], first["dec"]).T,
        to_unit_vectors(last["ra"], last["dec"]).T,
    )
    vectors, err_deg = motions.at(time_s)
    return vectors, err_deg, np.degrees(motions.angle)


@dataclass(frozen=True, slots=True)
class _Motions:
    """Motions through two detections each; (n,), unit vectors (n, 3).

    `end` is the position of the last one, `ahead` the direction of the motion there, `angle` how
    far the two are apart [rad].
    """

    first: RowArray
    last: RowArray
    end: FloatArray
    ahead: FloatArray
    angle: FloatArray

    def at(self, time_s: FloatArray | float) -> tuple[FloatArray, FloatArray]:
        """Return the positions at a time, and their errors [deg]."""
        span_s = self.last["time_s"] - self.first["time_s"]
        part = (time_s - self.first["time_s"]) / span_s
        turn = ((part - 1) * self.angle)[:, None]
        beyond = np.maximum(np.maximum(part - 1, -part), 0.0)
        err_deg = np.sqrt(
            (part * self.last["err_deg"]) ** 2
            + ((1 - part) * self.first["err_deg"]) ** 2
            + (_RATE_TOLERANCE * np.degrees(beyond * self.angle)) ** 2
        )
        return self.end * np.cos(turn) + self.ahead * np.sin(turn), err_deg


def _to_motions(first: RowArray, last: RowArray, start: FloatArray, end: FloatArray) -> _Motions:
    """Return the motions through detections, (n,) each, at unit vectors (n, 3)."""
    chord = end - start
    ahead = chord - end * np.sum(end * chord, axis=1)[:, None]
    sine = np.sqrt(np.sum(ahead * ahead, axis=1))
    angle = np.arctan2(sine, np.sum(start * end, axis=1))
    ahead /= np.where(sine > 0, sine, 1.0)[:, None]
    return _Motions(first, last, end, ahead, angle)


def find_tracks(points: RowArray, is_end: BoolArray, limits: TrackLimits) -> list[IntArray]:
    """Return the tracks that end with some detections, each detection in one of them at most.

    Parameters
    ----------
    points : (n,) structured, `TRACK_DTYPE`
        Detections that belong to no track yet.
    is_end : (n,) bool
        Those of this timestep that a track may end with.
    limits : TrackLimits
        What makes a track.

    Returns
    -------
    list of (k,) int64
        Numbers of the detections of each track, oldest first; the least probable track first.
    """
    triples = _find_triples(points, is_end)
    found = []
    for triple in triples:
        track = _extend(points, triple)
        chance = _chance_of(points, track, limits)
        if track.size >= limits.min_points and chance <= limits.chance:
            found.append((chance, track))
    return _without_common(found)


def _find_pairs(
    points: RowArray, vectors: FloatArray, is_second: BoolArray
) -> tuple[IntArray, IntArray]:
    """Return pairs of detections of which the second may follow the first in a track."""
    second = np.flatnonzero(is_second)
    gap = points["look"][second][None, :] - points["look"][:, None]
    first, column = np.nonzero((gap > 0) & (gap <= MAX_GAP_LOOKS))
    second = second[column]
    chord = np.linalg.norm(vectors[first] - vectors[second], axis=1)
    angle_deg = np.degrees(2 * np.arcsin(np.minimum(chord / 2, 1.0)))
    least_deg = _LEAST_MOVE_SIGMA * np.hypot(points["err_deg"][first], points["err_deg"][second])
    kept = (angle_deg >= least_deg) & (angle_deg <= _LARGEST_MOVE_DEG)
    kept &= points["time_s"][second] > points["time_s"][first]
    return first[kept], second[kept]


def _find_triples(points: RowArray, is_end: BoolArray) -> IntArray:
    """Return (k, 3) detections at a constant rate, the slowest first, at most `_MAX_TRIPLES`."""
    vectors = to_unit_vectors(points["ra"], points["dec"]).T
    middle, end = _find_pairs(points, vectors, is_end)
    is_middle = np.zeros(points.size, np.bool_)
    is_middle[middle] = True
    start, second = _find_pairs(points, vectors, is_middle)
    motions = _to_motions(points[start], points[second], vectors[start], vectors[second])
    may_end = np.zeros((points.size, points.size), np.bool_)
    may_end[middle, end] = True
    triples, rates = [np.empty((0, 3), np.int64)], [np.empty(0)]
    for time_s in np.unique(points["time_s"][end]).tolist():
        ends = np.unique(end[points["time_s"][end] == time_s])
        expected, err_deg = motions.at(time_s)
        limit = np.radians(_LIMIT_SIGMA * np.hypot(err_deg[:, None], points["err_deg"][ends]))
        is_there = 2 * (1 - expected @ vectors[ends].T) <= limit**2
        pair, column = np.nonzero(is_there & may_end[second][:, ends])
        triples.append(np.stack([start[pair], second[pair], ends[column]], axis=1))
        span_s = points["time_s"][second[pair]] - points["time_s"][start[pair]]
        rates.append(motions.angle[pair] / span_s)
    slowest = np.argsort(np.concatenate(rates), kind="stable")[:_MAX_TRIPLES]
    return np.asarray(np.concatenate(triples)[slowest], np.int64)


def _residuals(
    points: RowArray, first: IntArray, last: IntArray, other: IntArray
) -> tuple[FloatArray, FloatArray]:
    """Return how far detections are from where motions expect them [sigma], and their angles."""
    expected, err_deg, angle_deg = predict(points[first], points[last], points["time_s"][other])
    there = to_unit_vectors(points["ra"][other], points["dec"][other]).T
    distance_deg = np.degrees(np.linalg.norm(there - expected, axis=1))
    return distance_deg / np.hypot(err_deg, points["err_deg"][other]), angle_deg


def _extend(points: RowArray, triple: IntArray) -> IntArray:
    """Return a track with the earlier detections that it expects, oldest first."""
    track = triple
    while True:
        gap = points["look"][track[0]] - points["look"]
        others = np.flatnonzero((gap > 0) & (gap <= MAX_GAP_LOOKS))
        if not others.size:
            return track
        first, last = np.full(others.size, track[0]), np.full(others.size, track[-1])
        sigma, _ = _residuals(points, first, last, others)
        fits = sigma <= _LIMIT_SIGMA
        if not np.any(fits):
            return track
        others, sigma = others[fits], sigma[fits]
        nearest = others[np.lexsort((sigma, gap[others]))[0]]
        track = np.concatenate([[nearest], track])


def _chance_of(points: RowArray, track: IntArray, limits: TrackLimits) -> float:
    """Return how many tracks as slow and as long unrelated detections make in a timestep.

    Of n detections a look, 3 n may come before each; two of them make a motion as slow as this
    where the second is within the distance moved, and each further one must be where the track
    expects it.
    """
    n_other = (points.size - track.size + 1) / limits.n_looks
    n_before = MAX_GAP_LOOKS * n_other
    first, last = points[track[:1]], points[track[-1:]]
    moved_deg = predict(first, last, last["time_s"])[2][0]
    span_s = float(last["time_s"][0] - first["time_s"][0])
    step_s = float(last["time_s"][0] - points["time_s"][track[-2]])
    radius_deg = moved_deg * step_s / span_s
    chance = n_other * n_before * min(1.0, math.pi * radius_deg**2 / limits.field_deg2)
    pair = track[-2:]
    for each in track[-3::-1].tolist():
        _, err_deg, _ = predict(points[pair[:1]], points[pair[1:]], points["time_s"][[each]])
        sigma_deg = math.hypot(err_deg[0], points["err_deg"][each])
        area_deg2 = math.pi * (_LIMIT_SIGMA * sigma_deg) ** 2
        chance *= n_before * min(1.0, area_deg2 / limits.field_deg2)
        pair = np.array([each, track[-1]])
    return float(chance)


def _without_common(found: Iterable[tuple[float, IntArray]]) -> list[IntArray]:
    """Return tracks without common detections, the least probable by chance first."""
    used: set[int] = set()
    kept = []
    for _, track in sorted(found, key=lambda each: (each[0], each[1].tolist())):
        if used.isdisjoint(track.tolist()):
            used.update(track.tolist())
            kept.append(track)
    return kept
