"""What the API answers; the field names are those of the database and of Avro."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "AlertDeliveries",
    "AlertEvent",
    "AlertItem",
    "AlertName",
    "BandStatistics",
    "Cone",
    "DeliveryItem",
    "ImageItem",
    "LatencyStage",
    "Ledger",
    "LightCurve",
    "LightCurvePoint",
    "LightCurveStatistics",
    "Monitor",
    "NewMonitor",
    "Page",
    "Slo",
    "SourceDetail",
    "SourceItem",
    "StreamLedger",
    "TransientDetail",
    "TransientItem",
]

Item = TypeVar("Item")


class _Model(BaseModel):
    # An infinite or undefined number is null in JSON.
    model_config = ConfigDict(frozen=True, ser_json_inf_nan="null")


@dataclass(frozen=True, slots=True)
class Cone:
    """A circle on the sky [deg]."""

    ra: float
    dec: float
    radius_deg: float


class Page(_Model, Generic[Item]):
    """One page of a list."""

    items: list[Item]
    next: str | None = Field(description="Cursor of the next page; null at the end")


class AlertName(_Model):
    """An alert about a transient."""

    id: int
    ivorn: str
    alert_type: str


class TransientItem(_Model):
    """A source that appeared or varies."""

    id: int
    source_id: int
    trig_id: str = Field(description="Name of its alert family")
    kind: str = Field(description="new_source or variable")
    state: str = Field(description="active or retracted")
    retracted_because: str | None = Field(description="Why it was taken back")
    certainty: str = Field(description="certain or possible")
    ra: float = Field(description="ICRS [deg]")
    dec: float = Field(description="ICRS [deg]")
    ra_err_deg: float | None = Field(description="1 sigma on the sky [deg]")
    dec_err_deg: float | None = Field(description="1 sigma on the sky [deg]")
    time_start: datetime = Field(description="Start of the exposure that showed it")
    time_detected: datetime = Field(description="When the associator decided")
    flux_peak_jy_beam: float | None = Field(description="[Jy/beam]")
    snr: float | None = Field(description="Peak over local rms")
    eta: float | None = Field(description="Reduced chi-square against a constant flux, now")
    v: float | None = Field(description="Coefficient of variation, now")
    n_datapoints: int = Field(description="Points of its light curve, now")
    stream: str
    alerts: list[AlertName]


class BandStatistics(_Model):
    """A source in one band and Stokes parameter."""

    freq_eff_hz: float = Field(description="[Hz]")
    freq_bw_hz: float = Field(description="[Hz]")
    stokes: str
    n_datapoints: int
    flux_int_mean_jy: float | None = Field(description="[Jy]")
    flux_int_max_jy: float | None = Field(description="[Jy]")
    eta: float | None
    v: float | None
    flux_int_wmean_jy: float | None = Field(description="Mean weighted by 1/err^2 [Jy]")
    flux_int_wmean_err_jy: float | None = Field(description="1 sigma [Jy]")
    flux_peak_mean_jy_beam: float | None = Field(description="[Jy/beam]")
    eta_peak: float | None = Field(description="eta of the peak brightness")
    v_peak: float | None = Field(description="v of the peak brightness")


class TransientDetail(TransientItem):
    """A transient with the summary of its light curve."""

    bands: list[BandStatistics]


class SourceItem(_Model):
    """A source of the running catalogue."""

    id: int
    parent_source_id: int | None = Field(description="The source it split off from")
    stream: str
    ra: float = Field(description="Weighted mean, ICRS [deg]")
    dec: float = Field(description="Weighted mean, ICRS [deg]")
    ra_err_deg: float | None = Field(description="1 sigma on the sky, systematics included [deg]")
    dec_err_deg: float | None = Field(description="1 sigma on the sky, systematics included [deg]")
    n_datapoints: int
    eta: float | None = Field(description="Largest of its bands")
    v: float | None = Field(description="In the same band")
    first_time_start: datetime
    last_time_start: datetime
    is_new: bool
    is_variable: bool
    spectral_index: float | None = Field(
        description="alpha of S ~ freq^alpha, over the weighted means of the bands, Stokes I"
    )
    spectral_index_err: float | None = Field(description="1 sigma")
    bands: list[BandStatistics]


class LightCurveStatistics(_Model):
    """What the newest points of a light curve say, in one channel and look-back."""

    freq_eff_hz: float = Field(description="[Hz]")
    freq_bw_hz: float = Field(description="[Hz]")
    stokes: str
    quantity: str = Field(
        description="flux_int_jy or flux_peak_jy_beam: unit of max, mean, median"
    )
    look_back_s: float | None = Field(description="Before the newest point [s]; null: no limit")
    n_datapoints: int
    max: float | None
    mean: float | None
    median: float | None
    eta: float | None = Field(description="Reduced chi-square against a constant flux")
    v: float | None = Field(description="Coefficient of variation")
    vs: float | None = Field(
        description="Difference by its error, of the neighbours that differ most"
    )
    m: float | None = Field(description="Their difference by their mean")
    pair_time_start: datetime | None = Field(description="The later one of the two")


class SourceDetail(SourceItem):
    """A source with the statistics of its light curve."""

    statistics: list[LightCurveStatistics]


class LightCurvePoint(_Model):
    """One measurement."""

    time_start: datetime
    exposure_s: float | None = Field(description="[s]")
    freq_eff_hz: float = Field(description="[Hz]")
    freq_bw_hz: float = Field(description="[Hz]")
    stokes: str
    flux_int_jy: float | None = Field(description="[Jy]")
    flux_int_err_jy: float | None = Field(description="1 sigma [Jy]")
    flux_peak_jy_beam: float | None = Field(description="[Jy/beam]")
    flux_peak_err_jy_beam: float | None = Field(description="1 sigma [Jy/beam]")
    snr: float | None
    ra: float = Field(description="ICRS [deg]")
    dec: float = Field(description="ICRS [deg]")
    extraction_type: str = Field(description="blind, forced or monitor")
    quality_flags: int
    image_id: str = Field(description="sha256 of the image")


class LightCurve(_Model):
    """Every measurement of a source, in time order."""

    source_id: int
    points: list[LightCurvePoint]


class ImageItem(_Model):
    """What was observed and what became of it."""

    id: int
    image_id: str = Field(description="sha256")
    stream: str
    verdict: str = Field(description="accepted or rejected")
    reasons: list[str] = Field(description="Stable codes of a rejection")
    reason_text: str | None
    time_start: datetime | None
    exposure_s: float | None = Field(description="[s]")
    freq_eff_hz: float | None = Field(description="[Hz]")
    freq_bw_hz: float | None = Field(description="[Hz]")
    stokes: str | None
    beam_major_deg: float | None = Field(description="FWHM [deg]")
    beam_minor_deg: float | None = Field(description="FWHM [deg]")
    beam_pa_deg: float | None = Field(description="East of north [deg]")
    field_ra: float | None = Field(description="Centre, ICRS [deg]")
    field_dec: float | None = Field(description="Centre, ICRS [deg]")
    field_radius_deg: float | None = Field(description="Centre to farthest corner [deg]")
    width_px: int | None
    height_px: int | None
    telescope: str | None
    rms_jy_beam: float | None = Field(description="Median local rms [Jy/beam]")
    n_sources: int
    is_late: bool
    time_sent: datetime | None
    time_appended: datetime | None
    time_extracted: datetime | None
    time_associated: datetime


class AlertItem(_Model):
    """An alert that went out."""

    id: int
    ivorn: str
    trig_id: str
    revision: int
    alert_type: str = Field(description="initial, subsequent, update or retraction")
    role: str = Field(description="observation, utility, or test, which injections are too")
    kind: str = Field(description="new_source or variable")
    state: str = Field(description="retracted if this alert takes its family back, else active")
    stream: str
    transient_id: int | None
    source_id: int | None
    ra: float = Field(description="ICRS [deg]")
    dec: float = Field(description="ICRS [deg]")
    snr: float | None
    flux_peak_jy_beam: float | None = Field(description="[Jy/beam]")
    time_start: datetime
    time_alert: datetime
    latency_s: float | None = Field(description="From Kafka append of the image [s]")


class DeliveryItem(_Model):
    """That an alert was handed to somebody, and that they have it."""

    channel: str = Field(description="kafka, vtp, webhook or email")
    subscriber: str = Field(description="As it calls itself; anonymous if it does not say")
    time_handed: datetime
    time_acknowledged: datetime | None = Field(description="Null: not yet, or never")


class AlertDeliveries(_Model):
    """Who was handed an alert, the first in time first."""

    ivorn: str
    items: list[DeliveryItem]


class AlertEvent(AlertItem):
    """An alert on the stream, with what was sent."""

    notice: dict[str, Any] = Field(description="GCN-style notice")


class StreamLedger(_Model):
    """Image accounting of one stream."""

    stream: str
    outcomes: dict[str, int]


class Ledger(_Model):
    """Image accounting: every image that Kafka ever took, by outcome."""

    total: int
    outcomes: dict[str, int] = Field(description="processed, rejected, duplicate, late")
    reasons: dict[str, int] = Field(description="Rejected images by their first reason")
    streams: list[StreamLedger]


class LatencyStage(_Model):
    """How long a stage took."""

    stage: str
    n: int
    p50_s: float = Field(description="[s]")
    p90_s: float = Field(description="[s]")
    p99_s: float = Field(description="[s]")


class Slo(_Model):
    """Latencies of the last minutes, at most of the newest 20 000 images."""

    window_minutes: float
    stages: list[LatencyStage]


class NewMonitor(_Model):
    """A place to measure in every image of a stream."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"stream": "lofar-ncp", "name": "SN 2026abc", "ra": 123.4, "dec": 10.5}]
        },
    )

    stream: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", description="It may begin later"
    )
    name: str = Field("", max_length=100, description="What it is to you")
    ra: float = Field(ge=-360, le=360, allow_inf_nan=False, description="ICRS [deg]")
    dec: float = Field(ge=-90, le=90, allow_inf_nan=False, description="ICRS [deg]")


class Monitor(_Model):
    """A watched place."""

    id: int
    stream: str
    name: str
    ra: float = Field(description="ICRS [deg]")
    dec: float = Field(description="ICRS [deg]")
    source_id: int | None = Field(
        description="Its light curve is /sources/{source_id}/lightcurve; null until it has one"
    )
    time_created: datetime
