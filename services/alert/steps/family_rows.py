"""What a follow-up packet says of the band of its family's first alert: then, and now.

The headline of an update is the detection that gave reason for it, in whatever band (ADR 0104).
"""

from dataclasses import replace

from schemas.messages import SourceEvent
from services.alert.models import AlertHistory, EventContext, FirstAlert
from services.alert.steps.facts import Row, round_to, to_text

__all__ = ["add_facts_of_first", "family_rows"]


def add_facts_of_first(event: SourceEvent, before: AlertHistory) -> SourceEvent:
    """Return a follow-up with what only the first event of its family says.

    That is when the limit before was observed, and, in the same band, what flux was expected.
    """
    if event.time_limit_previous is None and before.time_limit_previous is not None:
        event = replace(event, time_limit_previous=before.time_limit_previous)
    first = before.first_alert
    if (
        first is None
        or event.flux_expected_jy_beam is not None
        or not _is_in_band(first, event.freq_eff_hz, event.freq_bw_hz, event.stokes)
    ):
        return event
    return replace(
        event,
        flux_expected_jy_beam=first.expected_jy_beam,
        flux_expected_err_jy_beam=first.expected_err_jy_beam,
    )


def family_rows(event: SourceEvent, context: EventContext) -> list[Row]:
    """Return the flux of the first alert and the flux of its band now; none for a first alert.

    No factor is told where one of them is not positive, unless both are negative.
    """
    first = context.first_alert
    if first is None or event.kind == "storm":
        return []
    is_headline = _is_in_band(first, event.freq_eff_hz, event.freq_bw_hz, event.stokes)
    flux, error = (
        (event.flux_peak_jy_beam, event.flux_peak_err_jy_beam)
        if is_headline
        else _measure(first, context)
    )
    factor = flux / first.flux_jy_beam if flux and first.flux_jy_beam else 0.0
    return [
        ("headline_band", "first" if is_headline else "other", "", ""),
        ("first_alert_time", to_text(first.time_start), "", ""),
        ("first_alert_freq_mhz", round_to(first.freq_eff_hz / 1e6), "MHz", ""),
        ("first_alert_flux_jy_beam", round_to(first.flux_jy_beam), "Jy/beam", ""),
        ("first_alert_flux_err_jy_beam", round_to(first.flux_err_jy_beam), "Jy/beam", ""),
        ("first_band_flux_jy_beam", round_to(flux), "Jy/beam", ""),
        ("first_band_flux_err_jy_beam", round_to(error), "Jy/beam", ""),
        ("first_band_factor", round_to(factor) if factor > 0 else None, "", ""),
    ]


def _measure(first: FirstAlert, context: EventContext) -> tuple[float | None, float | None]:
    """Return what the timestep has of the band of the first alert: peak flux and error."""
    for band in context.bands:
        if band.point is not None and _is_in_band(
            first, band.freq_eff_hz, band.freq_bw_hz, band.stokes
        ):
            return band.point.flux_peak_jy_beam, band.point.flux_peak_err_jy_beam
    return None, None


def _is_in_band(first: FirstAlert, freq_eff_hz: float, freq_bw_hz: float, stokes: str) -> bool:
    """Return whether a band has the frequency of the first alert, or is within 1 Hz of it."""
    distance_hz = abs(freq_eff_hz - first.freq_eff_hz)
    return stokes == first.stokes and distance_hz <= max(freq_bw_hz / 2, 1.0)
