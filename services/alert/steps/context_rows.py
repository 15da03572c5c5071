"""The context of an event as rows with names and units: packet and notice say the same.

Few have a UCD: the packet stays below 10 kB.
"""

import math
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import quote

from runtime.settings import AlertSettings
from schemas.identity import stamp_id
from schemas.messages import SourceEvent
from services.alert.models import BandFlux, EventContext, History, Point
from services.alert.steps.facts import (
    Row,
    clean_text,
    end_of_exposure,
    middle_of_exposure,
    ra_of,
    round_to,
    time_limit_of,
    to_text,
    usable_exposure_s,
)
from services.alert.steps.family_rows import family_rows
from services.alert.steps.localization import Localization, find_localization
from sky.geometry import to_galactic

__all__ = [
    "BAND_COLUMNS",
    "MATCH_COLUMNS",
    "Cell",
    "ContextTables",
    "describe_context",
]

_MAX_BANDS = 12
_MAX_MATCHES = 10
# Twelve bands have a hundred numbers.
_TABLE_DIGITS = 5
_SECONDS_PER_DAY = 86_400.0
_STAMPS = ("now", "before", "difference")
# Stokes parameters and products of receptors that may be negative.
_SIGNED_STOKES = frozenset({"Q", "U", "V", "RL", "LR", "XY", "YX"})

# Columns of the tables: name, unit, UCD.
BAND_COLUMNS = (
    ("freq_mhz", "MHz", ""),
    ("bandwidth_mhz", "MHz", ""),
    ("stokes", "", ""),
    ("extraction_type", "", ""),
    ("flux_peak_jy_beam", "Jy/beam", ""),
    ("flux_peak_err_jy_beam", "Jy/beam", ""),
    ("flux_int_jy", "Jy", ""),
    ("flux_int_err_jy", "Jy", ""),
    ("snr", "", ""),
    ("limit_jy_beam", "Jy/beam", ""),
    ("is_headline", "", ""),
)
MATCH_COLUMNS = (
    ("catalogue", "", ""),
    ("source_name", "", ""),
    ("distance_arcsec", "arcsec", ""),
    ("ra", "deg", ""),
    ("dec", "deg", ""),
    ("flux_jy", "Jy", ""),
)
Cell = str | float | bool | None
_Table = list[tuple[Cell, ...]]


@dataclass(frozen=True, slots=True)
class ContextTables:
    """What is known of a source beside its event, in the words of packet and notice.

    Parameters
    ----------
    place : Localization
        Errors of the position.
    localization, history, spectrum, significance, links : list of Row
        Name, value, unit and UCD of each fact.
    bands, matches : list of tuple
        Cells of `BAND_COLUMNS` and `MATCH_COLUMNS`.
    """

    place: Localization
    localization: list[Row]
    history: list[Row]
    spectrum: list[Row]
    significance: list[Row]
    links: list[Row]
    bands: _Table
    matches: _Table


def describe_context(
    event: SourceEvent, context: EventContext, settings: AlertSettings
) -> ContextTables:
    """Return the context of an event as packet and notice have it, made once for both."""
    place = find_localization(event, settings)
    return ContextTables(
        place=place,
        localization=_localization_rows(event, context, place),
        history=_history_rows(event, context),
        spectrum=_spectrum_rows(context),
        significance=_significance_rows(context),
        links=_link_rows(event, settings),
        bands=_band_table(context),
        matches=_match_table(context),
    )


def _band_table(context: EventContext) -> _Table:
    """Return the bands of the timestep, the headline and at most 11 others of largest S/N."""
    ranked = sorted(context.bands, key=_rank, reverse=True)[:_MAX_BANDS]
    return [_to_band_cells(band) for band in context.bands if band in ranked]


def _rank(band: BandFlux) -> tuple[bool, float]:
    snr = -math.inf if band.point is None else band.point.snr
    return band.is_headline, snr if math.isfinite(snr) else -math.inf


def _to_band_cells(band: BandFlux) -> tuple[Cell, ...]:
    point = band.point
    fluxes: tuple[float | None, ...] = (None,) * 5
    if point is not None:
        fluxes = (
            point.flux_peak_jy_beam,
            point.flux_peak_err_jy_beam,
            point.flux_int_jy,
            point.flux_int_err_jy,
            point.snr,
        )
    return (
        round_to(band.freq_eff_hz / 1e6),
        round_to(band.freq_bw_hz / 1e6),
        band.stokes,
        "limit" if point is None else point.extraction_type,
        *(round_to(each, _TABLE_DIGITS) for each in fluxes),
        round_to(band.limit_jy_beam, _TABLE_DIGITS),
        band.is_headline,
    )


def _match_table(context: EventContext) -> _Table:
    """Return the nearest source of each reference catalogue within 1 arcmin, at most ten."""
    return [
        (
            match.catalogue,
            match.source_name and clean_text(match.source_name),
            round_to(match.distance_arcsec),
            match.ra,
            match.dec,
            round_to(match.flux_jy),
        )
        for match in context.matches[:_MAX_MATCHES]
    ]


def _spectrum_rows(context: EventContext) -> list[Row]:
    """Return the spectral index over the bands of the timestep, S ~ nu^index."""
    index = context.spectral_index
    return [
        ("spectral_index", None if index is None else round_to(index.value), "", ""),
        (
            "spectral_index_error",
            None if index is None else round_to(index.err),
            "",
            "",
        ),
    ]


def _localization_rows(
    event: SourceEvent, context: EventContext, place: Localization
) -> list[Row]:
    """Return the ellipse of 90 %, its parts, and where the position lies."""
    longitude_deg, latitude_deg = (
        to_galactic(ra_of(event), event.dec) if math.isfinite(event.dec) else (math.nan, math.nan)
    )
    return [
        ("position_a_error", round_to(place.major_deg), "deg", ""),
        ("position_b_error", round_to(place.minor_deg), "deg", ""),
        ("position_error_pa", place.pa_deg, "deg", ""),
        ("ra_stat_err_deg", round_to(place.ra_stat_deg), "deg", ""),
        ("dec_stat_err_deg", round_to(place.dec_stat_deg), "deg", ""),
        ("systematic_err_deg", round_to(place.systematic_deg), "deg", ""),
        ("gal_l_deg", round_to(longitude_deg, 9), "deg", ""),
        ("gal_b_deg", round_to(latitude_deg, 9), "deg", ""),
        ("field_distance_deg", round_to(context.field_distance_deg), "deg", ""),
        ("edge_distance_deg", round_to(event.edge_distance_deg), "deg", ""),
    ]


def _history_rows(event: SourceEvent, context: EventContext) -> list[Row]:
    """Return what the source was before, in the band of the event, and how fast it changes."""
    history = context.history
    limit = event.limit_previous_jy_beam
    has_limit = limit is not None
    changes = _change_rows(event, history)
    is_fainter = changes[0][1] == "fainter"
    return [
        ("n_looks", history.n_looks, "", ""),
        ("n_detections", history.n_detections, "", ""),
        *_last_rows(history.last),
        ("mean_flux_jy_beam", round_to(history.mean_jy_beam), "Jy/beam", ""),
        ("mean_flux_err_jy_beam", round_to(history.mean_err_jy_beam), "Jy/beam", ""),
        ("limit_previous_time", to_text(time_limit_of(event)), "", ""),
        ("limit_previous_freq_mhz", round_to(event.freq_eff_hz / 1e6) if has_limit else None,
         "MHz", ""),
        ("last_non_detection", to_text(history.time_last_non_detection), "", ""),
        *changes,
        *_time_scale_rows(event, history, is_fainter=is_fainter),
        *family_rows(event, context),
    ]  # fmt: skip


def _last_rows(last: Point | None) -> list[Row]:
    """Return the newest measurement before the event."""
    flux = None if last is None else round_to(last.flux_peak_jy_beam)
    error = None if last is None else round_to(last.flux_peak_err_jy_beam)
    return [
        ("last_flux_jy_beam", flux, "Jy/beam", ""),
        ("last_flux_err_jy_beam", error, "Jy/beam", ""),
        ("last_flux_time", None if last is None else to_text(last.time_start), "", ""),
        ("last_flux_type", None if last is None else last.extraction_type, "", ""),
    ]


def _change_rows(event: SourceEvent, history: History) -> list[Row]:
    """Return factor and sign of the change against what was before.

    A negative flux is brighter the lower it is, in Stokes parameters that may be negative; of
    noise below zero no factor is told. Over a limit the factor is a least one: the source was
    fainter than that.
    """
    flux = event.flux_peak_jy_beam
    sign = -1.0 if flux < 0 and event.stokes in _SIGNED_STOKES else 1.0
    against, before, before_err = _find_before(event, history)
    change = "unknown"
    factor = sigma = None
    if before_err is not None:
        change = "brighter" if sign * flux > sign * before else "fainter"
        is_measured = sign * before > max(3 * before_err, 0.0) and sign * flux > 0
        factor = flux / before if is_measured else None
        error = math.hypot(event.flux_peak_err_jy_beam, before_err)
        sigma = sign * (flux - before) / error if error > 0 else None
    elif against is not None:
        change, factor = "brighter", sign * flux / before
    return [
        ("flux_change", change, "", ""),
        ("flux_change_against", against, "", ""),
        ("flux_factor", round_to(factor), "", ""),
        ("flux_change_sigma", round_to(sigma), "", ""),
    ]


def _find_before(event: SourceEvent, history: History) -> tuple[str | None, float, float | None]:
    """Return what a flux is compared with: its name, a flux, and its error if it is no limit.

    That is what the test of the change expected: the mean has earlier changes in it, too.
    """
    limit = event.limit_previous_jy_beam
    expected, expected_err = event.flux_expected_jy_beam, event.flux_expected_err_jy_beam
    if event.kind == "storm" or not math.isfinite(event.flux_peak_jy_beam):
        return None, math.nan, None  # of no source, or of no flux: nothing is known
    if expected is not None and expected_err is not None:
        return "expected", expected, expected_err
    if history.mean_jy_beam is not None and history.mean_err_jy_beam is not None:
        return "mean", history.mean_jy_beam, history.mean_err_jy_beam
    if limit is not None and limit > 0:
        return "limit", limit, None
    return None, math.nan, None


def _time_scale_rows(event: SourceEvent, history: History, *, is_fainter: bool) -> list[Row]:
    """Return the longest time of its rise or its fall, and how long it is seen [s].

    It rose since it was last looked at and not seen, or else since it was last no brighter than
    its mean; it fell since it was last no fainter than that.
    """
    start = middle_of_exposure(event) - timedelta(seconds=usable_exposure_s(event) / 2)
    dark, first = history.time_last_non_detection, history.time_first_detection
    before = history.time_before_change
    risen_since = None if is_fainter else dark or before
    fallen_since = before if is_fainter else None
    seen_s = None
    if event.kind != "storm":  # of no source
        seen_s = (end_of_exposure(event) - (first or event.time_start)).total_seconds()
    rise_s = None if risen_since is None else (start - risen_since).total_seconds()
    fall_s = None if fallen_since is None else (start - fallen_since).total_seconds()
    return [
        ("rise_time_max_s", round_to(rise_s), "s", ""),
        ("fall_time_max_s", round_to(fall_s), "s", ""),
        ("seen_for_s", round_to(seen_s), "s", ""),
    ]


def _significance_rows(context: EventContext) -> list[Row]:
    """Return how many false alarms are expected, of this S/N or more, in this stream and here."""
    per_day = context.false_alarms_per_day
    rate_hz = None if per_day is None else per_day / _SECONDS_PER_DAY
    return [
        ("far", round_to(rate_hz), "Hz", ""),
        ("false_alarms_per_day", round_to(per_day), "1/d", ""),
        ("n_retracted_here", context.n_retracted_here, "", ""),
    ]


def _link_rows(event: SourceEvent, settings: AlertSettings) -> list[Row]:
    """Return the addresses of light curve, image and stamps, if the API has a public one.

    Those of stamps are known before the stamps are cut.
    """
    if settings.public_url is None or not event.source_id:
        return []
    base = f"{str(settings.public_url).rstrip('/')}/api/v1"
    image = quote(clean_text(event.image_id), safe="")
    light_curve = f"{base}/sources/{event.source_id}/lightcurve"
    stamps = {
        role: f"{base}/stamps/{quote(clean_text(stamp_id(event.trig_id, role)), safe='')}"
        for role in _STAMPS
    }
    return [
        ("light_curve_url", light_curve, "", ""),
        ("image_url", f"{base}/images/{image}", "", ""),
        *((f"stamp_{role}_url", address, "", "") for role, address in stamps.items()),
    ]
