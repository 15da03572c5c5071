"""The rows of a packet that an event carries itself: image, detection, association, provenance.

What a reader cannot tell from the name of a row has a UCD: the packet stays below 10 kB.
"""

from datetime import UTC, datetime

from schemas.messages import SourceEvent
from schemas.quality import names_of
from services.alert.models import Decision
from services.alert.steps.facts import (
    Row,
    latencies_s,
    name_pipeline,
    time_previous_of,
    trigger_of,
    variability_of,
)
from services.alert.steps.localization import Localization

__all__ = ["association_rows", "detection_rows", "image_rows", "provenance_rows", "to_iso"]

_MAX_CODE_CHARS = 20


def to_iso(time: datetime) -> str:
    """Return a time as VOEvent writes it."""
    return time.astimezone(UTC).replace(tzinfo=None).isoformat()


def _to_utc(time: datetime) -> str:
    """Return a time as parameters have it: it says that it is UTC."""
    return f"{to_iso(time)}Z"


def image_rows(event: SourceEvent) -> list[Row]:
    """Return what image an event is of."""
    return [
        ("image_id", event.image_id, "", "meta.id"),
        ("stream", event.stream, "", ""),
        ("telescope", event.telescope, "", "instr.tel"),
        ("time_start", _to_utc(event.time_start), "", "time.start"),
        ("int_time", float(event.exposure_s), "s", "time.duration"),
        ("centre_frequency", event.freq_eff_hz / 1e6, "MHz", "em.freq"),
        ("bandwidth", event.freq_bw_hz / 1e6, "MHz", "instr.bandwidth"),
        ("stokes", event.stokes, "", "phys.polarization.stokes"),
        ("bmaj", float(event.beam_major_deg), "deg", "phys.angSize.smajAxis"),
        ("bmin", float(event.beam_minor_deg), "deg", "phys.angSize.sminAxis"),
        ("bpa", float(event.beam_pa_deg), "deg", "pos.posAng"),
    ]


def detection_rows(event: SourceEvent, place: Localization) -> list[Row]:
    """Return what was measured."""
    flux, error = "phot.flux.density;em.radio", ""
    limit = event.limit_previous_jy_beam
    return [
        ("peak_flux", float(event.flux_peak_jy_beam), "Jy/beam", flux),
        ("peak_flux_error", float(event.flux_peak_err_jy_beam), "Jy/beam", error),
        ("int_flux", float(event.flux_int_jy), "Jy", flux),
        ("int_flux_error", float(event.flux_int_err_jy), "Jy", error),
        ("snr", float(event.snr), "", "stat.snr"),
        ("local_rms", float(event.rms_local_jy_beam), "Jy/beam", ""),
        ("previous_limit", None if limit is None else float(limit), "Jy/beam", flux),
        ("look_back", event.look_back[:_MAX_CODE_CHARS] or None, "", ""),
        *_previous_rows(event, flux, error),
        ("ra_error", place.ra_err_deg, "deg", ""),
        ("dec_error", place.dec_err_deg, "deg", ""),
        ("extraction_type", event.extraction_type, "", ""),
        ("quality_flags", int(event.quality_flags), "", ""),
        ("p_false", event.p_false, "", ""),
        # XPath 1.0 cannot test bits of a number: filters use these.
        *[(f"is_{name}", "true", "", "") for name in names_of(event.quality_flags)],
    ]


def _previous_rows(event: SourceEvent, flux: str, error: str) -> list[Row]:
    """Return what earlier images of the band show at the place of a new source."""
    time_previous = time_previous_of(event)
    if time_previous is None:
        return []
    return [
        ("n_look_back", int(event.n_look_back), "", ""),
        ("previous_flux", event.flux_previous_jy_beam, "Jy/beam", flux),
        ("previous_flux_error", event.flux_previous_err_jy_beam, "Jy/beam", error),
        ("previous_time", _to_utc(time_previous), "", "time.start"),
    ]


def association_rows(event: SourceEvent, decision: Decision) -> list[Row]:
    """Return what the catalogue and the rule say."""
    eta, v = variability_of(event)
    return [
        ("kind", event.transient_kind or event.kind, "", ""),
        ("rule", decision.rule, "", ""),
        ("storm_release", decision.storm_release, "", ""),
        ("certainty", event.certainty, "", ""),
        ("n_datapoints", int(event.n_datapoints), "", ""),
        ("n_bands", int(event.n_bands), "", ""),
        ("n_forced", int(event.n_forced), "", ""),
        ("eta_nu", eta, "", ""),
        ("V_nu", v, "", ""),
        ("n_episodes", int(event.n_episodes), "", ""),
        ("trigger", trigger_of(event), "", ""),
        ("trigger_significance", event.trigger_sigma, "", "stat.snr"),
        ("expected_flux", event.flux_expected_jy_beam, "Jy/beam", "phot.flux.density;em.radio"),
        (
            "expected_flux_error",
            event.flux_expected_err_jy_beam,
            "Jy/beam",
            "",
        ),
        ("angular_rate", event.rate_arcsec_s, "arcsec/s", "pos.pm"),
        ("angular_rate_error", event.rate_err_arcsec_s, "arcsec/s", ""),
        ("direction", event.direction_deg, "deg", "pos.posAng"),
        ("eta_nu_peak", event.eta_peak, "", ""),
        ("V_nu_peak", event.v_peak, "", ""),
        ("eta_nu_blind", event.eta_blind, "", ""),
        ("V_nu_blind", event.v_blind, "", ""),
    ]


def provenance_rows(event: SourceEvent, time_alert: datetime) -> list[Row]:
    """Return software, event and latencies."""
    rows: list[Row] = [
        ("pipeline_version", name_pipeline(), "", ""),
        ("event_id", event.event_id, "", "meta.id"),
    ]
    for stage, seconds in latencies_s(event, time_alert).items():
        rows.append((f"latency_{stage}", seconds, "s", ""))
    return rows
