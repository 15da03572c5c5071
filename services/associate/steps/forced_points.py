"""Forced measurements in the light curves of their sources: they count as blind ones do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from runtime.settings import AssociateSettings
from schemas.messages import BoolArray, FloatArray, ForcedMeasurements, SourceColumns
from services.associate.models.catalogue import (
    FIRST_FORCED_NUMBER,
    ChannelKey,
    MeasuredImage,
    RowArray,
)
from services.associate.models.changes import SourceLooks
from services.associate.models.decisions import ForcedOutcome
from services.associate.steps.candidate_sources import CandidateSources
from services.associate.steps.change_tests import to_limits
from services.associate.steps.coverage import metadata_of
from services.associate.steps.episodes import find_changes, follow_activity, start_episodes
from services.associate.steps.events import EventBuilder
from services.associate.steps.image_result import ImageResult
from services.associate.steps.matching import Links
from services.associate.steps.rows import FLAG_COLUMNS
from services.associate.steps.triggers import AssociatedImage, Trigger

__all__ = ["CountedPoints", "count_points", "decide_forced", "with_points"]


@dataclass(frozen=True, slots=True)
class CountedPoints:
    """Forced points of an image, counted: what to ask before deciding.

    Parameters
    ----------
    candidates : CandidateSources
        The sources of the points, points included.
    images : sequence of AssociatedImage
        The image, once for every time that a source comes; most come once.
    changes : sequence of Trigger
        Episodes that begin.
    """

    candidates: CandidateSources
    images: Sequence[AssociatedImage]
    changes: Sequence[Trigger]


def with_points(image: MeasuredImage, result: ForcedMeasurements) -> MeasuredImage:
    """Return an image with the forced points of a result as its sources; errors of positions 0."""
    columns, metadata = result.measurements, metadata_of(image.record)
    n = columns.ra.size
    zero = np.zeros(n)
    points = SourceColumns(
        ra=columns.ra,
        dec=columns.dec,
        ra_err_deg=zero,
        dec_err_deg=zero,
        flux_peak_jy_beam=columns.flux_peak_jy_beam,
        flux_peak_err_jy_beam=columns.flux_peak_err_jy_beam,
        flux_int_jy=columns.flux_peak_jy_beam,
        flux_int_err_jy=columns.flux_peak_err_jy_beam,
        snr=_divide(columns.flux_peak_jy_beam, columns.rms_local_jy_beam),
        rms_local_jy_beam=columns.rms_local_jy_beam,
        major_arcsec=np.full(n, 3600 * metadata.beam_major_deg),
        minor_arcsec=np.full(n, 3600 * metadata.beam_minor_deg),
        pa_deg=np.full(n, metadata.beam_pa_deg),
        quality_flags=np.zeros(n, np.int64),
    )
    record = replace(image.record, stream=result.stream, sources=points)
    return replace(image, record=record)


def _divide(flux: FloatArray, rms: FloatArray) -> FloatArray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(flux / rms, np.float64)


def count_points(
    image: MeasuredImage,
    result: ForcedMeasurements,
    is_stored: BoolArray,
    sources: RowArray,
    statistics: Mapping[ChannelKey, RowArray],
    settings: AssociateSettings,
) -> CountedPoints:
    """Add the forced points that were just stored to the light curves of their sources.

    Parameters
    ----------
    image : MeasuredImage
        As `with_points` returns it.
    result : ForcedMeasurements
        The result of a request.
    is_stored : (n,) bool
        Which of its points were stored: each counts once.
    sources : (k,) structured, `SOURCE_DTYPE`
        The sources of these points in ascending order of id.
    statistics : mapping of structured, `STATISTICS_DTYPE`
        Of those sources, by band and Stokes parameter.
    settings : AssociateSettings
        Limits of the tests for changes.
    """
    candidates = CandidateSources(settings.systematic_position_error_arcsec / 3600)
    candidates.load(sources, statistics)
    columns, key = result.measurements, image.key
    limits = to_limits(settings, n_channels=max(1, len({*statistics, key})))
    images = []
    rest = np.flatnonzero(is_stored)
    while rest.size:
        first = rest[np.unique(columns.position_id[rest], return_index=True)[1]]
        row = np.searchsorted(sources["id"], columns.position_id[first])
        flux, error = columns.flux_peak_jy_beam, columns.flux_peak_err_jy_beam
        candidates.add_forced(key, row, flux[first], error[first])
        looked = candidates.look(key, row, first, flux=flux, error=error, limits=limits)
        images.append(_to_associated(image, looked, is_stored.size))
        rest = np.setdiff1d(rest, first)
    types = columns.extraction_type
    changes = [
        each
        for each in find_changes(candidates, images, settings)
        if types[each.detection] == "forced"  # a monitor has no position of its own
    ]
    return CountedPoints(candidates, images, changes)


def _to_associated(image: MeasuredImage, looked: SourceLooks, n_points: int) -> AssociatedImage:
    nothing = np.empty(0, np.int64)
    result = ImageResult(
        source=np.full(n_points, -1, np.int64),
        radius=np.full(n_points, np.nan),
        shared=Links(nothing, nothing, np.empty(0)),
        near_known=nothing,
        looked=looked,
    )
    return AssociatedImage(
        number=0,
        key=image.key,
        record=image.record,
        metadata=metadata_of(image.record),
        result=result,
        extraction_type="forced",
        first_number=FIRST_FORCED_NUMBER,
    )


def decide_forced(
    counted: CountedPoints,
    image: MeasuredImage,
    *,
    stream_id: int,
    image_ids: Mapping[int, str],
    earlier_trig_ids: Mapping[int, tuple[str, ...]],
    settings: AssociateSettings,
    now: datetime,
) -> ForcedOutcome:
    """Return what the forced points of an image change, and the events that they raise.

    Parameters
    ----------
    counted : CountedPoints
        The points in their light curves.
    image : MeasuredImage
        Where they were measured.
    image_ids : mapping
        `image_id` by `image_key`, of the images that first detected the sources of the changes.
    earlier_trig_ids : mapping
        Those of earlier episodes by the id of the source, the newest first.
    settings : AssociateSettings
        When an episode ends.
    now : datetime
        The time of the decision.
    """
    candidates = counted.candidates
    rows = candidates.sources.copy()
    start_episodes(rows, counted.changes, settings)
    # Quiet looks are counted timestep by timestep, whenever the answers come.
    is_ended = follow_activity(rows, counted.images, counted.changes, counts_quiet=False)
    builder = EventBuilder(
        stream=image.record.stream,
        stream_id=stream_id,
        candidates=candidates,
        rows=rows,
        image_ids=image_ids,
        earlier_trig_ids=earlier_trig_ids,
        image_keys=(image.image_key,),
        now=now,
    )
    eta, v, _ = candidates.variability()
    is_flagged = np.any([rows[name] != candidates.sources[name] for name in FLAG_COLUMNS], axis=0)
    flagged = rows[is_flagged]
    return ForcedOutcome(
        statistics=candidates.changed_statistics(rows["id"]),
        sources={
            **{name: rows[name] for name in ("id", "n_datapoints", "n_forced")},
            "eta": eta,
            "v": v,
        },
        flagged={name: flagged[name] for name in FLAG_COLUMNS} if flagged.size else None,
        ended_ids=rows["id"][is_ended].tolist(),
        time_start=metadata_of(image.record).time_start,
        notifications=[builder.to_notification(trigger) for trigger in counted.changes],
    )
