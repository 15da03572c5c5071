"""The Avro alert packet of topic `alerts-avro-v1`, as frozen dataclasses."""

from dataclasses import dataclass, fields
from datetime import datetime
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
    """A source in the running catalogue; its errors include the systematic one."""

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


_NAMES = {
    each: tuple(field.name for field in fields(each))
    for each in (AlertPacket, AlertSource, CatalogueMatch, Measurement, Stamp, UpperLimit)
}


def encode_alert_packet(packet: AlertPacket) -> bytes:
    """Return the Avro bytes of an alert, after the five-byte prefix of a schema registry."""
    return encode_record("alert_packet", _to_record(packet))


def _to_record(value: Any) -> Any:
    """Return dataclasses as dicts; `asdict` copies each value, which takes ten times as long."""
    if (names := _NAMES.get(type(value))) is not None:
        return {name: _to_record(getattr(value, name)) for name in names}
    if isinstance(value, tuple):
        return [_to_record(each) for each in value]
    return value
