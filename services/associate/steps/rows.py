"""The rows of sources, statistics and measurements that a timestep writes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from schemas.messages import BoolArray, FloatArray
from services.associate.models.catalogue import RowArray
from services.associate.models.decisions import Columns, DetectionRows, SourceRows
from services.associate.models.waiting import MEASURED_COLUMNS
from services.associate.steps.candidate_sources import CandidateSources
from services.associate.steps.triggers import AssociatedImage
from sky.geometry import tangent_offsets, zone_of
from sky.row_arrays import take_rows

__all__ = ["FLAG_COLUMNS", "FinalSources", "to_source_rows"]

# How far a source may drift from its search position before that is rewritten.
DRIFT_LIMIT_DEG = 10 / 3600
_AS_IN_CANDIDATES = (
    "id", "search_ra", "search_dec", "ra", "dec", "weight_ra", "weight_dec", "n_datapoints",
    "n_forced", "first_image_key", "first_source_number", "is_new", "is_variable", "activity",
    "n_quiet", "n_quiet_needed", "n_episodes",
)  # fmt: skip
FLAG_COLUMNS = (
    "id", "is_new", "is_variable", "activity", "n_quiet", "n_quiet_needed", "n_episodes",
)  # fmt: skip
_UPDATED = ("id", "ra", "dec", "weight_ra", "weight_dec", "n_datapoints")


@dataclass(frozen=True, slots=True)
class FinalSources:
    """The candidates of a timestep with everything that is decided about them.

    Parameters
    ----------
    rows : (n,) structured
        As `CandidateSources.sources`, with the ids, keys and flags to store.
    eta, v : (n,) float64
        Variability [-].
    is_flagged : (n,) bool
        Known sources whose flags or episodes changed.
    is_ended : (n,) bool
        Sources whose episode ends.
    """

    rows: RowArray
    eta: FloatArray
    v: FloatArray
    is_flagged: BoolArray
    is_ended: BoolArray


def to_source_rows(
    candidates: CandidateSources,
    final: FinalSources,
    images: Sequence[AssociatedImage],
    *,
    stream_id: int,
    image_keys: Sequence[int],
) -> SourceRows:
    """Return the rows that follow from an association.

    Parameters
    ----------
    candidates : CandidateSources
        After association.
    final : FinalSources
        Its sources.
    images : sequence of AssociatedImage
        The accepted images of the timestep.
    image_keys : sequence of int
        Keys of the timestep's images, by number.
    """
    rows, ids = final.rows, final.rows["id"]
    known = rows["is_detected"] & ~rows["is_created"]
    flagged = take_rows(rows, known & final.is_flagged)
    updated = take_rows(rows, known)
    return SourceRows(
        created=list(_created(final, stream_id, images)),
        updated=_updated(updated, final.eta[known], final.v[known]),
        flagged=_columns(flagged, FLAG_COLUMNS),
        moved=_moved(updated),
        last_time_start=max((image.metadata.time_start for image in images), default=None),
        statistics=[each for each in candidates.changed_statistics(ids) if each.rows.size],
        detections=[
            _detected(image, ids, image_keys[image.number])
            for image in images
            if image.result.source.size
        ],
        shared=[
            _shared(image, ids, image_keys[image.number])
            for image in images
            if image.result.shared.source.size
        ],
    )


def _columns(rows: RowArray, names: Sequence[str]) -> Columns | None:
    return {name: rows[name] for name in names} if rows.size else None


def _updated(rows: RowArray, eta: FloatArray, v: FloatArray) -> Columns | None:
    columns = _columns(rows, _UPDATED)
    return None if columns is None else {**columns, "eta": eta, "v": v}


def _moved(rows: RowArray) -> Columns | None:
    """Return the sources that are far from their search positions, with new ones.

    Search positions are indexed: they move only when they must, so that updates stay HOT.
    """
    rows = take_rows(rows, _may_have_drifted(rows))
    if not rows.size:
        return None
    east, north = tangent_offsets(rows["search_ra"], rows["search_dec"], rows["ra"], rows["dec"])
    drifted = rows[np.hypot(east, north) > DRIFT_LIMIT_DEG]
    if not drifted.size:
        return None
    return {
        "id": drifted["id"],
        "search_ra": drifted["ra"],
        "search_dec": drifted["dec"],
        "zone": zone_of(drifted["dec"]),
    }


def _may_have_drifted(rows: RowArray) -> BoolArray:
    """Return which sources are not surely near: differences of coordinates bound the distance."""
    coordinates = np.hypot(rows["ra"] - rows["search_ra"], rows["dec"] - rows["search_dec"])
    return np.asarray(coordinates > 0.99 * DRIFT_LIMIT_DEG, np.bool_)


def _created(
    final: FinalSources, stream_id: int, images: Sequence[AssociatedImage]
) -> Iterator[Columns]:
    """Return the columns of the created sources: of those without a parent, and of splits."""
    rows = final.rows
    starts = {image.number: _to_datetime64(image.metadata.time_start) for image in images}
    for has_parent in (False, True):
        index = np.flatnonzero(rows["is_created"] & ((rows["parent"] >= 0) == has_parent))
        if not index.size:
            continue
        created = take_rows(rows, index)
        yield {
            **{name: created[name] for name in _AS_IN_CANDIDATES},
            "stream_id": np.full(index.size, stream_id, np.int32),
            "parent_source_id": rows["id"][created["parent"]] if has_parent else None,
            "zone": zone_of(created["search_dec"]).astype(np.int16),
            "eta": final.eta[index],
            "v": final.v[index],
            "first_time_start": np.array([starts[number] for number in created["image"].tolist()]),
            "last_time_start": np.full(index.size, max(starts.values())),
        }


def _detected(image: AssociatedImage, ids: RowArray, image_key: int) -> DetectionRows:
    """Return the rows of table `detection`, by source: its index then grows leaf by leaf."""
    result, sources = image.result, image.record.sources
    source_id = ids[result.source]
    order = np.argsort(source_id, kind="stable")
    return DetectionRows(
        image_key,
        image.key,
        image.metadata.time_start,
        {
            "source_id": source_id[order],
            "source_number": order.astype(np.int32),
            "de_ruiter_radius": result.radius[order],
            **{name: getattr(sources, name)[order] for name in MEASURED_COLUMNS},
        },
    )


def _shared(image: AssociatedImage, ids: RowArray, image_key: int) -> DetectionRows:
    """Return the rows of table `shared_detection`."""
    shared = image.result.shared
    return DetectionRows(
        image_key,
        image.key,
        image.metadata.time_start,
        {
            "source_id": ids[shared.source],
            "source_number": shared.detection.astype(np.int32),
            "de_ruiter_radius": shared.de_ruiter_radius,
        },
    )


def _to_datetime64(time: datetime) -> np.datetime64:
    return np.datetime64(time.astimezone(UTC).replace(tzinfo=None), "us")
