"""Triggers to rows of table `transient` and messages for transients-v1."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from schemas.codec import encode_source_event
from schemas.identity import event_id, trig_id
from schemas.messages import ImageMetadata, SourceEvent
from services.associate.models import NewTransient
from services.associate.steps.candidate_sources import CandidateSources
from services.associate.steps.coverage import margin_of
from services.associate.steps.triggers import Trigger
from services.associate.storage import Catalogue
from sky.margin import border_distance_px
from sky.wcs import SkyProjection

__all__ = ["store_events"]


async def store_events(
    catalogue: Catalogue,
    candidates: CandidateSources,
    triggers: Sequence[Trigger],
    *,
    stream_id: int,
    stream: str,
    topic: str,
) -> None:
    """Store each trigger as a transient or as its update, and leave its event in the outbox."""
    if not triggers:
        return
    rows = candidates.sources
    hashes = await catalogue.load_image_hashes(
        [int(rows["first_image_key"][trigger.source]) for trigger in triggers]
    )
    eta, v = candidates.variability()
    for trigger in triggers:
        row = rows[trigger.source]
        family = trig_id(stream, hashes[int(row["first_image_key"])], int(row["first_number"]))
        event = _to_event(
            trigger,
            candidates,
            stream,
            family,
            float(eta[trigger.source]),
            float(v[trigger.source]),
        )
        transient_id = await _tell(catalogue, event, trigger, stream_id)
        if transient_id is None:
            continue
        event = replace(event, transient_id=transient_id)
        await catalogue.insert_event(event, _time_detected(event))
        await catalogue.insert_outbox(topic, stream, encode_source_event(event))


async def _tell(
    catalogue: Catalogue, event: SourceEvent, trigger: Trigger, stream_id: int
) -> int | None:
    """Write what is told now; return the transient's id, None if it was taken back meanwhile."""
    if trigger.about is None:
        return await catalogue.insert_transient(_to_row(event, trigger, stream_id))
    transient = trigger.about.transient_id
    return transient if await catalogue.update_last_notified(event, transient) else None


def _time_detected(event: SourceEvent) -> datetime:
    return event.times.time_associated or datetime.now(UTC)


def _edge_distance_deg(metadata: ImageMetadata, ra: float, dec: float, margin_px: int) -> float:
    """Return how far a position lies from the nearest border of what is searched [deg]."""
    sky = SkyProjection.of(metadata.wcs_header)
    x, y = sky.to_pixel(np.array([ra]), np.array([dec]))
    shape = metadata.height_px, metadata.width_px
    return float(border_distance_px(shape, x, y, margin_px)[0]) * sky.pixel_scale_deg(shape)


def _to_event(
    trigger: Trigger,
    candidates: CandidateSources,
    stream: str,
    family: str,
    eta: float,
    v: float,
) -> SourceEvent:
    """Return the event; its transient's id is not known yet."""
    row = candidates.sources[trigger.source]
    ra_err_deg, dec_err_deg = candidates.position_errors_deg(trigger.source)
    image, number = trigger.image, trigger.number
    metadata, sources = image.metadata, image.record.sources
    return SourceEvent(
        event_id=event_id(family, trigger.kind, image.record.image_id),
        trig_id=family,
        kind=trigger.kind,
        certainty=trigger.certainty,
        stream=stream,
        transient_id=0,
        source_id=int(row["id"]),
        image_id=image.record.image_id,
        source_number=number,
        time_start=metadata.time_start,
        exposure_s=metadata.exposure_s,
        freq_eff_hz=metadata.freq_eff_hz,
        freq_bw_hz=metadata.freq_bw_hz,
        stokes=metadata.stokes,
        beam_major_deg=metadata.beam_major_deg,
        beam_minor_deg=metadata.beam_minor_deg,
        beam_pa_deg=metadata.beam_pa_deg,
        ra=float(row["ra"]),
        dec=float(row["dec"]),
        ra_err_deg=ra_err_deg,
        dec_err_deg=dec_err_deg,
        flux_peak_jy_beam=float(sources.flux_peak_jy_beam[number]),
        flux_peak_err_jy_beam=float(sources.flux_peak_err_jy_beam[number]),
        flux_int_jy=float(sources.flux_int_jy[number]),
        flux_int_err_jy=float(sources.flux_int_err_jy[number]),
        snr=trigger.snr,
        rms_local_jy_beam=float(sources.rms_local_jy_beam[number]),
        quality_flags=int(sources.quality_flags[number]),
        extraction_type="blind",
        eta=eta,
        v=v,
        n_datapoints=int(row["n_datapoints"]),
        n_bands=candidates.n_bands(trigger.source),
        limit_previous_jy_beam=trigger.limit_jy_beam,
        telescope=metadata.telescope,
        times=replace(image.record.times, time_associated=datetime.now(UTC)),
        transient_kind=trigger.kind if trigger.about is None else trigger.about.kind,
        note=trigger.note,
        edge_distance_deg=_edge_distance_deg(
            metadata, float(row["ra"]), float(row["dec"]), margin_of(image.record)
        ),
    )


def _to_row(event: SourceEvent, trigger: Trigger, stream_id: int) -> NewTransient:
    return NewTransient(
        event_id=event.event_id,
        trig_id=event.trig_id,
        source_id=event.source_id,
        stream_id=stream_id,
        kind=event.kind,
        certainty=event.certainty,
        image=trigger.image.id,
        source_number=event.source_number,
        time_start=event.time_start,
        time_detected=_time_detected(event),
        ra=event.ra,
        dec=event.dec,
        ra_err_deg=event.ra_err_deg,
        dec_err_deg=event.dec_err_deg,
        flux_peak_jy_beam=event.flux_peak_jy_beam,
        snr=event.snr,
        eta=event.eta,
        v=event.v,
        n_bands=event.n_bands,
        limit_previous_jy_beam=event.limit_previous_jy_beam,
    )
