"""The Avro packet of an alert: its source, measurements before it, limits, near sources."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from runtime.settings import AlertSettings
from schemas.alert_packet import (
    AlertPacket,
    AlertSource,
    CatalogueMatch,
    Measurement,
    Stamp,
    UpperLimit,
    encode_alert_packet,
)
from schemas.messages import SourceEvent
from services.alert.models import Decision, EventContext, Point
from services.alert.steps.context_rows import ContextTables
from services.alert.steps.facts import (
    AlertName,
    clean_text,
    instrument_of,
    link_to,
    note_of,
    ra_of,
    tense_of,
    time_limit_of,
    variability_of,
)
from services.alert.steps.localization import Localization

__all__ = ["build_avro_packet"]


# What packet and notice say, too, in the same words and digits.
_SAID = (
    "false_alarms_per_day", "flux_change", "flux_change_against", "flux_factor",
    "flux_change_sigma", "light_curve_url",
)  # fmt: skip


def build_avro_packet(
    event: SourceEvent,
    name: AlertName,
    settings: AlertSettings,
    decision: Decision,
    time_alert: datetime,
    *,
    context: EventContext,
    tables: ContextTables,
) -> bytes:
    """Return the packet; parameters as of `build_voevent`, and the context as it was read.

    References
    ----------
    Patterson et al. (2019), PASP 131, 018001: the alert packets of ZTF.
    Rubin Observatory, DMTN-093: Avro with the wire format of a schema registry.
    """
    place = tables.place
    said: dict[str, Any] = {
        row[0]: row[1] for row in (*tables.history, *tables.significance, *tables.links)
    }
    packet = AlertPacket(
        ivorn=name.ivorn,
        trig_id=name.trig_id,
        event_name=name.event_name,
        alert_type=name.alert_type,
        role=decision.voevent_role,
        kind=clean_text(event.transient_kind or event.kind),
        certainty=clean_text(event.certainty),
        revision=name.revision,
        cited_ivorns=name.cited,
        time_alert=time_alert,
        stream=clean_text(event.stream),
        telescope=event.telescope and clean_text(event.telescope),
        rule=decision.rule and clean_text(decision.rule),
        importance=decision.importance,
        note=note_of(event),
        quality_flags=event.quality_flags,
        source=_to_source(event, place),
        trigger=_to_trigger(event),
        timestep=tuple(
            _to_measurement(band.point) for band in context.bands if band.point is not None
        ),
        previous=tuple(_to_measurement(point) for point in context.previous),
        limits=tuple(_find_limits(event, context)),
        matches=tuple(
            CatalogueMatch(
                each.catalogue,
                each.ra,
                each.dec,
                each.distance_arcsec,
                each.source_name and clean_text(each.source_name),
                each.flux_jy,
            )
            for each in context.matches
        ),
        stamps=tuple(Stamp(role, fits) for role, fits in context.stamps),
        p_false=event.p_false,
        rate_arcsec_s=event.rate_arcsec_s,
        rate_err_arcsec_s=event.rate_err_arcsec_s,
        direction_deg=event.direction_deg,
        alert_tense=tense_of(event, decision.role, time_alert),
        mission=clean_text(settings.mission),
        instrument=instrument_of(event, settings),
        author=clean_text(settings.author_title),
        contact_name=settings.contact_name and clean_text(settings.contact_name),
        contact_email=settings.contact_email and clean_text(settings.contact_email),
        position_a_error=place.major_deg,
        position_b_error=place.minor_deg,
        position_error_pa=place.pa_deg,
        limit_previous_jy_beam=event.limit_previous_jy_beam,
        flux_expected_jy_beam=event.flux_expected_jy_beam,
        flux_expected_err_jy_beam=event.flux_expected_err_jy_beam,
        data_archive_page=link_to(name, settings.public_url),
        **{each: said.get(each) for each in _SAID},
    )
    return encode_alert_packet(packet)


def _to_source(event: SourceEvent, place: Localization) -> AlertSource:
    eta, v = variability_of(event)
    return AlertSource(
        source_id=event.source_id,
        transient_id=event.transient_id,
        ra=ra_of(event),
        dec=event.dec,
        ra_err_deg=place.ra_err_deg,
        dec_err_deg=place.dec_err_deg,
        systematic_err_deg=place.systematic_deg,
        eta=eta,
        v=v,
        n_datapoints=event.n_datapoints,
        n_forced=event.n_forced,
        n_episodes=event.n_episodes,
    )


def _to_trigger(event: SourceEvent) -> Measurement:
    return Measurement(
        image_id=clean_text(event.image_id),
        time_start=event.time_start,
        exposure_s=event.exposure_s,
        freq_eff_hz=event.freq_eff_hz,
        freq_bw_hz=event.freq_bw_hz,
        stokes=clean_text(event.stokes),
        extraction_type=clean_text(event.extraction_type),
        flux_peak_jy_beam=event.flux_peak_jy_beam,
        flux_peak_err_jy_beam=event.flux_peak_err_jy_beam,
        flux_int_jy=event.flux_int_jy,
        flux_int_err_jy=event.flux_int_err_jy,
        snr=event.snr,
        rms_local_jy_beam=event.rms_local_jy_beam,
    )


def _to_measurement(point: Point) -> Measurement:
    threshold = point.threshold_sigma
    return Measurement(
        image_id=point.image_id,
        time_start=point.time_start,
        exposure_s=point.exposure_s,
        freq_eff_hz=point.freq_eff_hz,
        freq_bw_hz=point.freq_bw_hz,
        stokes=point.stokes,
        extraction_type=point.extraction_type,
        flux_peak_jy_beam=point.flux_peak_jy_beam,
        flux_peak_err_jy_beam=point.flux_peak_err_jy_beam,
        flux_int_jy=point.flux_int_jy,
        flux_int_err_jy=point.flux_int_err_jy,
        snr=point.snr,
        rms_local_jy_beam=point.rms_local_jy_beam,
        limit_jy_beam=None if threshold is None else threshold * point.rms_local_jy_beam,
    )


def _find_limits(event: SourceEvent, context: EventContext) -> Iterator[UpperLimit]:
    """Yield the limits of the timestep without a measurement, then the deepest one before."""
    for band in context.bands:
        if band.point is None and band.limit_jy_beam is not None:
            yield UpperLimit(
                event.time_start,
                band.freq_eff_hz,
                band.freq_bw_hz,
                band.stokes,
                band.limit_jy_beam,
            )
    time_limit = time_limit_of(event)
    if event.limit_previous_jy_beam is not None and time_limit is not None:
        yield UpperLimit(
            time_limit,
            event.freq_eff_hz,
            event.freq_bw_hz,
            clean_text(event.stokes),
            event.limit_previous_jy_beam,
        )
