"""One timestep, one transaction: images, cross-match, light curves, events."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from runtime.settings import Settings
from schemas.messages import SourceColumns
from schemas.topics import Topics
from services.associate.models import LedgerEntry, StatisticsKey, StoredImage, Timestep
from services.associate.steps.bands import find_band
from services.associate.steps.coverage import metadata_of
from services.associate.steps.events import store_events
from services.associate.steps.forced import request_forced
from services.associate.steps.intake import Intake, take_in
from services.associate.steps.missed import Seen
from services.associate.steps.neighbourhood import ImageResult, MeasuredColumns, Neighbourhood
from services.associate.steps.rows import write_rows
from services.associate.steps.triggers import (
    AssociatedImage,
    Trigger,
    find_new_sources,
    find_variables,
)
from services.associate.steps.updates import find_updates, list_told
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


_SEEN_NOTHING = Seen({}, np.empty(0, np.int64), np.empty(0), np.empty(0))


async def associate_timestep(
    catalogue: Catalogue, timestep: Timestep, *, settings: Settings, topics: Topics
) -> Outcome:
    """Store a timestep and all that follows from it.

    Parameters
    ----------
    catalogue : Catalogue
        An open transaction.
    timestep : Timestep
        Its images in ascending frequency.
    settings : Settings
        Section `associate`, and the extractor's margin.
    topics : Topics
        Where the events and the forced requests go.
    """
    stream_id = await catalogue.ensure_stream(timestep.stream)
    intake = await take_in(catalogue, timestep, stream_id=stream_id, now=datetime.now(UTC))
    accepted = [image for image in intake.images if image.record.verdict == "accepted"]
    n_messages = 0
    seen = _SEEN_NOTHING
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
        await _remember_look(catalogue, image, settings.extract.margin_px)
    if not timestep.is_late and timestep.time_start is not None:
        await _close(catalogue, timestep, intake, stream_id)
    return Outcome(intake.entries, n_messages)


async def _associate(
    catalogue: Catalogue,
    timestep: Timestep,
    images: list[StoredImage],
    *,
    stream_id: int,
    settings: Settings,
    topic: str,
) -> tuple[int, Seen]:
    """Cross-match, write the rows and the events; return how many events, and what was seen."""
    neighbourhood = await _load(catalogue, images, stream_id, settings)
    done = [_associate_image(neighbourhood, image, settings) for image in images]
    triggers = await _decide(catalogue, neighbourhood, done, settings)
    updates = await _find_updates(catalogue, neighbourhood, done, timestep, settings)
    for trigger in triggers:
        flag = "is_new" if trigger.kind == "new_source" else "is_variable"
        neighbourhood.sources[flag][trigger.source] = True
        neighbourhood.sources["is_flagged"][trigger.source] = True
    neighbourhood.assign_ids(await catalogue.reserve_source_ids(neighbourhood.n_created()))
    for time_start in {metadata_of(image).time_start for image in images}:
        await catalogue.ensure_partition(stream_id, time_start)
    await write_rows(
        catalogue, neighbourhood, done, stream_id=stream_id, drift_limit_deg=DRIFT_LIMIT_DEG
    )
    await store_events(
        catalogue,
        neighbourhood,
        triggers + updates,
        stream_id=stream_id,
        stream=timestep.stream,
        topic=topic,
        margin_px=settings.extract.margin_px,
    )
    return len(triggers) + len(updates), _to_seen(neighbourhood, done)


async def _find_updates(
    catalogue: Catalogue,
    neighbourhood: Neighbourhood,
    images: list[AssociatedImage],
    timestep: Timestep,
    settings: Settings,
) -> list[Trigger]:
    """Return what to say again; the past, when it comes late, is no news."""
    knobs = settings.associate
    if timestep.is_late or not (ids := list_told(neighbourhood)):
        return []
    time_start = min(image.metadata.time_start for image in images)
    told_before = time_start - timedelta(seconds=knobs.update_cool_down_s)
    told = await catalogue.load_told(ids, knobs.max_updates, told_before)
    return find_updates(neighbourhood, images, told, knobs)


def _to_seen(neighbourhood: Neighbourhood, images: list[AssociatedImage]) -> Seen:
    rows = neighbourhood.sources
    # One that was told of just now too: what the other bands have at its place can refute it.
    known = rows[rows["is_touched"] & (~rows["is_created"] | rows["is_new"])]
    detected = {
        image.id: rows["id"][
            np.unique(np.concatenate([image.result.source, image.result.shared.source]))
        ]
        for image in images
    }
    return Seen(detected, known["id"], known["ra"], known["dec"])


def _distance_limit_deg(image: StoredImage, settings: Settings) -> float:
    """Return how far a measurement may lie from its source: a number of semi-major axes."""
    return settings.associate.beamwidths_limit * metadata_of(image).beam_major_deg / 2


async def _load(
    catalogue: Catalogue, images: list[StoredImage], stream_id: int, settings: Settings
) -> Neighbourhood:
    """Return what the catalogue has near any measurement of the timestep."""
    radius_deg = max(_distance_limit_deg(image, settings) for image in images)
    probes = probe_zones(
        np.concatenate([image.record.sources.ra for image in images]),
        np.concatenate([image.record.sources.dec for image in images]),
        radius_deg + DRIFT_LIMIT_DEG,
    )
    sources = await catalogue.load_sources(stream_id, probes)
    statistics = await catalogue.load_statistics(sources["id"].tolist()) if sources.size else {}
    neighbourhood = Neighbourhood(settings.associate.systematic_position_error_arcsec / 3600)
    neighbourhood.load(sources, statistics)
    return neighbourhood


def _associate_image(
    neighbourhood: Neighbourhood, image: StoredImage, settings: Settings
) -> AssociatedImage:
    key = _key(image)
    result: ImageResult = neighbourhood.associate(
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
    neighbourhood: Neighbourhood,
    images: list[AssociatedImage],
    settings: Settings,
) -> list[Trigger]:
    """Return what deserves an event, one for each source."""
    founded = neighbourhood.sources["is_created"] & (neighbourhood.sources["parent"] < 0)
    looks = []
    for image in images:
        sources, is_founder = image.record.sources, founded[image.result.source]
        looks.append(
            await catalogue.load_looks(image.key, sources.ra[is_founder], sources.dec[is_founder])
            if np.any(is_founder)
            else ()
        )
    new = find_new_sources(
        neighbourhood,
        list(zip(images, looks, strict=True)),
        sigma_margin=settings.associate.new_source_sigma_margin,
        margin_px=settings.extract.margin_px,
    )
    return new + find_variables(neighbourhood, images, settings.associate)


async def _remember_look(catalogue: Catalogue, image: StoredImage, margin_px: int) -> None:
    """Note how deep an image looked, cell by cell, for the new-source test of later ones."""
    metadata, grid = metadata_of(image), image.record.rms_grid
    if grid is None:
        raise RuntimeError("an accepted image has an rms grid: records are checked at the door")
    shape = (metadata.height_px, metadata.width_px)
    cells, x, y = cells_of_field(metadata.wcs_header, shape, metadata.field_radius_deg, margin_px)
    rms = rms_at(grid.rms_jy_beam, shape, x, y)
    seen = np.isfinite(rms)
    await catalogue.upsert_looks(_key(image), image.id, cells[seen], rms[seen])


async def _close(catalogue: Catalogue, timestep: Timestep, intake: Intake, stream_id: int) -> None:
    """Note how far the stream has come and what its next timestep waits for."""
    if timestep.time_start is not None:
        await catalogue.close_timestep(stream_id, timestep.time_start)
    states = []
    for state in timestep.states:
        band = find_band(state.band.freq_eff_hz, state.band.freq_bw_hz, intake.bands)
        if band is not None:
            states.append((intake.bands[band], state))
    # Two states may fall into one band; the later one counts.
    unique = {(band_id, state.stokes): (band_id, state) for band_id, state in states}
    await catalogue.upsert_channels(list(unique.values()))
