"""Sources of the running catalogue."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from api.models.base import Model, Page
from api.models.lightcurves import LightCurveStatistics

__all__ = [
    "ArchivedSource",
    "BandStatistics",
    "RelatedSource",
    "SourceDetail",
    "SourceItem",
    "SourcePage",
]


SourceState = Literal["candidate", "confirmed", "dormant", "monitored", "archived"]


class BandStatistics(Model):
    """Statistics of a source in one band and Stokes parameter."""

    freq_eff_hz: float = Field(description="Centre frequency [Hz]")
    freq_bw_hz: float = Field(description="Bandwidth [Hz]")
    stokes: str
    n_datapoints: int = Field(description="Blind and forced points")
    n_forced: int = Field(description="Forced points among them")
    flux_int_mean_jy: float | None = Field(description="[Jy]")
    flux_int_max_jy: float | None = Field(description="[Jy]")
    eta: float | None = Field(description="Reduced chi-square against a constant flux")
    v: float | None = Field(description="Coefficient of variation")
    flux_int_wmean_jy: float | None = Field(description="Mean weighted by 1/err^2 [Jy]")
    flux_int_wmean_err_jy: float | None = Field(description="1 sigma [Jy]")
    flux_peak_mean_jy_beam: float | None = Field(description="[Jy/beam]")
    eta_peak: float | None = Field(description="eta of the peak flux")
    v_peak: float | None = Field(description="v of the peak flux")
    eta_blind: float | None = Field(description="eta of the blind points alone")
    v_blind: float | None = Field(description="v of the blind points alone")
    eta_peak_blind: float | None = Field(description="eta_peak of the blind points alone")
    v_peak_blind: float | None = Field(description="v_peak of the blind points alone")


class SourceItem(Model):
    """A source of the running catalogue."""

    id: int
    parent_source_id: int | None = Field(description="Source from which it was split")
    stream: str
    ra: float = Field(description="Weighted mean, ICRS [deg]")
    dec: float = Field(description="Weighted mean, ICRS [deg]")
    ra_err_deg: float | None = Field(
        description="1 sigma on the sky, systematic error included [deg]"
    )
    dec_err_deg: float | None = Field(
        description="1 sigma on the sky, systematic error included [deg]"
    )
    n_datapoints: int = Field(description="Points of its light curve, blind and forced")
    n_forced: int = Field(description="Forced points among them")
    eta: float | None = Field(
        description="Reduced chi-square of the integrated flux, forced points included; "
        "largest of its bands"
    )
    v: float | None = Field(description="Coefficient of variation in the same band")
    eta_peak: float | None = Field(description="eta of the peak flux")
    v_peak: float | None = Field(description="v in the band of eta_peak")
    eta_blind: float | None = Field(description="eta of the blind points alone")
    v_blind: float | None = Field(description="v in the band of eta_blind")
    eta_peak_blind: float | None = Field(description="eta_peak of the blind points alone")
    v_peak_blind: float | None = Field(description="v in the band of eta_peak_blind")
    flux_int_mean_jy: float | None = Field(
        description="Mean integrated flux, largest of its bands [Jy]"
    )
    flux_int_max_jy: float | None = Field(description="Largest integrated flux [Jy]")
    flux_int_last_jy: float | None = Field(
        description="Integrated flux of its newest own point, as of the last copy [Jy]"
    )
    flux_peak_mean_jy_beam: float | None = Field(
        description="Mean peak flux, largest of its bands [Jy/beam]"
    )
    flux_peak_last_jy_beam: float | None = Field(
        description="Peak flux of its newest own point, as of the last copy [Jy/beam]"
    )
    snr_max: float | None = Field(
        description="Largest peak over local rms of its own blind points, as of the last copy; "
        "late images do not raise it"
    )
    nearest_source_arcsec: float | None = Field(
        description="Distance to the nearest other source of the stream, as of one of its last "
        "16 points; null: none within 900 arcsec [arcsec]"
    )
    first_time_start: datetime = Field(description="Start of its first image")
    last_time_start: datetime = Field(description="Start of its newest image")
    is_new: bool = Field(description="An earlier image would have shown it and did not")
    is_variable: bool = Field(description="eta and v exceed the thresholds of the settings")
    spectral_index: float | None = Field(
        description="alpha of S ~ freq^alpha, over the weighted means of the bands, Stokes I"
    )
    spectral_index_err: float | None = Field(description="1 sigma")
    state: SourceState = Field(
        description="candidate: seen once and never announced; confirmed; dormant: not detected "
        "for so long that it is measured no more; monitored: the light curve of a monitor; "
        "archived: it left the running catalogue"
    )
    bands: list[BandStatistics]


class RelatedSource(Model):
    """A source that another one is related to."""

    id: int
    relations: list[str] = Field(
        description="ancestor and child: split from each other; shared: measurements of this one "
        "are in both light curves; neighbour: within the radius"
    )
    separation_arcsec: float = Field(description="Distance of the positions [arcsec]")
    ra: float = Field(description="ICRS [deg]")
    dec: float = Field(description="ICRS [deg]")
    n_datapoints: int = Field(description="Points of its light curve, blind and forced")
    eta: float | None = Field(description="Reduced chi-square of the integrated flux")
    v: float | None = Field(description="Coefficient of variation of the integrated flux")


class ArchivedSource(Model):
    """A source that left the running catalogue, for no measurement confirmed it."""

    id: int = Field(description="As its detections have it")
    stream: str
    ra: float = Field(description="Weighted mean, ICRS [deg]")
    dec: float = Field(description="Weighted mean, ICRS [deg]")
    n_datapoints: int = Field(description="Blind detections")
    n_forced: int = Field(description="Forced measurements")
    snr_forced: float | None = Field(
        description="Weighted mean of the forced fluxes over its error, largest of its bands"
    )
    first_time_start: datetime = Field(description="Start of the image of its first detection")
    last_time_start: datetime = Field(description="Start of the image of its last detection")
    time_archived: datetime = Field(description="When it left the running catalogue")


class SourcePage(Page[SourceItem]):
    """One page of sources."""

    as_of: datetime | None = Field(
        description="Time of the copy of the statistics that filters and orders the list; "
        "null: the list is of now"
    )


class SourceDetail(SourceItem):
    """A source with the statistics of its light curve."""

    statistics: list[LightCurveStatistics]
