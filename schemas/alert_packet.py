"""The Avro alert packet of topic `alerts-avro-v1`, as frozen dataclasses."""

from dataclasses import dataclass, fields
from datetime import datetime
from operator import attrgetter
from typing import Any

from schemas.codec import encode_record

__all__ = [
    "AlertPacket",
    "AlertSource",
    "CatalogueMatch",
    "Measurement",
    "Stamp",
    "UpperLimit",
    "encode_alert_packet",
]


@dataclass(frozen=True, slots=True)
class Measurement:
    """A measurement of a source in one image, blind or forced."""

    image_id: str
    time_start: datetime
    exposure_s: float
    freq_eff_hz: float
    freq_bw_hz: float
    stokes: str
    extraction_type: str
    flux_peak_jy_beam: float
    flux_peak_err_jy_beam: float
    flux_int_jy: float
    flux_int_err_jy: float
    snr: float
    rms_local_jy_beam: float
    limit_jy_beam: float | None = None


@dataclass(frozen=True, slots=True)
class UpperLimit:
    """An image that covers a position and has no measurement of its source."""

    time_start: datetime
    freq_eff_hz: float
    freq_bw_hz: float
    stokes: str
    limit_jy_beam: float


@dataclass(frozen=True, slots=True)
class AlertSource:
    """A source in the running catalogue; its errors include the systematic one.

    Its two ids are keys of one installation, and names of nothing elsewhere.
    """

    source_id: int
    transient_id: int
    ra: float
    dec: float
    ra_err_deg: float
    dec_err_deg: float
    systematic_err_deg: float | None
    eta: float | None
    v: float | None
    n_datapoints: int
    n_forced: int
    n_episodes: int


@dataclass(frozen=True, slots=True)
class CatalogueMatch:
    """The source of a reference catalogue that is nearest to a position."""

    catalogue: str
    ra: float
    dec: float
    distance_arcsec: float
    source_name: str | None = None
    flux_jy: float | None = None


@dataclass(frozen=True, slots=True)
class Stamp:
    """An image of the surroundings, as a FITS file."""

    name: str
    fits: bytes


@dataclass(frozen=True, slots=True)
class AlertPacket:
    """An alert with the history of its source, in the manner of Rubin's and ZTF's."""

    ivorn: str
    trig_id: str
    event_name: str | None
    alert_type: str
    role: str
    kind: str
    certainty: str
    revision: int
    cited_ivorns: tuple[str, ...]
    time_alert: datetime
    stream: str
    telescope: str | None
    rule: str | None
    importance: float
    false_alarms_per_day: float | None
    note: str | None
    quality_flags: int
    source: AlertSource
    trigger: Measurement
    timestep: tuple[Measurement, ...] = ()
    previous: tuple[Measurement, ...] = ()
    limits: tuple[UpperLimit, ...] = ()
    matches: tuple[CatalogueMatch, ...] = ()
    stamps: tuple[Stamp, ...] = ()
    p_false: float | None = None
    rate_arcsec_s: float | None = None
    rate_err_arcsec_s: float | None = None
    direction_deg: float | None = None
    alert_tense: str | None = None
    mission: str | None = None
    instrument: str | None = None
    author: str | None = None
    contact_name: str | None = None
    contact_email: str | None = None
    position_a_error: float | None = None
    position_b_error: float | None = None
    position_error_pa: float | None = None
    flux_change: str | None = None
    flux_change_against: str | None = None
    flux_factor: float | None = None
    flux_change_sigma: float | None = None
    light_curve_url: str | None = None
    data_archive_page: str | None = None
    limit_previous_jy_beam: float | None = None
    flux_expected_jy_beam: float | None = None
    flux_expected_err_jy_beam: float | None = None


_Part = AlertPacket | AlertSource | CatalogueMatch | Measurement | Stamp | UpperLimit
_LISTS = ("timestep", "previous", "limits", "matches", "stamps")
_NAMES = {
    each: tuple(field.name for field in fields(each))
    for each in (AlertPacket, AlertSource, CatalogueMatch, Measurement, Stamp, UpperLimit)
}
_VALUES_OF = {each: attrgetter(*names) for each, names in _NAMES.items()}


def encode_alert_packet(packet: AlertPacket) -> bytes:
    """Return the Avro bytes of an alert, after the five-byte prefix of a schema registry."""
    record = _to_record(packet) | {
        "cited_ivorns": list(packet.cited_ivorns),
        "source": _to_record(packet.source),
        "trigger": _to_record(packet.trigger),
        **{name: [_to_record(each) for each in getattr(packet, name)] for name in _LISTS},
    }
    return encode_record("alert_packet", record)


def _to_record(value: _Part) -> dict[str, Any]:
    """Return the fields of a dataclass; `asdict` copies each value and takes 20 times as long."""
    kind = type(value)
    return dict(zip(_NAMES[kind], _VALUES_OF[kind](value), strict=True))
