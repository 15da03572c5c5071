"""Cross-match the images of a timestep with the catalogue; no input or output."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np

from runtime.settings import AssociateSettings
from schemas.messages import FloatArray, ImageDetections, IntArray, SourceColumns
from schemas.quality import QualityFlag
from services.associate.models.catalogue import CatalogueState, FirstDetections, RowArray
from services.associate.models.evidence import Questions
from services.associate.models.solutions import ImageSolution
from services.associate.models.timesteps import Timestep, TimestepImage
from services.associate.steps.candidate_sources import CandidateSources
from services.associate.steps.coverage import channel_of, find_field_boxes, metadata_of
from services.associate.steps.image_result import ImageResult, MeasuredColumns
from services.associate.steps.monitors import FirstCoverage, find_first_coverage
from services.associate.steps.registration import (
    RegisteredImages,
    calibrate_images,
    register_images,
)
from services.associate.steps.rows import DRIFT_LIMIT_DEG
from services.associate.steps.side_lobes import find_side_lobes
from services.associate.steps.triggers import AssociatedImage, is_first, is_seen_late
from sky.geometry import Probes, probe_zones
from sky.solar_system import is_solar_system

__all__ = [
    "Association",
    "associate",
    "find_search_boxes",
    "needs_forced",
    "search_radius_deg",
    "wider_radius_deg",
]


@dataclass(frozen=True, slots=True)
class Association:
    """The detections of a timestep with their sources, and what to ask before deciding."""

    timestep: Timestep
    state: CatalogueState
    registered: RegisteredImages
    candidates: CandidateSources
    images: tuple[AssociatedImage, ...]
    monitors: FirstCoverage
    questions: Questions


def search_radius_deg(timestep: Timestep, settings: AssociateSettings) -> float:
    """Return how far from its detections a timestep's sources may be [deg]."""
    limits = [
        _distance_limit_deg(each, settings) for each in timestep.records if len(each.sources)
    ]
    return max(limits, default=0.0)


def wider_radius_deg(timestep: Timestep, settings: AssociateSettings) -> float:
    """Return the largest shift of an image that is searched [deg]."""
    beams = [metadata_of(each).beam_major_deg for each in timestep.records if len(each.sources)]
    return settings.shift_search_beams * max(beams, default=0.0)


def find_search_boxes(timestep: Timestep, radius_deg: float) -> Probes | None:
    """Return the boxes of the search index around the detections; None if there are none."""
    records = [record for record in timestep.records if len(record.sources)]
    if not records:
        return None
    return probe_zones(
        np.concatenate([record.sources.ra for record in records]),
        np.concatenate([record.sources.dec for record in records]),
        radius_deg + DRIFT_LIMIT_DEG,
    )


def needs_forced(timestep: Timestep, settings: AssociateSettings) -> bool:
    """Return whether null detections and monitors of a timestep are measured."""
    is_accepted = any(record.verdict == "accepted" for record in timestep.records)
    return settings.forced_photometry and is_accepted and not timestep.is_late


def associate(
    timestep: Timestep,
    state: CatalogueState,
    settings: AssociateSettings,
    solutions: Sequence[ImageSolution],
) -> Association:
    """Match a timestep with the catalogue.

    Parameters
    ----------
    timestep : Timestep
        Its images in ascending frequency.
    state : CatalogueState
        What the catalogue has around the detections.
    settings : AssociateSettings
        Limits of the match, and of variability.
    solutions : sequence of ImageSolution
        Of its images.
    """
    registered = calibrate_images(
        register_images(timestep, state, settings.timestep_tolerance_s),
        {
            record.image_id: solution
            for record, solution in zip(timestep.records, solutions, strict=True)
        },
        settings,
    )
    candidates = CandidateSources(settings.systematic_position_error_arcsec / 3600)
    candidates.load(state.sources, state.statistics)
    candidates.note_seen_late(state.seen_late.ids)
    earlier = _earlier_firsts(state.tracks)
    images = tuple(
        _associate_image(candidates, each, settings, earlier) for each in registered.accepted
    )
    monitors = find_first_coverage(state.monitors, registered.accepted)
    counts_looks = bool(images) and needs_forced(timestep, settings)
    return Association(
        timestep,
        state,
        registered,
        candidates,
        images,
        monitors,
        Questions(
            n_images=len(registered.images),
            n_sources=candidates.n_created() + monitors.monitor.size,
            first_detections=(
                {} if timestep.is_late else _find_first_detections(candidates, images)
            ),
            detected_ids=_detected_ids(candidates) if counts_looks else None,
            field=_find_field(timestep, images, settings) if counts_looks else None,
            look_back_before=_look_back_before(timestep, settings) if counts_looks else None,
        ),
    )


def _find_field(
    timestep: Timestep, images: Sequence[AssociatedImage], settings: AssociateSettings
) -> Probes:
    """Return boxes that hold what images cover, and the sources of all their detections."""
    shift_deg = wider_radius_deg(timestep, settings)
    margin_deg = search_radius_deg(timestep, settings) + shift_deg
    return find_field_boxes([each.record for each in images], margin_deg)


def _look_back_before(timestep: Timestep, settings: AssociateSettings) -> datetime | None:
    """Return before when images are of earlier timesteps; None: none is looked back at."""
    if not settings.lookback_images or timestep.time_start is None:
        return None
    return timestep.time_start - timedelta(seconds=settings.timestep_tolerance_s)


def _distance_limit_deg(record: ImageDetections, settings: AssociateSettings) -> float:
    """Return how far a detection may lie from its source: a number of semi-major axes."""
    return settings.beamwidths_limit * metadata_of(record).beam_major_deg / 2


def _associate_image(
    candidates: CandidateSources,
    image: TimestepImage,
    settings: AssociateSettings,
    earlier: tuple[FloatArray, FloatArray],
) -> AssociatedImage:
    key = channel_of(image)
    result = candidates.associate(
        key,
        _to_measured(image.record.sources),
        image=image.number,
        de_ruiter_limit=settings.de_ruiter_radius,
        distance_limit_deg=_distance_limit_deg(image.record, settings),
        systematic_deg=_systematic_deg(image.record, settings),
    )
    is_news = np.isnan(result.radius) | is_seen_late(candidates)[result.source]
    first = np.flatnonzero(is_news)
    record = _flag_first_detections(image.record, result, first, settings, earlier)
    return AssociatedImage(image.number, key, record, metadata_of(record), result, image.solution)


def _earlier_firsts(tracks: RowArray) -> tuple[FloatArray, FloatArray]:
    """Return where sources of the timesteps before were first detected that do not move."""
    loose = tracks[tracks["track_id"] == 0]
    loose = loose[np.unique(loose["source_id"], return_index=True)[1]]
    return loose["ra"], loose["dec"]


def _flag_first_detections(
    record: ImageDetections,
    result: ImageResult,
    first: IntArray,
    settings: AssociateSettings,
    earlier: tuple[FloatArray, FloatArray],
) -> ImageDetections:
    """Return an image with quality flags: near a known source, of the solar system, side lobes."""
    if not first.size:
        return record
    metadata, sources = metadata_of(record), record.sources
    middle = metadata.time_start + timedelta(seconds=metadata.exposure_s / 2)
    of_solar_system = is_solar_system(
        sources.ra[first], sources.dec[first], middle, beam_deg=metadata.beam_major_deg
    )
    flags = sources.quality_flags.copy()
    flags[result.near_known] |= int(QualityFlag.NEAR_KNOWN)
    flags[first[of_solar_system]] |= int(QualityFlag.SOLAR_SYSTEM)
    side_lobes = find_side_lobes(
        sources,
        first,
        beam_deg=metadata.beam_major_deg,
        radius_beams=settings.side_lobe_beams,
        earlier=earlier,
    )
    flags[first[side_lobes]] |= int(QualityFlag.SIDE_LOBE)
    return replace(record, sources=replace(sources, quality_flags=flags))


def _systematic_deg(record: ImageDetections, settings: AssociateSettings) -> float:
    """Return the floor of a position error: fixed, or a part of the image's own beam."""
    return max(
        settings.systematic_position_error_arcsec / 3600,
        settings.systematic_position_error_beams * metadata_of(record).beam_major_deg,
    )


def _to_measured(sources: SourceColumns) -> MeasuredColumns:
    return MeasuredColumns(
        ra=sources.ra,
        dec=sources.dec,
        ra_err_deg=sources.ra_err_deg,
        dec_err_deg=sources.dec_err_deg,
        flux_peak=sources.flux_peak_jy_beam,
        flux_peak_err=sources.flux_peak_err_jy_beam,
        flux_int=sources.flux_int_jy,
        flux_int_err=sources.flux_int_err_jy,
    )


def _find_first_detections(
    candidates: CandidateSources, images: Iterable[AssociatedImage]
) -> dict[int, FirstDetections]:
    """Return the first detections of sources, by the number of their image."""
    chosen = is_first(candidates)
    found = {}
    for image in images:
        first, sources = chosen[image.result.source], image.record.sources
        if np.any(first):
            found[image.number] = FirstDetections(image.key, sources.ra[first], sources.dec[first])
    return found


def _detected_ids(candidates: CandidateSources) -> IntArray:
    rows = candidates.sources
    return np.asarray(rows["id"][rows["is_detected"] & ~rows["is_created"]], np.int64)
