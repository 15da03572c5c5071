"""The GCN-style JSON notice of an alert."""

import math
from datetime import UTC, datetime

import orjson

from runtime.settings import AlertSettings
from schemas.messages import SourceEvent
from schemas.quality import names_of
from services.alert.models import NO_CONTEXT, Decision
from services.alert.steps.context_rows import (
    BAND_COLUMNS,
    MATCH_COLUMNS,
    Cell,
    ContextTables,
    describe_context,
)
from services.alert.steps.facts import (
    AlertName,
    clean_text,
    end_of_exposure,
    instrument_of,
    latencies_s,
    link_to,
    middle_of_exposure,
    name_pipeline,
    note_of,
    ra_of,
    tense_of,
    time_error_s,
    time_previous_of,
    trigger_of,
    usable_exposure_s,
    variability_of,
)
from services.alert.steps.localization import CONTAINMENT_PROBABILITY, Localization

__all__ = ["SCHEMA", "build_notice"]

# The part of the core schema of GCN that every notice conforms to.
SCHEMA = "https://gcn.nasa.gov/schema/v7.2.3/gcn/notices/core/Alert.schema.json"
# Fields of GCN cannot be null: unknown ones are left out.
_LEFT_OUT = frozenset(
    {
        "spectral_band", "image_snr", "flux_density", "flux_density_error",
        "flux_density_spectral_point", "limiting_flux_density", "far", "event_name",
        "contact_name", "contact_email",
    }
)  # fmt: skip
_MAX_CODE_CHARS = 20
_ERG_PER_CM2_S_HZ_PER_JY = 1e-23

_Table = list[dict[str, Cell]]
_Object = dict[str, float | None] | dict[str, str]
Json = str | float | int | bool | list[float] | list[str] | _Table | _Object | None


def build_notice(
    event: SourceEvent,
    name: AlertName,
    settings: AlertSettings,
    decision: Decision,
    time_alert: datetime,
    *,
    tables: ContextTables | None = None,
) -> bytes:
    """Return the notice as JSON; a number that is not finite is null, a field of GCN is left out.

    Parameters
    ----------
    event : SourceEvent
        Event of the alert.
    name : AlertName
        Identity of the alert.
    settings : AlertSettings
        Mission, author, links.
    decision : Decision
        Rule, importance, role.
    time_alert : datetime
        Time of the alert, UTC.
    tables : ContextTables or None
        What the catalogue has about the event; None: nothing.

    Returns
    -------
    bytes
        UTF-8.

    References
    ----------
    GCN unified schema, gcn/notices/core: Alert, DateTime, Event, Reporter, Localization,
    Statistics, Spectral.
    """
    tables = tables or describe_context(event, NO_CONTEXT, settings)
    notice = (
        _identity(event, name, settings, decision, time_alert)
        | _when_and_where(event, tables.place)
        | _measurement(event)
        | _context(event, tables)
        | _provenance(event, name, decision, time_alert)
    )
    if (link := link_to(name, settings.public_url)) is not None:
        notice["data_archive_page"] = link
    notice |= {row[0]: row[1] for row in tables.links}
    for name_left_out in _LEFT_OUT:
        if not _is_known(notice[name_left_out]):
            del notice[name_left_out]
    return orjson.dumps(notice)


def _is_known(value: Json) -> bool:
    parts = value if isinstance(value, list) else [value]
    return all(
        isinstance(each, str) or (isinstance(each, int | float) and math.isfinite(each))
        for each in parts
    )


def _context(event: SourceEvent, tables: ContextTables) -> dict[str, Json]:
    """Return what is known of the source beside the event, as the packet has it."""
    limit = event.limit_previous_jy_beam
    rows = [
        *tables.localization,
        *tables.history,
        *tables.spectrum,
        *tables.significance,
    ]
    return {
        "limiting_flux_density": None if limit is None else limit * _ERG_PER_CM2_S_HZ_PER_JY,
        **{row[0]: row[1] for row in rows},
        "bands": _to_objects(BAND_COLUMNS, tables.bands),
        "catalogue_matches": _to_objects(MATCH_COLUMNS, tables.matches),
    }


def _to_objects(columns: tuple[tuple[str, str, str], ...], rows: list[tuple[Cell, ...]]) -> _Table:
    names = [name for name, _, _ in columns]
    return [dict(zip(names, row, strict=True)) for row in rows]


def _to_text(time: datetime) -> str:
    return time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def _identity(
    event: SourceEvent,
    name: AlertName,
    settings: AlertSettings,
    decision: Decision,
    time_alert: datetime,
) -> dict[str, Json]:
    return {
        "$schema": SCHEMA,
        "alert_datetime": _to_text(time_alert),
        "alert_tense": tense_of(event, decision.role, time_alert),
        "alert_type": name.alert_type,
        "id": name.trig_id,
        "event_name": [name.event_name] if name.event_name else None,
        "role": decision.voevent_role,
        "record_number": name.revision + 1,
        "ivorn": name.ivorn,
        "mission": clean_text(settings.mission),
        "instrument": instrument_of(event, settings),
        "messenger": "EM",
        "author": clean_text(settings.author_title),
        "contact_name": settings.contact_name and clean_text(settings.contact_name),
        "contact_email": settings.contact_email and clean_text(settings.contact_email),
    }


def _when_and_where(event: SourceEvent, place: Localization) -> dict[str, Json]:
    return {
        "trigger_time": _to_text(middle_of_exposure(event)),
        "trigger_time_error": time_error_s(event),
        "observation_start": _to_text(event.time_start),
        "observation_stop": _to_text(end_of_exposure(event)),
        "ra": ra_of(event),
        "dec": event.dec,
        "ra_dec_error": place.major_deg,
        "containment_probability": CONTAINMENT_PROBABILITY,
        "systematic_included": True,
        "ra_err_deg": place.ra_err_deg,
        "dec_err_deg": place.dec_err_deg,
    }


def _measurement(event: SourceEvent) -> dict[str, Json]:
    half_hz, previous = event.freq_bw_hz / 2, time_previous_of(event)
    return {
        "spectral_band": [
            (event.freq_eff_hz - half_hz) / 1e6,
            (event.freq_eff_hz + half_hz) / 1e6,
        ],
        "spectral_band_units": "MHz",
        "trigger_type": "image",
        "image_snr": event.snr,
        "image_duration": usable_exposure_s(event),
        "flux_density": event.flux_peak_jy_beam * _ERG_PER_CM2_S_HZ_PER_JY,
        "flux_density_error": event.flux_peak_err_jy_beam * _ERG_PER_CM2_S_HZ_PER_JY,
        "flux_density_unit": "erg/cm2/s/Hz",
        "flux_density_spectral_point": event.freq_eff_hz / 1e6,
        "flux_density_spectral_point_unit": "MHz",
        "peak_flux_jy": event.flux_peak_jy_beam,
        "peak_flux_err_jy": event.flux_peak_err_jy_beam,
        "flux_int_jy": event.flux_int_jy,
        "flux_int_err_jy": event.flux_int_err_jy,
        "rms_local_jy_beam": event.rms_local_jy_beam,
        "limit_previous_jy_beam": event.limit_previous_jy_beam,
        "look_back": clean_text(event.look_back[:_MAX_CODE_CHARS]),
        "n_look_back": event.n_look_back,
        "previous_flux_jy": event.flux_previous_jy_beam,
        "previous_flux_err_jy": event.flux_previous_err_jy_beam,
        "previous_time": None if previous is None else _to_text(previous),
        "stokes": clean_text(event.stokes),
    }


def _provenance(
    event: SourceEvent, name: AlertName, decision: Decision, time_alert: datetime
) -> dict[str, Json]:
    eta, v = variability_of(event)
    return {
        "kind": clean_text(event.transient_kind or event.kind),
        "rule": decision.rule and clean_text(decision.rule),
        "storm_release": decision.storm_release,
        "importance": decision.importance,
        "update_message": note_of(event),
        "certainty": clean_text(event.certainty),
        "stream": clean_text(event.stream),
        "source_id": event.source_id,
        "transient_id": event.transient_id,
        "image_id": clean_text(event.image_id),
        "n_datapoints": event.n_datapoints,
        "n_forced": event.n_forced,
        "eta": eta,
        "v": v,
        "n_episodes": event.n_episodes,
        "trigger": trigger_of(event),
        "trigger_sigma": event.trigger_sigma,
        "expected_flux_jy": event.flux_expected_jy_beam,
        "expected_flux_err_jy": event.flux_expected_err_jy_beam,
        "rate_arcsec_s": event.rate_arcsec_s,
        "rate_err_arcsec_s": event.rate_err_arcsec_s,
        "direction_deg": event.direction_deg,
        "eta_peak": event.eta_peak,
        "v_peak": event.v_peak,
        "eta_blind": event.eta_blind,
        "v_blind": event.v_blind,
        "quality_flags": event.quality_flags,
        "p_false": event.p_false,
        "quality": names_of(event.quality_flags),
        "extraction_type": clean_text(event.extraction_type),
        "cited_ivorn": name.cited[-1] if name.cited else None,
        "cited_ivorns": list(name.cited),
        "provenance": {"pipeline": name_pipeline(), "event_id": clean_text(event.event_id)},
        "latency_s": latencies_s(event, time_alert),
    }
