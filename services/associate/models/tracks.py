"""Detections that may belong to moving objects, and the motion of those that do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from services.associate.models.catalogue import NO_TRACKS, RowArray

__all__ = ["MOVES", "Motion", "TrackRows", "Tracks", "to_track_rows"]

# `activity` of a source that moves: it is matched where it is expected, and no test tells it.
MOVES = 3


@dataclass(frozen=True, slots=True)
class Motion:
    """Motion along a great circle at a constant rate.

    Parameters
    ----------
    rate_arcsec_s, rate_err_arcsec_s : float
        Angular rate and its error, 1 sigma [arcsec/s].
    direction_deg : float
        Position angle at the last detection, north through east [deg].
    n_points : int
        Detections that it rests on [-].
    time_begin : datetime
        Middle of the exposure of the first of them.
    """

    rate_arcsec_s: float
    rate_err_arcsec_s: float
    direction_deg: float
    n_points: int
    time_begin: datetime


@dataclass(frozen=True, slots=True)
class Tracks:
    """What a timestep says of moving objects; rows are those of the candidates.

    Parameters
    ----------
    points : (n,) structured, `TRACK_DTYPE`
        What the next timestep starts from; `source_id` and `track_id` of a created source are
        ``-1 - row``.
    begun : mapping
        Motion of the objects that are announced now, by the row of the source.
    members : mapping
        Sources that were the same object before, by the row of the source.
    moving : frozenset of int
        Rows of the sources that move.
    crossed : frozenset of int
        Rows of other sources whose detection may be one of those.
    ended_ids : sequence of int
        Moving sources that are followed no longer.
    """

    points: RowArray = field(default_factory=NO_TRACKS.copy)
    begun: Mapping[int, Motion] = field(default_factory=dict)
    members: Mapping[int, frozenset[int]] = field(default_factory=dict)
    moving: frozenset[int] = frozenset()
    crossed: frozenset[int] = frozenset()
    ended_ids: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class TrackRows:
    """What a timestep stores of moving objects.

    Parameters
    ----------
    look : int
        Number of the timestep.
    points : (n,) structured, `TRACK_DTYPE`
        What the next timestep starts from.
    retracted : mapping
        Reason by the id of a source whose first event is taken back now.
    ended_ids : sequence of int
        Moving sources that are followed no longer.
    """

    look: int
    points: RowArray
    retracted: Mapping[int, str] = field(default_factory=dict)
    ended_ids: Sequence[int] = ()


def to_track_rows(
    tracks: Tracks, rows: RowArray, *, look: int, retracted: Mapping[int, str]
) -> TrackRows:
    """Return what is stored, with the ids of the created sources; `rows` are the candidates."""
    points = tracks.points.copy()
    for name in ("source_id", "track_id"):
        created = points[name] < 0
        points[name][created] = rows["id"][-1 - points[name][created]]
    return TrackRows(look, points, retracted, tracks.ended_ids)
