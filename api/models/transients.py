"""Transients: new and variable sources."""

from datetime import datetime

from pydantic import Field

from api.models.base import Model
from api.models.sources import BandStatistics

__all__ = ["AlertName", "TransientDetail", "TransientItem"]


class AlertName(Model):
    """An alert about a transient."""

    id: int
    ivorn: str
    alert_type: str = Field(description="initial, subsequent, update or retraction")


class TransientItem(Model):
    """A new or variable source."""

    id: int
    source_id: int
    trig_id: str = Field(description="Identifier of its alert family")
    kind: str = Field(description="new_source or variable")
    state: str = Field(description="active or retracted")
    retracted_because: str | None = Field(description="Reason of the retraction")
    certainty: str = Field(description="certain or possible")
    ra: float = Field(description="ICRS [deg]")
    dec: float = Field(description="ICRS [deg]")
    ra_err_deg: float | None = Field(description="1 sigma on the sky [deg]")
    dec_err_deg: float | None = Field(description="1 sigma on the sky [deg]")
    time_start: datetime = Field(description="Start of the exposure that triggered it")
    time_detected: datetime = Field(description="When it was classified as a transient")
    flux_peak_jy_beam: float | None = Field(description="At detection [Jy/beam]")
    snr: float | None = Field(description="Peak over local rms, at detection")
    eta: float | None = Field(description="Reduced chi-square against a constant flux, now")
    v: float | None = Field(description="Coefficient of variation, now")
    n_datapoints: int = Field(description="Points of its light curve, now")
    stream: str
    alerts: list[AlertName]


class TransientDetail(TransientItem):
    """A transient with the statistics of its light curve, by band."""

    bands: list[BandStatistics]
