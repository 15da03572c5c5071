"""What a timestep writes: sources, statistics, measurements."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from services.associate.models import RowArray
from services.associate.steps.candidate_sources import CandidateSources
from services.associate.steps.triggers import AssociatedImage
from services.associate.storage import Catalogue
from sky.geometry import tangent_offsets, zone_of

__all__ = ["write_rows"]

Column = npt.NDArray[np.generic] | None

_SOURCE_COLUMNS = (
    "id", "stream_id", "parent_source_id", "zone", "search_ra", "search_dec", "ra", "dec",
    "weight_ra", "weight_dec", "n_datapoints", "eta", "v", "first_image_key",
    "first_source_number",
    "first_time_start", "last_time_start", "is_new", "is_variable",
)  # fmt: skip
_MEASURED_COLUMNS = (
    "ra", "dec", "ra_err_deg", "dec_err_deg", "flux_peak_jy_beam", "flux_peak_err_jy_beam",
    "flux_int_jy", "flux_int_err_jy", "snr", "rms_local_jy_beam", "major_arcsec", "minor_arcsec",
    "pa_deg", "quality_flags",
)  # fmt: skip
_DETECTION_COLUMNS = (
    "stream_id", "image_key", "source_number", "time_start", "source_id", "band_id", "stokes",
    "extraction_type", "de_ruiter_radius", *_MEASURED_COLUMNS,
)  # fmt: skip
_SHARED_COLUMNS = ("source_id", "time_start", "image_key", "source_number", "de_ruiter_radius")


async def write_rows(
    catalogue: Catalogue,
    candidates: CandidateSources,
    images: Sequence[AssociatedImage],
    *,
    stream_id: int,
    drift_limit_deg: float,
) -> None:
    """Write what association made of the images; every source has its id by now."""
    times = {image.id: image.metadata.time_start for image in images}
    eta, v = candidates.variability()
    rows = candidates.sources
    await catalogue.copy_rows(
        "source", _SOURCE_COLUMNS, _created(rows, eta.tolist(), v.tolist(), stream_id, times)
    )
    known = rows["is_touched"] & ~rows["is_created"]
    if np.any(known):
        await catalogue.update_sources(
            rows[known], eta=eta[known], v=v[known], time_start=max(times.values())
        )
    if np.any(flagged := known & rows["is_flagged"]):
        await catalogue.flag_sources(rows[flagged])
    drifted = _drifted(rows[known], drift_limit_deg)
    if drifted.size:
        await catalogue.move_sources(drifted, zone=zone_of(drifted["search_dec"]).tolist())
    for key, (table, is_known) in candidates.changed_statistics().items():
        await catalogue.write_statistics(key, table, is_known=is_known)
    ids = rows["id"]
    for image in images:
        groups = list(_measured(image, ids, stream_id))
        await catalogue.copy_columns("detection", _DETECTION_COLUMNS, groups)
        await catalogue.copy_rows("shared_detection", _SHARED_COLUMNS, _shared(image, ids))


def _drifted(rows: RowArray, limit_deg: float) -> RowArray:
    """Return the rows that are far from their search positions, with new ones.

    Search positions are indexed: they move only when they must, so that updates stay HOT.
    """
    east, north = tangent_offsets(rows["search_ra"], rows["search_dec"], rows["ra"], rows["dec"])
    drifted = rows[np.hypot(east, north) > limit_deg]
    drifted["search_ra"], drifted["search_dec"] = drifted["ra"], drifted["dec"]
    return drifted


def _created(
    rows: RowArray,
    eta: list[float],
    v: list[float],
    stream_id: int,
    times: dict[int, datetime],
) -> Iterator[tuple[object, ...]]:
    zone = zone_of(rows["search_dec"]).tolist()
    for index in np.nonzero(rows["is_created"])[0]:
        row = rows[index]
        time_start = times[int(row["first_image_key"])]
        yield (
            int(row["id"]),
            stream_id,
            int(rows["id"][row["parent"]]) if row["parent"] >= 0 else None,
            zone[index],
            float(row["search_ra"]),
            float(row["search_dec"]),
            float(row["ra"]),
            float(row["dec"]),
            float(row["weight_ra"]),
            float(row["weight_dec"]),
            int(row["n_datapoints"]),
            eta[index],
            v[index],
            int(row["first_image_key"]),
            int(row["first_number"]),
            time_start,
            max(times.values()),
            bool(row["is_new"]),
            bool(row["is_variable"]),
        )


def _measured(image: AssociatedImage, ids: RowArray, stream_id: int) -> Iterator[list[Column]]:
    """Return the columns of table `detection`: of what created a source, and of what matched."""
    result, sources = image.result, image.record.sources
    band_id, stokes = image.key
    time_start = image.metadata.time_start.astimezone(UTC).replace(tzinfo=None)
    founds = np.isnan(result.radius)
    for number, has_radius in ((np.flatnonzero(founds), False), (np.flatnonzero(~founds), True)):
        n = number.size
        yield [
            np.full(n, stream_id, np.int32),
            np.full(n, image.id),
            number.astype(np.int32),
            np.full(n, np.datetime64(time_start, "us")),
            ids[result.source[number]],
            np.full(n, band_id, np.int32),
            np.full(n, stokes.encode()),
            np.full(n, b"blind"),
            result.radius[number] if has_radius else None,
            *[getattr(sources, name)[number] for name in _MEASURED_COLUMNS],
        ]


def _shared(image: AssociatedImage, ids: RowArray) -> Iterator[tuple[object, ...]]:
    shared = image.result.shared
    n = shared.source.size
    return zip(
        ids[shared.source].tolist(),
        [image.metadata.time_start] * n,
        [image.id] * n,
        shared.detection.tolist(),
        shared.de_ruiter_radius.tolist(),
        strict=True,
    )
