"""Detections as points of tracks: those of moving objects, and those that may be of one."""

from datetime import datetime

import numpy as np

from services.associate.models.catalogue import TRACK_DTYPE, RowArray
from services.associate.steps.association import Association
from services.associate.steps.triggers import AssociatedImage

__all__ = ["in_order", "middle_of", "moving_ids", "points_of", "to_point"]

# Error of a position that a fit could not constrain [deg].
_ANYWHERE_DEG = 180.0


def moving_ids(tracks: RowArray) -> list[int]:
    """Return the sources that move."""
    return sorted(set(tracks["track_id"][tracks["track_id"] > 0].tolist()))


def points_of(tracks: RowArray, source_id: int) -> RowArray:
    """Return the points of a moving source, oldest first."""
    found: RowArray = tracks[tracks["track_id"] == source_id]
    return in_order(found)


def in_order(points: RowArray) -> RowArray:
    """Return points in the order of their looks."""
    ordered: RowArray = points[np.argsort(points["look"], kind="stable")]
    return ordered


def middle_of(time_start: datetime, exposure_s: float) -> float:
    """Return the middle of an exposure [s since 1970]."""
    return time_start.timestamp() + exposure_s / 2


def to_point(
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
    point["time_s"] = middle_of(metadata.time_start, metadata.exposure_s)
    point["ra"], point["dec"] = sources.ra[detection] % 360.0, sources.dec[detection]
    err_deg = np.nan_to_num(err_deg, posinf=_ANYWHERE_DEG)
    point["err_deg"] = np.hypot(err_deg / np.sqrt(2), systematic_deg)
    return point
