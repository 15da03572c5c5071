"""One timestep, one transaction: images, cross-match, light curves, events."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from runtime.settings import AssociateProcessSettings
from schemas.messages import SourceColumns
from schemas.topics import Topics
from services.associate.models import LedgerEntry, StatisticsKey, StoredImage, Timestep
from services.associate.steps.bands import find_band
from services.associate.steps.candidate_sources import (
    CandidateSources,
    ImageResult,
    MeasuredColumns,
)
from services.associate.steps.coverage import margin_of, metadata_of
from services.associate.steps.events import store_events
from services.associate.steps.forced import request_forced
from services.associate.steps.null_detections import DetectedSources
from services.associate.steps.registration import RegisteredImages, register_images
from services.associate.steps.rows import write_rows
from services.associate.steps.triggers import (
    AssociatedImage,
    Trigger,
    find_new_sources,
    find_variables,
)
from services.associate.steps.updates import find_updates, list_notified
from services.associate.storage import Catalogue
from sky.coverage import cells_of_field
from sky.geometry import probe_zones
from sky.rms_grid import rms_at

__all__ = ["Outcome", "associate_timestep"]

# How far a source may drift from its search position before that is rewritten.
DRIFT_LIMIT_DEG = 10 / 3600


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one transaction did."""

    entries: tuple[LedgerEntry, ...]
    n_messages: int


_NOTHING_DETECTED = DetectedSources({}, np.empty(0, np.int64), np.empty(0), np.empty(0))


async def associate_timestep(
    catalogue: Catalogue, timestep: Timestep, *, settings: AssociateProcessSettings, topics: Topics
) -> Outcome:
    """Store a timestep and all that follows from it.

    Parameters
    ----------
    catalogue : Catalogue
        An open transaction.
    timestep : Timestep
        Its images in ascending frequency.
    settings : AssociateProcessSettings
        Section `associate`.
    topics : Topics
        Where the events and the forced requests go.
    """
    stream_id = await catalogue.ensure_stream(timestep.stream)
    registered = await register_images(
        catalogue, timestep, stream_id=stream_id, now=datetime.now(UTC)
    )
    accepted = [image for image in registered.images if image.record.verdict == "accepted"]
    n_messages = 0
    seen = _NOTHING_DETECTED
    if any(len(image.record.sources) for image in accepted):
        n_messages, seen = await _associate(
            catalogue,
            timestep,
            accepted,
            stream_id=stream_id,
            settings=settings,
            topic=topics.transients,
        )
    if accepted and not timestep.is_late and settings.associate.forced_photometry:
        n_messages += await request_forced(
            catalogue,
            accepted,
            seen,
            stream_id=stream_id,
            settings=settings,
            topic=topics.forced_requests,
        )
    for image in accepted:
        await _store_coverage(catalogue, image)
    if not timestep.is_late and timestep.time_start is not None:
        await _close(catalogue, timestep, registered, stream_id)
    return Outcome(registered.entries, n_messages)


async def _associate(
    catalogue: Catalogue,
    timestep: Timestep,
    images: list[StoredImage],
    *,
    stream_id: int,
    settings: AssociateProcessSettings,
    topic: str,
) -> tuple[int, DetectedSources]:
    """Cross-match, write the rows and the events; return how many events, and what was seen."""
    candidates = await _load(catalogue, images, stream_id, settings)
    done = [_associate_image(candidates, image, settings) for image in images]
    triggers = await _decide(catalogue, candidates, done, settings)
    updates = await _find_updates(catalogue, candidates, done, timestep, settings)
    for trigger in triggers:
        flag = "is_new" if trigger.kind == "new_source" else "is_variable"
        candidates.sources[flag][trigger.source] = True
        candidates.sources["is_flagged"][trigger.source] = True
    candidates.assign_ids(await catalogue.reserve_source_ids(candidates.n_created()))
    for time_start in {metadata_of(image).time_start for image in images}:
        await catalogue.ensure_partition(stream_id, time_start)
    await write_rows(
        catalogue, candidates, done, stream_id=stream_id, drift_limit_deg=DRIFT_LIMIT_DEG
    )
    await store_events(
        catalogue,
        candidates,
        triggers + updates,
        stream_id=stream_id,
        stream=timestep.stream,
        topic=topic,
    )
    return len(triggers) + len(updates), _to_detected(candidates, done)


async def _find_updates(
    catalogue: Catalogue,
    candidates: CandidateSources,
    images: list[AssociatedImage],
    timestep: Timestep,
    settings: AssociateProcessSettings,
) -> list[Trigger]:
    """Return what to say again; the past, when it comes late, is no news."""
    limits = settings.associate
    if timestep.is_late or not (ids := list_notified(candidates)):
        return []
    time_start = min(image.metadata.time_start for image in images)
    notified_before = time_start - timedelta(seconds=limits.update_cool_down_s)
    told = await catalogue.load_last_notified(ids, limits.max_updates, notified_before)
    return find_updates(candidates, images, told, limits)


def _to_detected(candidates: CandidateSources, images: list[AssociatedImage]) -> DetectedSources:
    rows = candidates.sources
    # One that was told of just now too: what the other bands have at its place can refute it.
    known = rows[rows["is_touched"] & (~rows["is_created"] | rows["is_new"])]
    detected = {
        image.id: rows["id"][
            np.unique(np.concatenate([image.result.source, image.result.shared.source]))
        ]
        for image in images
    }
    return DetectedSources(detected, known["id"], known["ra"], known["dec"])


def _distance_limit_deg(image: StoredImage, settings: AssociateProcessSettings) -> float:
    """Return how far a measurement may lie from its source: a number of semi-major axes."""
    return settings.associate.beamwidths_limit * metadata_of(image).beam_major_deg / 2


async def _load(
    catalogue: Catalogue,
    images: list[StoredImage],
    stream_id: int,
    settings: AssociateProcessSettings,
) -> CandidateSources:
    """Return what the catalogue has near any measurement of the timestep."""
    radius_deg = max(_distance_limit_deg(image, settings) for image in images)
    probes = probe_zones(
        np.concatenate([image.record.sources.ra for image in images]),
        np.concatenate([image.record.sources.dec for image in images]),
        radius_deg + DRIFT_LIMIT_DEG,
    )
    sources = await catalogue.load_sources(stream_id, probes)
    statistics = await catalogue.load_statistics(sources["id"].tolist()) if sources.size else {}
    candidates = CandidateSources(settings.associate.systematic_position_error_arcsec / 3600)
    candidates.load(sources, statistics)
    return candidates


def _associate_image(
    candidates: CandidateSources, image: StoredImage, settings: AssociateProcessSettings
) -> AssociatedImage:
    key = _key(image)
    result: ImageResult = candidates.associate(
        key,
        _to_measured(image.record.sources),
        image=image.id,
        de_ruiter_limit=settings.associate.de_ruiter_radius,
        distance_limit_deg=_distance_limit_deg(image, settings),
    )
    return AssociatedImage(image.id, key, image.record, metadata_of(image), result)


def _key(image: StoredImage) -> StatisticsKey:
    if image.band_id is None:
        raise RuntimeError("an image with metadata has a band")
    return image.band_id, metadata_of(image).stokes


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


async def _decide(
    catalogue: Catalogue,
    candidates: CandidateSources,
    images: list[AssociatedImage],
    settings: AssociateProcessSettings,
) -> list[Trigger]:
    """Return what deserves an event, one for each source."""
    created = candidates.sources["is_created"] & (candidates.sources["parent"] < 0)
    looks = []
    for image in images:
        sources, is_first_detection = image.record.sources, created[image.result.source]
        looks.append(
            await catalogue.load_prior_coverage(
                image.key, sources.ra[is_first_detection], sources.dec[is_first_detection]
            )
            if np.any(is_first_detection)
            else ()
        )
    new = find_new_sources(
        candidates,
        list(zip(images, looks, strict=True)),
        sigma_margin=settings.associate.new_source_sigma_margin,
    )
    return new + find_variables(candidates, images, settings.associate)


async def _store_coverage(catalogue: Catalogue, image: StoredImage) -> None:
    """Note how deep an image looked, cell by cell, for the new-source test of later ones."""
    metadata, grid = metadata_of(image), image.record.rms_grid
    if grid is None:
        raise RuntimeError("an accepted image has an rms grid: records are checked at the door")
    shape = (metadata.height_px, metadata.width_px)
    cells, x, y = cells_of_field(
        metadata.wcs_header, shape, metadata.field_radius_deg, margin_of(image.record)
    )
    rms = rms_at(grid.rms_jy_beam, shape, x, y)
    seen = np.isfinite(rms)
    await catalogue.upsert_sky_coverage(_key(image), image.id, cells[seen], rms[seen])


async def _close(
    catalogue: Catalogue, timestep: Timestep, registered: RegisteredImages, stream_id: int
) -> None:
    """Note how far the stream has come and what its next timestep waits for."""
    if timestep.time_start is not None:
        await catalogue.close_timestep(stream_id, timestep.time_start)
    states = []
    for state in timestep.states:
        band = find_band(state.band.freq_eff_hz, state.band.freq_bw_hz, registered.bands)
        if band is not None:
            states.append((registered.bands[band], state))
    # Two states may fall into one band; the later one counts.
    unique = {(band_id, state.stokes): (band_id, state) for band_id, state in states}
    await catalogue.upsert_expected_channels(list(unique.values()))
