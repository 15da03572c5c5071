"""Images and their verdicts."""

from datetime import datetime

from pydantic import Field

from api.models.base import Model

__all__ = ["ImageItem"]


class ImageItem(Model):
    """An image, its metadata and its verdict."""

    id: int
    image_id: str = Field(description="sha256 of the image")
    stream: str
    verdict: str = Field(description="accepted or rejected")
    reasons: list[str] = Field(description="Codes of a rejection, such as no_beam")
    reason_text: str | None = Field(description="The rejection in words")
    time_start: datetime | None = Field(description="Start of the exposure")
    exposure_s: float | None = Field(description="[s]")
    freq_eff_hz: float | None = Field(description="Centre frequency [Hz]")
    freq_bw_hz: float | None = Field(description="Bandwidth [Hz]")
    stokes: str | None
    beam_major_deg: float | None = Field(description="FWHM [deg]")
    beam_minor_deg: float | None = Field(description="FWHM [deg]")
    beam_pa_deg: float | None = Field(description="East of north [deg]")
    field_ra: float | None = Field(description="Centre, ICRS [deg]")
    field_dec: float | None = Field(description="Centre, ICRS [deg]")
    field_radius_deg: float | None = Field(description="Centre to farthest corner [deg]")
    width_px: int | None = Field(description="[px]")
    height_px: int | None = Field(description="[px]")
    telescope: str | None
    rms_jy_beam: float | None = Field(description="Median local rms [Jy/beam]")
    n_sources: int = Field(description="Sources extracted blindly")
    is_late: bool = Field(description="It arrived after its timestep was closed")
    time_sent: datetime | None = Field(description="When the telescope sent it")
    time_appended: datetime | None = Field(description="When Kafka received it")
    time_extracted: datetime | None = Field(description="When its sources were extracted")
    time_associated: datetime = Field(description="When its sources were associated")
