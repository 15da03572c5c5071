"""Light curves and the statistics of their newest points."""

from datetime import datetime

from pydantic import Field

from api.models.base import Model

__all__ = ["LightCurve", "LightCurvePoint", "LightCurveStatistics"]


class LightCurvePoint(Model):
    """One measurement."""

    time_start: datetime = Field(description="Start of the exposure")
    exposure_s: float | None = Field(description="[s]")
    freq_eff_hz: float = Field(description="Centre frequency of the band [Hz]")
    freq_bw_hz: float = Field(description="Bandwidth [Hz]")
    stokes: str
    flux_int_jy: float | None = Field(description="[Jy]")
    flux_int_err_jy: float | None = Field(description="1 sigma [Jy]")
    flux_peak_jy_beam: float | None = Field(description="[Jy/beam]")
    flux_peak_err_jy_beam: float | None = Field(description="1 sigma [Jy/beam]")
    snr: float | None = Field(description="Peak over local rms")
    ra: float = Field(description="ICRS [deg]")
    dec: float = Field(description="ICRS [deg]")
    extraction_type: str = Field(description="blind, forced, monitor or lookback")
    quality_flags: int = Field(description="Sum of the flags in docs/glossary.md")
    p_false: float | None = Field(
        description="Probability of being an artefact of a bright source; null: not blind"
    )
    image_id: str = Field(description="sha256 of the image")


class LightCurve(Model):
    """A page of the measurements of a source, in time order."""

    source_id: int
    points: list[LightCurvePoint]
    next: str | None = Field(description="Cursor of the next page; null on the last")


class LightCurveStatistics(Model):
    """Statistics of the newest points, in one band, Stokes parameter and time window."""

    freq_eff_hz: float = Field(description="Centre frequency of the band [Hz]")
    freq_bw_hz: float = Field(description="Bandwidth [Hz]")
    stokes: str
    quantity: str = Field(
        description="flux_int_jy or flux_peak_jy_beam: unit of max, mean and median"
    )
    look_back_s: float | None = Field(
        description="Length of the window that ends at the newest point [s]; null: no limit"
    )
    n_datapoints: int
    max: float | None
    mean: float | None
    median: float | None
    eta: float | None = Field(description="Reduced chi-square against a constant flux")
    v: float | None = Field(description="Coefficient of variation")
    vs: float | None = Field(
        description="Largest difference of two consecutive points, over its error"
    )
    m: float | None = Field(description="Difference of the same two points over their mean")
    pair_time_start: datetime | None = Field(description="Start of the later one of the two")
