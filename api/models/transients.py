"""Transients: episodes of activity of sources."""

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
    """An episode of activity of a source."""

    id: int
    source_id: int
    trig_id: str = Field(description="Identifier of its alert family")
    kind: str = Field(
        description="new_source, variable, faded, vanished, returned or moving: what began it"
    )
    n_episodes: int = Field(description="Number of this episode of its source, from 1")
    trigger: str = Field(
        description="Test that raised it: new, single, window:N (looks), history, missed or track"
    )
    trigger_sigma: float | None = Field(description="Significance of that test [sigma]")
    flux_expected_jy_beam: float | None = Field(
        description="Peak flux that the looks before gave reason to expect [Jy/beam]"
    )
    flux_expected_err_jy_beam: float | None = Field(description="1 sigma [Jy/beam]")
    rate_arcsec_s: float | None = Field(description="Angular rate of a moving object [arcsec/s]")
    direction_deg: float | None = Field(
        description="Position angle of its motion, north through east [deg]"
    )
    time_peak: datetime = Field(description="Start of the exposure of its largest peak flux")
    flux_peak_max_jy_beam: float | None = Field(description="That flux [Jy/beam]")
    time_end: datetime | None = Field(description="When it ended; null while it goes on")
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
    eta_peak: float | None = Field(description="eta of the peak flux")
    v_peak: float | None = Field(description="v in the band of eta_peak")
    eta_blind: float | None = Field(description="eta of the blind points alone")
    v_blind: float | None = Field(description="v in the band of eta_blind")
    eta_peak_blind: float | None = Field(description="eta_peak of the blind points alone")
    v_peak_blind: float | None = Field(description="v in the band of eta_peak_blind")
    n_datapoints: int = Field(description="Points of its light curve, blind and forced, now")
    n_forced: int = Field(description="Forced points among them, now")
    stream: str
    alerts: list[AlertName]


class TransientDetail(TransientItem):
    """A transient with the statistics of its light curve, by band."""

    bands: list[BandStatistics]
